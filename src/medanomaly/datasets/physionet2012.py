"""PhysioNet/CinC Challenge 2012: one text file per stay (``Time,Parameter,Value``), one folder per set."""

import csv
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.datasets.raw import RawDataset
from medanomaly.datasets.sources import not_found
from medanomaly.datasets.table import check_matches
from medanomaly.tabular.features.event_statistics import STATISTICS_OF_TABLES, aggregate_events

HEADER = b"Time,Parameter,Value"
DESCRIPTORS = ("RecordID", "Age", "Gender", "Height", "ICUType", "Weight")
# every measured parameter of the challenge, so the columns do not depend on the stays
PARAMETERS = (
    "Albumin", "ALP", "ALT", "AST", "Bilirubin", "BUN", "Cholesterol", "Creatinine", "DiasABP", "FiO2",
    "GCS", "Glucose", "HCO3", "HCT", "HR", "K", "Lactate", "MAP", "MechVent", "Mg", "Na", "NIDiasABP",
    "NIMAP", "NISysABP", "PaCO2", "PaO2", "pH", "Platelets", "RespRate", "SaO2", "SysABP", "Temp",
    "TroponinI", "TroponinT", "Urine", "WBC", "Weight",
)  # fmt: skip
SEX = {0.0: "F", 1.0: "M"}
ICU_TYPE = {1.0: "coronary", 2.0: "cardiac surgery", 3.0: "medical", 4.0: "surgical"}
MISSING = -1


def read_stays(folder: Path) -> pd.DataFrame:
    """Read all measurements of a folder.

    Returns:
        One row per line of the files: ``case_id`` (file name), ``hours`` (since admission), ``variable`` (category; NA where
        the file names none), ``value`` (float64; NaN where the file has -1).

    Raises:
        DataNotFoundError: the folder does not exist, or has no text files.
        InputError: a file has a wrong header or a line that cannot be read.
    """
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise not_found(folder / "*.txt")
    bodies, lines = [], []
    for path in paths:
        header, _, body = path.read_bytes().partition(b"\n")
        if header.strip() != HEADER:
            raise InputError(
                f"the first line is {header[:60]!r}", remedy=f"Expected {HEADER.decode()!r}.", source=path
            )
        body = body.strip(b"\r\n") + b"\n"
        bodies.append(body if body != b"\n" else b"")
        lines.append(bodies[-1].count(b"\n"))
    # pandas accepts short lines, so fields are counted first
    if any(body.count(b",") != 2 * n for body, n in zip(bodies, lines, strict=True)):
        raise _first_fault(paths, bodies)
    try:
        table = pd.read_csv(
            BytesIO(b"".join(bodies)),
            header=None,
            names=["time", "variable", "value"],
            dtype={"time": "category", "variable": "category", "value": "float64"},
            skip_blank_lines=False,
            index_col=False,
            # a stray quotation mark must not swallow lines
            quoting=csv.QUOTE_NONE,
        )
    except (ValueError, pd.errors.ParserError):
        raise _first_fault(paths, bodies) from None
    stay = np.repeat(np.arange(len(paths)), lines)
    hours = _hours(table["time"].cat.categories)
    times = hours[table["time"].cat.codes.to_numpy()]
    if np.isnan(times).any() or (table["time"].cat.codes == -1).any():
        raise _first_fault(paths, bodies)
    return pd.DataFrame(
        {
            "case_id": pd.Categorical.from_codes(stay, [path.stem for path in paths]),
            "hours": times,
            "variable": table["variable"],
            "value": table["value"].mask(table["value"] == MISSING),
        }
    )


def _hours(times: pd.Index) -> np.ndarray:
    parts = pd.Series(times, dtype="string").str.extract(r"^\s*(\d{1,3}):([0-5]\d)\s*$")
    return (parts[0].astype("Float64") + parts[1].astype("Float64") / 60).to_numpy("float64", na_value=np.nan)


def _first_fault(paths: list[Path], bodies: list[bytes]) -> InputError:
    """The error that names the first file and line that cannot be read."""
    for path, body in zip(paths, bodies, strict=True):
        for number, line in enumerate(body.decode("utf-8", "replace").splitlines(), 2):
            fields = line.split(",")
            readable = len(fields) == 3 and not np.isnan(_hours(pd.Index(fields[:1]))).any()
            if readable and fields[2].strip():
                readable = not pd.isna(pd.to_numeric(fields[2], errors="coerce"))
            if not readable:
                return InputError(
                    f"the line is {line[:60]!r}",
                    remedy="Expected a line like 00:38,HR,69.",
                    source=path,
                    record=f"line {number}",
                )
    return InputError(
        "a line cannot be read", remedy="Expected lines like 00:38,HR,69.", source=paths[0].parent
    )


def stay_table(
    events: pd.DataFrame, hours: float = 48.0, statistics: tuple[str, ...] = STATISTICS_OF_TABLES
) -> pd.DataFrame:
    """One row per stay: descriptors, then aggregates of the first ``hours``.

    Args:
        events: as :func:`read_stays` returns them.
        hours: length of the window since admission; later measurements are left out.
        statistics: see :func:`medanomaly.tabular.features.event_statistics.aggregate_events`.

    Returns:
        ``RecordID`` (str), ``Age`` (years), ``Gender`` (F, M), ``Height`` (cm), ``ICUType`` (words), ``Weight`` (kg, the
        first one known), then ``<parameter>_<statistic>``.
    """
    stays = pd.Index(events["case_id"].cat.categories, name="case_id")
    described = events[events["variable"].isin(DESCRIPTORS) & events["value"].notna()]
    # a stable sort: of two values at the same time, the first in the file
    first = described.sort_values("hours", kind="stable").drop_duplicates(["case_id", "variable"])
    wide = first.pivot(index="case_id", columns="variable", values="value")  # noqa: PD010 - no aggregation is wanted
    wide = wide.reindex(index=stays, columns=list(DESCRIPTORS[1:]))
    wide.columns = list(wide.columns)
    wide["Gender"] = wide["Gender"].map(SEX).astype("string")
    wide["ICUType"] = wide["ICUType"].map(ICU_TYPE).astype("string")
    measured = events[(events["hours"] <= hours)]
    aggregates = aggregate_events(measured, stays.astype(str), PARAMETERS, statistics)
    out = pd.concat([wide.set_axis(aggregates.index), aggregates], axis=1)
    out.insert(0, "RecordID", aggregates.index.astype("string"))
    return out.reset_index(drop=True)


class PhysioNet2012Dataset(RawDataset[pd.DataFrame]):
    """Stays of one or more sets as a table with one row per stay.

    Besides the columns of :func:`stay_table` there are ``set`` and the columns of ``Outcomes-<letter>.txt`` (RecordID,
    SAPS-I, SOFA, Length_of_stay, Survival, In-hospital_death) if that file is next to ``set-<letter>``; sets without
    it have missing outcomes.

    Args:
        folder: holds the folders of the sets and the outcome files.
        sets: folder names, as a list or joined by ``+`` (``set-a+set-c``).
        hours: length of the window in hours since admission.
        statistics: of every parameter; None for all.
    """

    def __init__(
        self,
        *,
        folder: str,
        sets: str | list[str],
        hours: float = 48.0,
        statistics: list[str] | None = None,
        metadata: dict | None = None,
    ):
        self.folder = Path(folder)
        self.sets = tuple(sets.split("+")) if isinstance(sets, str) else tuple(sets)
        self.hours, self.statistics = hours, tuple(statistics or STATISTICS_OF_TABLES)
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        """Read and aggregate the stays."""
        parts = []
        for name in self.sets:
            if not (self.folder / name).is_dir() and self.folder.is_dir():
                available = sorted(path.name for path in self.folder.iterdir() if path.is_dir())
                raise DataNotFoundError(
                    f"there is no set '{name}'", remedy=f"There are {available}.", source=self.folder
                )
            stays = stay_table(read_stays(self.folder / name), self.hours, self.statistics)
            parts.append(self._with_outcomes(stays.assign(set=name), name))
        table = pd.concat(parts, ignore_index=True)
        # an altered copy of a set contains some of its stays
        repeated = table["RecordID"].duplicated()
        if repeated.any():
            raise InputError(
                f"stay {table.loc[repeated, 'RecordID'].iloc[0]} is in two of {list(self.sets)}",
                remedy="Read sets that have no stays in common.",
                source=self.folder,
            )
        return table

    def _with_outcomes(self, stays: pd.DataFrame, name: str) -> pd.DataFrame:
        path = self.folder / f"Outcomes-{name.removeprefix('set-')}.txt"
        columns = ["RecordID", "SAPS-I", "SOFA", "Length_of_stay", "Survival", "In-hospital_death"]
        if not path.is_file():
            return stays.assign(**dict.fromkeys(columns[1:], np.nan))
        outcomes = pd.read_csv(path, dtype={"RecordID": "string"})
        if "RecordID" not in outcomes or "In-hospital_death" not in outcomes:
            raise InputError(f"columns are {list(outcomes)}", remedy=f"Expected {columns}.", source=path)
        outcomes["RecordID"] = outcomes["RecordID"].str.strip()
        scores = outcomes.columns.drop(["RecordID"])
        outcomes[scores] = outcomes[scores].mask(outcomes[scores] == MISSING)
        check_matches(stays["RecordID"], outcomes["RecordID"], path)
        return stays.merge(outcomes, on="RecordID", how="left", validate="one_to_one")

    def _exists(self) -> bool:
        return all((self.folder / name).is_dir() for name in self.sets)

    def _describe(self) -> dict:
        return {"folder": self.folder.as_posix(), "sets": list(self.sets), "hours": self.hours}
