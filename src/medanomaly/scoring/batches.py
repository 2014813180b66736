"""Batches: tables of millions of rows, folders of recordings or images, in bounded memory, resumed where they stopped.

Parts are scored in this process, or partitions by workers (``cluster``), each of which writes its own part.
"""

import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from datetime import datetime
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly import __version__
from medanomaly.core.conformal import checked_alpha
from medanomaly.core.errors import ConfigurationError, InputError, MedanomalyError
from medanomaly.core.recipe import ReadCases
from medanomaly.partitions.workers import Workers, WorkersParams, open_workers
from medanomaly.scoring.answers import REFUSED, Answers
from medanomaly.scoring.batch_output import COLUMNS, BatchFolder, BatchSummary, ScoredPart, write_part
from medanomaly.scoring.batch_sources import Opener, Part, fingerprint, openers, parts, rows_per_part
from medanomaly.scoring.batch_weighting import batch_weightings
from medanomaly.scoring.class_answers import CLASS_COLUMNS
from medanomaly.scoring.kept_records import KeptRecords
from medanomaly.scoring.models import Models
from medanomaly.tabular.events.account import Account
from medanomaly.tabular.recipe import TableRecipe

if TYPE_CHECKING:
    from medanomaly.evaluation.reweighting import Weighting
    from medanomaly.store.store import Store

ENDINGS = (".csv", ".parquet")


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
    reweight: bool = False,
    cluster: Workers | WorkersParams | None = None,
) -> BatchSummary:
    """Score a file or a folder, and write the answers to a file and, where one is given, to a store.

    A run that was stopped, by whatever, goes on where it stopped if it is started again with the same arguments, and writes
    the same bytes as an undisturbed one. A case that cannot be scored costs only itself.

    A table is read in parts. Where features need earlier records of a patient, or count equal records, it is read at once.
    Events of a hospital format are read so many patients at a time (see
    :func:`medanomaly.tabular.events.readers.any_form.event_parts`), and a file that cannot be read costs its patients alone.
    Equal records are not flagged, and a number that could be read in two ways is judged by the rows of its part.

    Args:
        models: of ``medanomaly.open``.
        source: a CSV, Parquet or Excel file, a table, a folder of recordings or images (in zip or tar archives, too), one of
            its files, or a folder of partitions of patients, such as ``features`` of events. Where the models were trained
            on events, also what :func:`medanomaly.tabular.events.readers.any_form.read_events` reads from a path or a URL;
            of a URL nothing is resumed.
        destination: ``.parquet``, or ``.csv`` in which no text runs as a formula.
        store: a store or its URL. One that keeps clinical values also keeps the records of a table whose features need
            earlier ones, and gives those that it has.
        chunk_rows: cases of a table, patients of events, recordings or images per part; None: 20,000, 2,000, 8 and 64.
        alpha: false-alarm rate at which cases are flagged; None takes that of the run.
        explain: how many of the most anomalous cases of each part are explained per model.
        modality: of the cases; None finds out.
        names: of the models that are asked; None asks all of this modality.
        progress: called after each part with the number of rows, recordings or images done.
        observed_at: moment at which all cases were observed, with a time zone; None: it is not known.
        workers: threads that score parts of a table side by side; each holds a part. None: one per processor, at most 4.
        reweight: weight the calibration cases so that they are taken as those of the whole batch are, as of
            :meth:`Models.score`. The source is read twice.
        cluster: processes that score partitions of the source side by side, see
            :func:`medanomaly.scoring.batch_sources.openers`; how many changes no byte. They open the folder of the
            models.

    Raises:
        DataNotFoundError: there is no such source.
        InputError: the source cannot be read at all, or another process works on this destination.
        ConfigurationError: an argument does not fit.
    """
    started = time.monotonic()
    # of a URL a path would keep one slash
    source = source if isinstance(source, pd.DataFrame) or "://" in str(source) else Path(source)
    destination = Path(destination)
    if destination.suffix not in ENDINGS:
        raise ConfigurationError(
            f"answers cannot be written to a file that ends in '{destination.suffix}'",
            remedy=f"Choose {' or '.join(ENDINGS)}.",
        )
    if chunk_rows is not None and chunk_rows < 1:
        raise ConfigurationError(f"chunk_rows is {chunk_rows}", remedy="Give 1 or more.")
    if cluster is not None and (store is not None or reweight or models.folder is None):
        raise ConfigurationError(
            "a cluster writes to no store"
            if store is not None
            else "a cluster does not weight the calibration"
            if reweight
            else "a cluster needs models that were opened from a folder",
            remedy="Open them with medanomaly.open." if models.folder is None else "Leave one of them out.",
        )
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
        "rows": chunk_rows or rows_per_part(recipe, source),
        "version": __version__,
    }
    settings |= {"reweight": True} if reweight else {}
    settings |= {} if cluster is None else {"divided": "partitions"}
    settings |= {} if observed_at is None else {"observed_at": observed_at.isoformat()}
    batch = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]
    opened = _opened(store)
    runner = _Runner(
        models, opened, modality, None if names is None else asked, alpha, explain, batch, observed_at
    )
    if not isinstance(recipe, TableRecipe):
        # readers of recordings and their libraries are not made for threads
        workers = 1
    try:
        told_apart = any(hasattr(models[name].scorer, "classes") for name in asked)
        columns = (*COLUMNS, *CLASS_COLUMNS) if told_apart else COLUMNS
        with BatchFolder(destination, batch, settings, columns) as folder:
            if cluster is not None:
                given = openers(recipe, source, settings["rows"])
                resumed = _by_cluster(runner, folder, given, cluster, settings, progress)
                return folder.finish(models, modality, batch, {}, 0, resumed, started)
            if reweight:
                runner.weight(parts(recipe, source, settings["rows"]))
            resumed, done = folder.n_finished, 0
            for i, (part, scored) in enumerate(
                runner.run(parts(recipe, source, settings["rows"]), resumed, workers)
            ):
                done += len(part) + len(part.refused)
                if scored is not None:
                    folder.write(i, scored)
                if progress is not None:
                    progress(done)
            return folder.finish(
                models, modality, batch, runner.weightings, runner.n_stored, resumed, started
            )
    finally:
        if opened is not None and opened is not store:
            opened.close()


def _by_cluster(
    runner: "_Runner",
    folder: BatchFolder,
    given: Iterator[Opener],
    cluster: Workers | WorkersParams,
    settings: Mapping[str, Any],
    progress: Callable[[int], None] | None,
) -> int:
    """Have workers write the parts; returns how many were there already."""
    numbered: Iterator[tuple[int, Opener]] = enumerate(given)
    first = next(numbered, None)
    if first is None:
        return 0
    runner.check(first[1])
    resumed, done = [0], 0

    def missing() -> Iterator[tuple[int, Opener]]:
        for i, opened in chain([first], numbered):
            if folder.has(i):
                resumed[0] += 1
            else:
                yield i, opened

    asked = {
        "folder": runner.models_folder,
        "hashes": settings["models"],
        "options": runner.options,
        "columns": folder.columns,
    }
    with nullcontext(cluster) if isinstance(cluster, Workers) else open_workers(cluster) as workers:
        for _, n_cases in workers.each(_score_partition, missing(), asked=asked, parts=folder.folder):
            done += n_cases
            if progress is not None:
                progress(done)
    return resumed[0]


def _score_partition(item: tuple[int, Opener], *, asked: Mapping[str, Any], parts: Path) -> int:
    """Write the answers of one partition; runs in a worker."""
    i, opened = item
    models = _models_of(asked["folder"])
    if {name: models[name].bundle.bundle_hash for name in asked["hashes"]} != asked["hashes"]:
        _models_of.cache_clear()
        raise InputError(
            "a worker finds other models in the folder than this process",
            source=asked["folder"],
            remedy="Let the workers see the same files, and change none while a batch runs.",
        )
    scored, n_cases = _Runner(models, None, **asked["options"]).together(opened)
    write_part(parts, i, scored, asked["columns"])
    return n_cases


@lru_cache(maxsize=1)
def _models_of(folder: Path) -> Models:
    from medanomaly.scoring.models import open_models

    return open_models(folder)


def _opened(store: "Store | str | None") -> "Store | None":
    if store is None or not isinstance(store, (str, Path)):
        return store
    from medanomaly.store.store import Store

    return Store.open(store)


class _Runner:
    """Scores parts, some side by side, and hands them out in order."""

    def __init__(
        self,
        models: Models,
        store: "Store | None",
        modality: str,
        names: Collection[str] | None,
        alpha: float | None,
        explain: int,
        batch: str = "",
        observed_at: datetime | None = None,
    ):
        self._models, self._store, self._batch, self._observed_at = models, store, batch, observed_at
        self.options = {"modality": modality, "names": names, "alpha": alpha, "explain": explain}
        self._options = {"modality": modality, "models": names, "alpha": alpha, "explain": explain}
        self._recipe = models.recipe(modality=modality)
        self._kept = KeptRecords(store, self._recipe)
        self.n_stored = 0
        self.weightings: dict[str, Weighting] = {}

    def weight(self, source: Iterator[Part]) -> None:
        """Read every part, and weight the calibration of each model for all of them together."""

        def read() -> Iterator[ReadCases]:
            for i, part in enumerate(source):
                if i == 0:
                    self._check(part)
                if len(part):
                    yield from self._divided(part, 0, len(part), {}, self._recipe.read)

        asked = self._models.asked(self._recipe, self._options["models"])
        self.weightings = batch_weightings(asked, read())

    def run(
        self, source: Iterator[Part], finished: int, workers: int | None
    ) -> Iterator[tuple[Part, ScoredPart | None]]:
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
                        yield self._with_answers(*waiting.popleft())
                while waiting:
                    yield self._with_answers(*waiting.popleft())
            finally:
                for _, future in waiting:
                    future.cancel()

    def _times(self, answers: Answers) -> dict[str, datetime] | None:
        if self._observed_at is None:
            return None
        return dict.fromkeys(answers.read.cases["case_id"].astype(str), self._observed_at)

    @property
    def models_folder(self) -> Path | None:
        """That the models were opened from."""
        return self._models.folder

    def check(self, opened: Opener) -> None:
        """Raise what is wrong with all cases of a batch, by its first part."""
        if isinstance(self._recipe, TableRecipe):
            for part in opened(self._recipe):
                self._check(part)
                return

    def together(self, opened: Opener) -> tuple[ScoredPart, int]:
        """The answers to all parts of one partition, and how many cases they have."""
        scored, n = [], 0
        for part in opened(self._recipe):
            scored.append(self._stored(part, *self._answers(part)))
            n += len(part) + len(part.refused)
        return ScoredPart(
            _joined([of.table for of in scored]),
            list(dict.fromkeys(note for of in scored for note in of.notes)),
            all(of.independent for of in scored),
            _joined([of.taken for of in scored]),
            Account.of(*(of.account.table for of in scored)),
        ), n

    def _check(self, part: Part) -> None:
        """Raise what is wrong with all cases, such as the name of a column, before each case is refused for it."""
        # columns that are made of events have their names
        if len(part) and isinstance(self._recipe, TableRecipe) and part.account is None:
            raw, options = part.take(0, 1)
            self._recipe.read(raw, **options)

    def _answers(self, part: Part) -> tuple[list[Answers], dict[str, str]]:
        refused = dict(part.refused)
        score = partial(self._models.score, **self._options, reweight=self.weightings)
        return (list(self._divided(part, 0, len(part), refused, score)) if len(part) else []), refused

    def _divided(
        self, part: Part, start: int, stop: int, refused: dict[str, str], ask: Callable[..., Any]
    ) -> Iterator[Any]:
        """What is asked of the cases from ``start`` to ``stop``; where they fail together, of both halves."""
        try:
            raw, options = part.take(start, stop)
            made = ask(raw, **options, **self._history(raw))
        except ConfigurationError:
            raise
        # whatever is wrong with one case, the others get their answers
        except Exception as error:
            if stop - start == 1:
                refused[part.names[start]] = _why(error)
                return
            middle = (start + stop) // 2
            yield from self._divided(part, start, middle, refused, ask)
            yield from self._divided(part, middle, stop, refused, ask)
            return
        yield made

    def _history(self, raw: Any) -> dict[str, Any]:
        """Earlier records of the patients, where features need them and the store has them."""
        earlier = self._kept.earlier(raw)
        return {} if earlier is None else {"history": earlier}

    def _with_answers(self, part: Part, future: Future) -> tuple[Part, ScoredPart]:
        return part, self._stored(part, *future.result())

    def _stored(self, part: Part, given: list[Answers], refused: dict[str, str]) -> ScoredPart:
        """The answers as they are written. What a file has the store has too, so the store comes first."""
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
        accounts = [answers.read.account for answers in given if answers.read.account is not None]
        # what became of events is said of the whole batch
        said = {sentence for account in accounts for sentence in Account.of(account).sentences()}
        notes = list(dict.fromkeys(n for answers in given for n in answers.read.notes if n not in said))
        return ScoredPart(
            table,
            notes,
            all(answers.read.independent for answers in given),
            _joined([_taken(answers) for answers in given]),
            Account.of(*accounts, *(() if part.account is None else (part.account,))),
        )


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    whole = [table for table in tables if len(table)]
    return pd.concat(whole, ignore_index=True) if whole else pd.DataFrame()


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


def _why(error: Exception) -> str:
    """Why a case was refused; only the project's own errors are known to name nobody."""
    return str(error) if isinstance(error, MedanomalyError) else f"cannot be scored ({type(error).__name__})"
