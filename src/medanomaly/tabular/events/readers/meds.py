"""The Medical Event Data Standard (MEDS): ``data/**/*.parquet``, also MIMIC-IV as MEDS.

A code of the recipe covers the MEDS codes that begin with it (``LAB//RESULT//50971`` covers
``LAB//RESULT//50971//mEq/L``), and the last part of what is left is the unit, unless the files have a column ``unit``.
MEDS keeps numbers as float32; they are read to the shortest decimals that they stand for, so that 4.1 is 4.1. Source:
https://medical-event-data-standard.github.io.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError, MedanomalyError
from medanomaly.tabular.events.account import NOT_ASKED, QUARANTINED, USED, Account
from medanomaly.tabular.events.description import DEATH, EventSpec
from medanomaly.tabular.events.form import (
    NO_TIME,
    PATIENT_COLUMNS,
    TEXT_VALUE,
    VISIT_COLUMNS,
    EventPart,
    Events,
    bound_of,
)
from medanomaly.tabular.events.readers.fhir import NOT_ASKED_CODE, checked_visits
from medanomaly.tabular.features.meds_windows import BIRTH, check_meds_events
from medanomaly.tabular.table.files import read_table

# prefix of the code that starts a visit -> its kind
VISIT_STARTS = {
    "VISIT//inpatient": "inpatient",
    "VISIT//outpatient": "outpatient",
    "VISIT//emergency": "emergency",
    "VISIT//other": "other",
    "HOSPITAL_ADMISSION": "inpatient",
    "ED_REGISTRATION": "emergency",
}
SUBJECT, MEDS_DEATH, SEX = "subject_id", "MEDS_DEATH", "GENDER"
_BOUND = r"^\s*(<=|>=|<|>)\s*([0-9]+\.?[0-9]*)\s*$"


def read_meds(source: str | Path, spec: EventSpec) -> Events:
    """Events of a MEDS folder. A visit has no end in MEDS, so that cases which are visits need ``hours``.

    Args:
        source: the MEDS root.
        spec: the recipe; codes that it does not name are counted and left out.

    Raises:
        DataNotFoundError: there are no files.
        ConfigurationError: cases are visits, and ``hours`` is missing.
        InputError: a file is no table, or a column is missing.
    """
    found = _Collected(spec)
    for path in _shards(Path(source), spec):
        found.add(_checked(read_table(path), path))
    return found.events()


def meds_parts(source: str | Path, spec: EventSpec, patients: int) -> Iterator[EventPart]:
    """The same, so many patients at a time. MEDS keeps a subject in one file; of a subject in several, all are read.

    A file that cannot be used costs its subjects alone.

    Args:
        source: the MEDS root.
        spec: the recipe.
        patients: of a part.

    Raises:
        DataNotFoundError, ConfigurationError: as of :func:`read_meds`.
        InputError: no file can be read; or one cannot be, and this source does not keep its subjects in one file each.
    """
    held: dict[Path, np.ndarray] = {}
    lost: dict[Path, MedanomalyError] = {}
    for path in _shards(Path(source), spec):
        try:
            held[path] = _subjects(path)
        except MedanomalyError as error:
            lost[path] = error
    every = np.concatenate([*held.values(), np.empty(0, np.int64)])
    unique, first = np.unique(every, return_index=True)
    if lost and len(unique) < len(every):
        path, error = next(iter(lost.items()))
        raise InputError(
            f"the file cannot be read, and nobody can tell whose events it holds: {error.problem}",
            source=path,
            remedy="Get it again, or remove it: its events would be missing from the features of their patients.",
        ) from error
    if not held:
        raise next(iter(lost.values()))
    unique, gone = unique[np.argsort(first, kind="stable")], np.empty(0, np.int64)
    for start in range(0, len(unique), patients):
        tables, wanted = [], np.setdiff1d(unique[start : start + patients], gone)
        for path, subjects in held.items():
            some = np.intersect1d(subjects, wanted)
            if not len(some):
                continue
            filters = {} if len(some) == len(subjects) else {"filters": [(SUBJECT, "in", some.tolist())]}
            try:
                tables.append(_checked(read_table(path, **filters), path))
            except MedanomalyError as error:
                lost[path] = error
                # without it none of its subjects is whole, in this part and in later ones
                gone = np.union1d(gone, subjects)
                wanted = np.setdiff1d(wanted, gone)
        found = _Collected(spec)
        for table in tables:
            found.add(table[table[SUBJECT].isin(wanted)])
        told = {
            path.relative_to(
                source
            ).as_posix(): f"the file cannot be used, and its patients get no answer: {of.problem}"
            for path, of in lost.items()
        }
        yield EventPart(found.events() if len(wanted) else None, told)
        lost = {}


def _shards(folder: Path, spec: EventSpec) -> list[Path]:
    if spec.cases == "visit" and spec.hours is None:
        raise ConfigurationError(
            "visits have no end in MEDS", source=folder, remedy="Give hours in the recipe of events."
        )
    shards = sorted((folder / "data").rglob("*.parquet"))
    if not shards:
        raise DataNotFoundError(
            "there are no MEDS shards",
            remedy="Expected data/**/*.parquet with subject_id, time, code, numeric_value.",
            source=folder,
        )
    return shards


def _subjects(path: Path) -> np.ndarray:
    """(n,) int64, whose events a file holds."""
    found = read_table(path, columns=[SUBJECT])[SUBJECT]
    if not pd.api.types.is_integer_dtype(found):
        raise InputError("subject_id is not a whole number everywhere, as MEDS requires", source=path)
    return found.unique().astype(np.int64)


def _checked(raw: pd.DataFrame, path: Path) -> pd.DataFrame:
    of = check_meds_events(raw, source=path)
    extra = {name: raw[name] for name in ("unit", "text_value") if name in raw}
    return of.assign(**extra, **{SUBJECT: of[SUBJECT].astype("int64")})


class _Collected:
    """What files hold, until it becomes events."""

    def __init__(self, spec: EventSpec):
        self._spec, self._account = spec, Account()
        self._parts: list[pd.DataFrame] = []
        self._people: list[pd.DataFrame] = []
        self._visits: list[pd.DataFrame] = []

    def add(self, of: pd.DataFrame) -> None:
        """Take the events of a file, or some of them."""
        of = of.assign(**{SUBJECT: of[SUBJECT].astype(str).astype(object)})
        about = _about_a_person(of["code"])
        self._people += [of.loc[about, [SUBJECT, "time", "code"]], of[[SUBJECT]].drop_duplicates()]
        started = _kinds_of_visits(of["code"])
        visits = {
            "patient_id": of[SUBJECT],
            "start": of["time"].astype("string"),
            "end": None,
            "kind": started,
        }
        self._visits.append(pd.DataFrame(visits)[started.notna()])
        self._parts.append(_events(of[started.isna() & ~about], self._spec, self._account))

    def events(self) -> Events:
        """All that was taken."""
        patients = _patients(pd.concat(self._people, ignore_index=True), self._account)
        events = pd.concat(self._parts, ignore_index=True)
        events["patient_id"] = pd.Categorical(
            events["patient_id"], categories=pd.Index(patients["patient_id"])
        )
        for name in ("code", "unit", "problem", "source"):
            events[name] = events[name].astype(object).astype("category")
        stays = pd.concat(self._visits, ignore_index=True)[list(VISIT_COLUMNS)]
        return Events(events, patients, checked_visits(stays, "MEDS visits", self._account), self._account)


def _about_a_person(code: pd.Series) -> pd.Series:
    return code.eq(BIRTH) | code.str.startswith(f"{SEX}//")


def _kinds_of_visits(code: pd.Series) -> pd.Series:
    unique = pd.Series(code.unique(), dtype="object")
    kind = pd.Series(pd.NA, index=unique, dtype="object")
    for prefix, of in VISIT_STARTS.items():
        kind[(unique.eq(prefix) | unique.str.startswith(f"{prefix}//")).to_numpy(bool)] = of
    return code.map(kind).astype("object")


def _patients(people: pd.DataFrame, account: Account) -> pd.DataFrame:
    births = people[people["code"].eq(BIRTH).fillna(False)].drop_duplicates("subject_id")
    sexes = people[people["code"].str.startswith(f"{SEX}//").fillna(False)].drop_duplicates("subject_id")
    said = sexes["code"].str.partition("//")[2].str.upper().str[:1]
    sex = said.where(said.isin(["F", "M"])).set_axis(sexes["subject_id"])
    ids = pd.Index(sorted(people["subject_id"].unique(), key=lambda one: (len(one), one)), dtype=object)
    account.read("MEDS subjects", len(ids))
    account.add("MEDS subjects", USED, n=len(ids))
    birth = births.set_index("subject_id")["time"].reindex(ids)
    return pd.DataFrame(
        {
            "patient_id": ids.to_numpy(),
            "sex": sex.reindex(ids).astype("string").array,
            "birth": birth.to_numpy("datetime64[us]"),
        }
    )[list(PATIENT_COLUMNS)]


def _asked(code: str, spec: EventSpec) -> tuple[str | None, str]:
    """The code of the recipe that a code begins with, the longest one, and the unit in what is left of it."""
    if code == MEDS_DEATH and DEATH in spec.meanings:
        return DEATH, ""
    parts = code.split("//")
    for n in range(len(parts), 0, -1):
        name = "//".join(parts[:n])
        if name in spec.meanings:
            return name, parts[-1] if n < len(parts) else ""
    return None, ""


def _events(of: pd.DataFrame, spec: EventSpec, account: Account) -> pd.DataFrame:
    source = "MEDS events"
    account.read(source, len(of))
    unique = pd.Index(of["code"].unique(), dtype=object)
    asked = {code: _asked(code, spec) for code in unique}
    name = of["code"].map({code: found for code, (found, _) in asked.items()}).astype(object)
    account.add(source, NOT_ASKED, NOT_ASKED_CODE, n=int(name.isna().sum()))
    of, name = of[name.notna()], name[name.notna()]
    unit = of["code"].map({code: left for code, (_, left) in asked.items()}).astype(object)
    if "unit" in of:
        unit = of["unit"].astype(object).where(of["unit"].notna(), unit)
    value = _decimals(of["numeric_value"])
    problem = pd.Series("", index=of.index, dtype=object)
    if "text_value" in of:
        text = of["text_value"].astype("string").fillna("")
        bound = text.str.extract(_BOUND)
        marked = (bound[0].notna() & value.isna()).to_numpy(bool)
        value = value.mask(marked, pd.to_numeric(bound[1], errors="coerce"))
        problem[marked] = bound[0][marked].map(bound_of)
        problem[(value.isna() & text.ne("")).to_numpy(bool)] = TEXT_VALUE
    events = pd.DataFrame(
        {
            "patient_id": of["subject_id"],
            "time": of["time"].dt.as_unit("us"),
            "by_day": False,
            "code": name,
            "value": value,
            "unit": unit.fillna(""),
            "problem": problem,
            "source": source,
        }
    )
    dated = events["time"].notna()
    account.add_each(events[~dated], QUARANTINED, NO_TIME)
    return events[dated].reset_index(drop=True)


def _decimals(values: pd.Series) -> pd.Series:
    """float32 as the shortest decimals that they stand for."""
    codes, unique = pd.factorize(values.to_numpy(dtype="float32"))
    # a NaN has the code -1
    read = np.append(unique.astype(str).astype("float64"), np.nan)
    return pd.Series(read[codes], index=values.index)
