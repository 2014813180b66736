"""The file of answers of a batch: finished parts beside it, until all of them become one file."""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.core.splits import patient_position
from medanomaly.core.spreadsheet_text import quoted
from medanomaly.monitoring.batch_shift import FEWEST_USUAL, check_shift
from medanomaly.monitoring.facts import facts_of
from medanomaly.scoring.answers import REFUSED
from medanomaly.scoring.class_answers import CLASS_COLUMNS
from medanomaly.scoring.models import Models
from medanomaly.tabular.events.account import ACCOUNT_COLUMNS, Account

if TYPE_CHECKING:
    import pyarrow as pa

    from medanomaly.evaluation.reweighting import Weighting

# patients whose facts are compared with those of calibration, chosen by a hash of their ids
MOST_COMPARED = 5000
# refused cases and notes that a summary shows; the output lists all cases
SHOWN = 1000
_TEXT = ("case_id", "case", "status", "model", "reasons", "findings", "missing", "bundle", *CLASS_COLUMNS)
COLUMNS = (
    "case_id", "case", "status", "model", "score", "p_value", "flagged", "alpha", "probability", "low", "high", "reasons",
    "findings", "missing", "bundle",
)  # fmt: skip


@dataclass(frozen=True)
class BatchSummary:
    """What came of a batch.

    Attributes:
        destination: file of the answers: the columns of ``Answers.table``.
        batch: name of the batch, which is the same for the same source, models and settings.
        modality: of the cases.
        n_scored: cases with an answer.
        n_refused: cases without one; they are in the file too, with their reasons.
        n_flagged: model -> flagged cases.
        refused: ``case_id`` and ``reason`` of the first refused cases.
        shift: model -> verdict and reason: whether its p-values hold for these cases together.
        weighted: model -> how its calibration was weighted, where that was asked for.
        notes: sentences about all cases.
        n_stored: predictions that are new in the store.
        n_resumed: parts that an earlier run had finished.
        seconds: duration of this run.
    """

    destination: Path
    batch: str
    modality: str
    n_scored: int
    n_refused: int
    n_flagged: Mapping[str, int]
    refused: pd.DataFrame
    shift: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    weighted: "Mapping[str, Weighting]" = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    n_stored: int = 0
    n_resumed: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "destination": str(self.destination),
            "batch": self.batch,
            "modality": self.modality,
            "n_scored": self.n_scored,
            "n_refused": self.n_refused,
            "n_flagged": dict(self.n_flagged),
            "refused": self.refused.to_dict("records"),
            "p_values_hold": {model: dict(verdict) for model, verdict in self.shift.items()},
            **(
                {"weighted": {name: of.to_dict() for name, of in self.weighted.items()}}
                if self.weighted
                else {}
            ),
            "notes": list(self.notes),
            "n_stored": self.n_stored,
            "n_resumed": self.n_resumed,
            "seconds": round(self.seconds, 3),
        }


@dataclass
class ScoredPart:
    """A part with its answers, and with what became of its events."""

    table: pd.DataFrame
    notes: list[str]
    independent: bool
    taken: pd.DataFrame
    account: Account


class BatchFolder:
    """Finished parts beside the destination, until all of them become one file."""

    def __init__(
        self, destination: Path, batch: str, settings: Mapping[str, Any], columns: Sequence[str] = COLUMNS
    ):
        from filelock import FileLock

        self._destination = destination
        self.folder = destination.with_name(f".{destination.name}.parts")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.folder / "lock")
        self._batch, self._settings, self.columns = batch, settings, columns

    def __enter__(self) -> "BatchFolder":
        from filelock import Timeout

        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                "another process writes this batch", source=self._destination, remedy="Wait until it is done."
            ) from error
        about = self.folder / "batch.json"
        if not about.is_file() or json.loads(about.read_text()) != self._settings:
            # parts of another batch, whose source, models or settings were others
            for old in self.folder.glob("part-*"):
                old.unlink()
            _written(about, lambda path: path.write_text(json.dumps(self._settings)))
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @property
    def n_finished(self) -> int:
        """Parts without a gap from the first one on."""
        n = 0
        while self._part(n).is_file():
            n += 1
        return n

    def has(self, i: int) -> bool:
        """Whether a part is finished."""
        return self._part(i).is_file()

    def _part(self, i: int) -> Path:
        return _part_of(self.folder, i)

    def _facts(self, i: int) -> Path:
        return _facts_of(self.folder, i)

    def _taken(self) -> pd.DataFrame:
        """One row per patient of all parts, of at most :data:`MOST_COMPARED` patients."""
        import pyarrow.parquet as pq

        together = pd.DataFrame()
        for i in range(self.n_finished):
            together = pd.concat([together, pq.read_table(self._facts(i)).to_pandas()], ignore_index=True)
            if "patient_id" not in together:
                return pd.DataFrame()
            together = together[~together["patient_id"].duplicated()]
            order = np.argsort(patient_position(together["patient_id"], 0), kind="stable")[:MOST_COMPARED]
            together = together.iloc[np.sort(order)]
        return together

    def write(self, i: int, scored: ScoredPart) -> None:
        """Write a part; its name appears once it is whole."""
        write_part(self.folder, i, scored, self.columns)

    def finish(
        self,
        models: Models,
        modality: str,
        batch: str,
        weightings: "Mapping[str, Weighting]",
        n_stored: int,
        resumed: int,
        started: float,
    ) -> BatchSummary:
        """All parts as one file, and what is in it."""
        import pyarrow.parquet as pq

        found = [self._part(i) for i in range(self.n_finished)]
        notes = {f"P-values of {name} {of.in_words}.": None for name, of in weightings.items()}
        independent, refused, n_refused, accounts = True, [], 0, []
        scores: dict[str, list[np.ndarray]] = {}
        flagged: dict[str, int] = {}
        n_scored = 0
        for path in found:
            about = pq.read_metadata(path).metadata
            notes |= dict.fromkeys(json.loads(about[b"notes"]))
            accounts.append(pd.DataFrame(json.loads(about[b"account"]), columns=list(ACCOUNT_COLUMNS)))
            independent &= json.loads(about[b"independent"])
            table = pq.read_table(
                path, columns=["case_id", "status", "model", "score", "flagged", "reasons"]
            ).to_pandas()
            lost = table["status"].eq(REFUSED)
            n_refused += int(lost.sum())
            refused.append(table.loc[lost, ["case_id", "reasons"]].head(SHOWN))
            table = table[~lost]
            n_scored += table["case_id"].nunique()
            for name, rows in table.groupby("model", sort=False):
                flagged[name] = flagged.get(name, 0) + int(rows["flagged"].eq(True).sum())
                scores.setdefault(name, []).append(rows["score"].to_numpy(dtype=np.float64))
        notes |= dict.fromkeys(Account.of(*accounts).sentences())
        taken = self._taken() if independent else pd.DataFrame()
        write = _write_csv if self._destination.suffix == ".csv" else _write_parquet
        _written(self._destination, lambda path: write(found, path, _schema(self.columns)))
        shutil.rmtree(self.folder)
        shown = (
            pd.concat(refused, ignore_index=True).head(SHOWN)
            if refused
            else pd.DataFrame(columns=["case_id", "reasons"])
        )
        return BatchSummary(
            destination=self._destination,
            batch=batch,
            modality=modality,
            n_scored=n_scored,
            n_refused=n_refused,
            n_flagged=flagged,
            refused=shown.rename(columns={"reasons": "reason"}),
            shift=_shift(models, modality, scores, taken) if independent else {},
            weighted=dict(weightings),
            notes=tuple(notes)[:SHOWN],
            n_stored=n_stored,
            n_resumed=resumed,
            seconds=time.monotonic() - started,
        )


def _part_of(folder: Path, i: int) -> Path:
    return folder / f"part-{i:06d}.parquet"


def _facts_of(folder: Path, i: int) -> Path:
    return folder / f"part-{i:06d}.facts.parquet"


def write_part(folder: Path, i: int, scored: ScoredPart, columns: Sequence[str] = COLUMNS) -> None:
    """Write a part of a batch; its name appears once it is whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = scored.table.reindex(columns=list(columns))
    text = {name: "string" for name in columns if name in _TEXT}
    numbers = {name: "float64" for name in columns if name not in (*_TEXT, "flagged")}
    table = table.assign(flagged=table["flagged"].map({True: True, False: False})).astype(text | numbers)
    made = pa.Table.from_pandas(table, schema=_schema(columns), preserve_index=False)
    # before the part itself: a finished part has its facts
    _written(_facts_of(folder, i), lambda path: pq.write_table(pa.Table.from_pandas(scored.taken), path))
    about = {
        "notes": json.dumps(scored.notes[:SHOWN]),
        "independent": json.dumps(scored.independent),
        "account": scored.account.table.to_json(orient="values"),
    }
    made = made.replace_schema_metadata(about)
    _written(_part_of(folder, i), lambda path: pq.write_table(made, path))


def _shift(
    models: Models, modality: str, scores: Mapping[str, list[np.ndarray]], taken: pd.DataFrame
) -> dict[str, dict[str, str]]:
    """Verdict and reason per model: from facts and scores of one case per patient, where facts are known."""
    facts = taken[[name for name in taken if name.startswith("fact ")]]
    facts = facts.rename(columns=lambda name: name.removeprefix("fact ")).reset_index(drop=True)
    out = {}
    for name, values in scores.items():
        # a model of the same cases in a namespace of its own carries its modality in its name
        full = name if name in set(models) else f"{modality}.{name}"
        model = models[full] if full in set(models) else None
        score = np.concatenate(values)
        if model is None or not len(score) or not np.isfinite(score).all():
            continue
        known = facts_of(model.bundle)
        own = taken.get(f"score {name}", pd.Series(dtype=float)).to_numpy(dtype=np.float64)
        if known is not None and len(own) >= FEWEST_USUAL and np.isfinite(own).all():
            check = check_shift(model.scorer.calibration, own, known, facts)
        else:
            check = check_shift(model.scorer.calibration, score)
        out[name] = {"verdict": check.verdict, "reason": check.reason}
    return out


def _schema(columns: Sequence[str]) -> "pa.Schema":
    import pyarrow as pa

    kinds = {name: pa.string() for name in _TEXT} | {"flagged": pa.bool_()}
    return pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])


def _write_parquet(found: list[Path], path: Path, schema: "pa.Schema") -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, schema) as writer:
        for part in found:
            writer.write_table(pq.read_table(part).replace_schema_metadata(None))


def _write_csv(found: list[Path], path: Path, schema: "pa.Schema") -> None:
    import pyarrow.parquet as pq

    with path.open("w", encoding="utf-8", newline="") as stream:
        quoted(schema.empty_table().to_pandas()).to_csv(stream, index=False)
        for part in found:
            quoted(pq.read_table(part).to_pandas()).to_csv(stream, index=False, header=False)


def _written(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file that has its name only once it is whole and on the disk."""
    # two workers may write one part, where one was taken for dead
    new = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.new")
    write(new)
    with new.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(new, path)
