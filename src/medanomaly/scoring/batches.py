"""Batches: tables of millions of rows, folders of recordings or images, in bounded memory, resumed where they stopped."""

import hashlib
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly import __version__
from medanomaly.core.conformal import checked_alpha
from medanomaly.core.errors import ConfigurationError, InputError, MedanomalyError
from medanomaly.core.splits import patient_position
from medanomaly.core.spreadsheet_text import quoted
from medanomaly.monitoring.batch_shift import FEWEST_USUAL, check_shift
from medanomaly.monitoring.facts import facts_of
from medanomaly.scoring.answers import REFUSED, Answers
from medanomaly.scoring.batch_sources import ROWS, Part, fingerprint, parts
from medanomaly.scoring.kept_records import KeptRecords
from medanomaly.scoring.models import Models
from medanomaly.tabular.recipe import TableRecipe

if TYPE_CHECKING:
    import pyarrow as pa

    from medanomaly.store.store import Store

ENDINGS = (".csv", ".parquet")
# patients whose facts are compared with those of calibration, chosen by a hash of their ids
MOST_COMPARED = 5000
# refused cases and notes that a summary shows; the output lists all cases
SHOWN = 1000
_TEXT = ("case_id", "case", "status", "model", "reasons", "findings", "missing", "bundle")
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
            "notes": list(self.notes),
            "n_stored": self.n_stored,
            "n_resumed": self.n_resumed,
            "seconds": round(self.seconds, 3),
        }


def score_batch(
    models: Models,
    source: str | Path | pd.DataFrame,
    destination: str | Path,
    *,
    store: "Store | str | None" = None,
    chunk_rows: int | None = None,
    alpha: float | None = None,
    explain: int = 0,
    modality: str | None = None,
    names: Collection[str] | None = None,
    progress: Callable[[int], None] | None = None,
    observed_at: datetime | None = None,
    workers: int | None = None,
) -> BatchSummary:
    """Score a file or a folder, and write the answers to a file and, where one is given, to a store.

    A run that was stopped, by whatever, goes on where it stopped if it is started again with the same arguments, and writes
    the same bytes as an undisturbed one. A case that cannot be scored costs only itself.

    A table is read in parts. Where features need earlier records of a patient, or count equal records, it is read at once.
    Equal records are not flagged, and a number that could be read in two ways is judged by the rows of its part.

    Args:
        models: of ``medanomaly.open``.
        source: a CSV, Parquet or Excel file, a table, a folder of recordings or images, or one of its files.
        destination: ``.parquet``, or ``.csv`` in which no text runs as a formula.
        store: a store or its URL. One that keeps clinical values also keeps the records of a table whose features need
            earlier ones, and gives those that it has.
        chunk_rows: cases of a table, recordings or images per part; None: 20,000, 8 and 64.
        alpha: false-alarm rate at which cases are flagged; None takes that of the run.
        explain: how many of the most anomalous cases of each part are explained per model.
        modality: of the cases; None finds out.
        names: of the models that are asked; None asks all of this modality.
        progress: called after each part with the number of rows, recordings or images done.
        observed_at: moment at which all cases were observed, with a time zone; None: it is not known.
        workers: threads that score parts of a table side by side; each holds a part. None: one per processor, at most 4.

    Raises:
        DataNotFoundError: there is no such source.
        InputError: the source cannot be read at all, or another process works on this destination.
        ConfigurationError: an argument does not fit.
    """
    started = time.monotonic()
    source = source if isinstance(source, pd.DataFrame) else Path(source)
    destination = Path(destination)
    if destination.suffix not in ENDINGS:
        raise ConfigurationError(
            f"answers cannot be written to a file that ends in '{destination.suffix}'",
            remedy=f"Choose {' or '.join(ENDINGS)}.",
        )
    if chunk_rows is not None and chunk_rows < 1:
        raise ConfigurationError(f"chunk_rows is {chunk_rows}", remedy="Give 1 or more.")
    state = fingerprint(source)
    recipe = models.recipe(source, modality)
    modality = recipe.bundle.manifest.modality
    asked = list(models) if names is None else [models[name].name for name in names]
    settings = {
        "source": state,
        "recipe": recipe.bundle.bundle_hash,
        "models": {name: models[name].bundle.bundle_hash for name in sorted(asked)},
        "alpha": {name: models[name].alpha for name in sorted(asked)}
        if alpha is None
        else checked_alpha(alpha),
        "explain": explain,
        "rows": chunk_rows or ROWS[modality],
        "version": __version__,
    }
    if observed_at is not None:
        settings["observed_at"] = observed_at.isoformat()
    batch = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]
    opened = _opened(store)
    runner = _Runner(
        models, modality, None if names is None else asked, alpha, explain, opened, batch, observed_at
    )
    if not isinstance(recipe, TableRecipe):
        # readers of recordings and their libraries are not made for threads
        workers = 1
    try:
        with _Folder(destination, batch, settings) as folder:
            resumed, done = folder.n_finished, 0
            for i, (part, scored) in enumerate(
                runner.run(parts(recipe, source, settings["rows"]), resumed, workers)
            ):
                done += len(part) + len(part.refused)
                if scored is not None:
                    folder.write(i, scored)
                if progress is not None:
                    progress(done)
            return folder.finish(models, modality, batch, runner.n_stored, resumed, started)
    finally:
        if opened is not None and opened is not store:
            opened.close()


def _opened(store: "Store | str | None") -> "Store | None":
    if store is None or not isinstance(store, (str, Path)):
        return store
    from medanomaly.store.store import Store

    return Store.open(store)


@dataclass
class _Scored:
    """A part with its answers."""

    table: pd.DataFrame
    notes: list[str]
    independent: bool
    taken: pd.DataFrame


class _Runner:
    """Scores parts, some side by side, and hands them out in order."""

    def __init__(
        self,
        models: Models,
        modality: str,
        names: Collection[str] | None,
        alpha: float | None,
        explain: int,
        store: "Store | None",
        batch: str,
        observed_at: datetime | None,
    ):
        self._models, self._store, self._batch, self._observed_at = models, store, batch, observed_at
        self._options = {"modality": modality, "models": names, "alpha": alpha, "explain": explain}
        self._recipe = models.recipe(modality=modality)
        self._kept = KeptRecords(store, self._recipe)
        self.n_stored = 0

    def run(
        self, source: Iterator[Part], finished: int, workers: int | None
    ) -> Iterator[tuple[Part, _Scored | None]]:
        """Every part in order, with its answers; None for those that are finished already."""
        workers = workers or min(4, os.cpu_count() or 1)
        waiting: deque[tuple[Part, Future]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="batch") as pool:
            try:
                for i, part in enumerate(source):
                    if i == 0:
                        self._check(part)
                    if i < finished:
                        yield part, None
                        continue
                    waiting.append((part, pool.submit(self._answers, part)))
                    if len(waiting) > workers:
                        yield self._stored(*waiting.popleft())
                while waiting:
                    yield self._stored(*waiting.popleft())
            finally:
                for _, future in waiting:
                    future.cancel()

    def _times(self, answers: Answers) -> dict[str, datetime] | None:
        if self._observed_at is None:
            return None
        return dict.fromkeys(answers.read.cases["case_id"].astype(str), self._observed_at)

    def _check(self, part: Part) -> None:
        """Raise what is wrong with all cases, such as the name of a column, before each case is refused for it."""
        if len(part) and isinstance(self._recipe, TableRecipe):
            raw, options = part.take(0, 1)
            self._recipe.read(raw, **options)

    def _answers(self, part: Part) -> tuple[list[Answers], dict[str, str]]:
        refused = dict(part.refused)
        return (list(self._divided(part, 0, len(part), refused)) if len(part) else []), refused

    def _divided(self, part: Part, start: int, stop: int, refused: dict[str, str]) -> Iterator[Answers]:
        """Answers to the cases from ``start`` to ``stop``; where they fail together, to both halves."""
        try:
            raw, options = part.take(start, stop)
            answers = self._models.score(raw, **self._options, **options, **self._history(raw))
        except ConfigurationError:
            raise
        # whatever is wrong with one case, the others get their answers
        except Exception as error:
            if stop - start == 1:
                refused[part.names[start]] = _why(error)
                return
            middle = (start + stop) // 2
            yield from self._divided(part, start, middle, refused)
            yield from self._divided(part, middle, stop, refused)
            return
        yield answers

    def _history(self, raw: Any) -> dict[str, Any]:
        """Earlier records of the patients, where features need them and the store has them."""
        earlier = self._kept.earlier(raw)
        return {} if earlier is None else {"history": earlier}

    def _stored(self, part: Part, future: Future) -> tuple[Part, _Scored]:
        """The answers as they are written. What a file has the store has too, so the store comes first."""
        given, refused = future.result()
        for answers in given:
            if self._store is not None:
                self.n_stored += self._store.record(answers, batch=self._batch, times=self._times(answers))
        if self._store is not None and len(part):
            self._kept.keep(part.take(0, len(part))[0])
        tables = [answers.table for answers in given]
        if refused:
            lost = pd.DataFrame({"case_id": list(refused), "reasons": list(refused.values())})
            tables.append(lost.assign(case=lost["case_id"], status=REFUSED))
        table = pd.concat([t.astype(object) for t in tables], ignore_index=True) if tables else pd.DataFrame()
        notes = list(dict.fromkeys(note for answers in given for note in answers.read.notes))
        taken = [_taken(answers) for answers in given]
        return part, _Scored(
            table,
            notes,
            all(answers.read.independent for answers in given),
            pd.concat(taken, ignore_index=True) if taken else pd.DataFrame(),
        )


def _taken(answers: Answers) -> pd.DataFrame:
    """How the first case of each patient was taken (``fact <name>``), with its scores (``score <model>``)."""
    data = next((data for data in answers.read.inputs.values() if data.facts is not None), None)
    if data is None or not answers.read.independent or answers.scores.empty:
        return pd.DataFrame()
    rows = np.flatnonzero(~data.cases["patient_id"].duplicated().to_numpy())
    first = data.cases.iloc[rows]
    scores = answers.scores[answers.scores["modality"].eq(answers.modality)]
    wide = scores.pivot_table("score", "case_id", "model").reindex(first["case_id"])
    patients = pd.DataFrame({"patient_id": first["patient_id"].astype(str).to_numpy()})
    facts = data.facts(rows).reset_index(drop=True).add_prefix("fact ")
    return pd.concat([patients, facts, wide.reset_index(drop=True).add_prefix("score ")], axis=1)


class _Folder:
    """Finished parts beside the destination, until all of them become one file."""

    def __init__(self, destination: Path, batch: str, settings: Mapping[str, Any]):
        from filelock import FileLock

        self._destination = destination
        self._folder = destination.with_name(f".{destination.name}.parts")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._folder / "lock")
        self._batch, self._settings = batch, settings

    def __enter__(self) -> "_Folder":
        from filelock import Timeout

        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                "another process writes this batch", source=self._destination, remedy="Wait until it is done."
            ) from error
        about = self._folder / "batch.json"
        if not about.is_file() or json.loads(about.read_text()) != self._settings:
            # parts of another batch, whose source, models or settings were others
            for old in self._folder.glob("part-*"):
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

    def _part(self, i: int) -> Path:
        return self._folder / f"part-{i:06d}.parquet"

    def _facts(self, i: int) -> Path:
        return self._folder / f"part-{i:06d}.facts.parquet"

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

    def write(self, i: int, scored: _Scored) -> None:
        """Write a part; its name appears once it is whole."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = scored.table.reindex(columns=list(COLUMNS))
        text = dict.fromkeys(_TEXT, "string")
        numbers = {name: "float64" for name in COLUMNS if name not in (*_TEXT, "flagged")}
        table = table.assign(flagged=table["flagged"].map({True: True, False: False})).astype(text | numbers)
        made = pa.Table.from_pandas(table, schema=_schema(), preserve_index=False)
        # before the part itself: a finished part has its facts
        _written(self._facts(i), lambda path: pq.write_table(pa.Table.from_pandas(scored.taken), path))
        about = {"notes": json.dumps(scored.notes[:SHOWN]), "independent": json.dumps(scored.independent)}
        made = made.replace_schema_metadata(about)
        _written(self._part(i), lambda path: pq.write_table(made, path))

    def finish(
        self, models: Models, modality: str, batch: str, n_stored: int, resumed: int, started: float
    ) -> BatchSummary:
        """All parts as one file, and what is in it."""
        import pyarrow.parquet as pq

        found = [self._part(i) for i in range(self.n_finished)]
        notes: dict[str, None] = {}
        independent, refused, n_refused = True, [], 0
        scores: dict[str, list[np.ndarray]] = {}
        flagged: dict[str, int] = {}
        n_scored = 0
        for path in found:
            about = pq.read_metadata(path).metadata
            notes |= dict.fromkeys(json.loads(about[b"notes"]))
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
        taken = self._taken() if independent else pd.DataFrame()
        write = _write_csv if self._destination.suffix == ".csv" else _write_parquet
        _written(self._destination, lambda path: write(found, path))
        shutil.rmtree(self._folder)
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
            notes=tuple(notes)[:SHOWN],
            n_stored=n_stored,
            n_resumed=resumed,
            seconds=time.monotonic() - started,
        )


def _shift(
    models: Models, modality: str, scores: Mapping[str, list[np.ndarray]], taken: pd.DataFrame
) -> dict[str, dict[str, str]]:
    """Verdict and reason per model: from facts and scores of one case per patient, where facts are known."""
    facts = taken[[name for name in taken if name.startswith("fact ")]]
    facts = facts.rename(columns=lambda name: name.removeprefix("fact ")).reset_index(drop=True)
    out = {}
    for name, values in scores.items():
        model = models[f"{modality}.{name}"] if f"{modality}.{name}" in set(models) else None
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


def _schema() -> "pa.Schema":
    import pyarrow as pa

    kinds = {name: pa.string() for name in _TEXT} | {"flagged": pa.bool_()}
    return pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS])


def _write_parquet(found: list[Path], path: Path) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, _schema()) as writer:
        for part in found:
            writer.write_table(pq.read_table(part).replace_schema_metadata(None))


def _write_csv(found: list[Path], path: Path) -> None:
    import pyarrow.parquet as pq

    with path.open("w", encoding="utf-8", newline="") as stream:
        quoted(_schema().empty_table().to_pandas()).to_csv(stream, index=False)
        for part in found:
            quoted(pq.read_table(part).to_pandas()).to_csv(stream, index=False, header=False)


def _written(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file that has its name only once it is whole and on the disk."""
    new = path.with_name(f".{path.name}.new")
    write(new)
    with new.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(new, path)


def _why(error: Exception) -> str:
    """Why a case was refused; only the project's own errors are known to name nobody."""
    return str(error) if isinstance(error, MedanomalyError) else f"cannot be scored ({type(error).__name__})"
