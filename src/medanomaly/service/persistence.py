"""Answers in a store of predictions: one thread writes, and an answer is given only once it is on the disk."""

import asyncio
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.models import EXPLANATION_COLUMNS, ModelInput
from medanomaly.core.recipe import PlainCase, ReadCases
from medanomaly.scoring.answers import Answers
from medanomaly.scoring.kept_records import KeptRecords
from medanomaly.scoring.model_answers import SCORE_COLUMNS
from medanomaly.service.metrics import Metrics
from medanomaly.service.problems import Problem, log, where
from medanomaly.service.settings import Settings

# of the request that is answered; a client that sends the same id again records nothing twice
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
CASE, PATIENT = "case", "patient"
# answers that may wait for the database; further requests are told to come again
CAPACITY = 1000
ACTOR = "service"


@dataclass(frozen=True)
class _PlainAnswer:
    """The answer to a single plain case, on its way to the store."""

    case_id: str
    patient_id: str
    read: PlainCase
    answer: dict[str, Any]
    stored: Future


@dataclass(frozen=True)
class _Scored:
    """What the store reads of answers."""

    read: ReadCases
    scores: pd.DataFrame
    explanations: pd.DataFrame


class Persistence:
    """Stores answers.

    Answers of many requests that wait at the same time are one transaction. An id that a client gave means the same case or
    patient in every request. Where it gave none, the id of the request stands before the number of the case, so that
    record 1 of two requests are two cases.

    Args:
        settings: of the service; ``store`` is the URL.
        metrics: of the service.

    Raises:
        ConfigurationError: the store cannot be opened.
    """

    def __init__(self, settings: Settings, metrics: Metrics):
        try:
            from medanomaly.store.store import Store
            from medanomaly.store.writer import BackgroundWriter
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"the store needs '{error.name}', which is not installed",
                remedy='Install it: pip install "medanomaly[store]".',
            ) from error
        self.store = Store.open(settings.store, keep_clinical_values=settings.keep_records)
        self._writer = BackgroundWriter(self.store, CAPACITY)
        self._metrics, self._seconds = metrics, settings.limits.seconds
        self._plain: list[_PlainAnswer] = []
        self._lock = threading.Lock()
        metrics.store_waiting.set_function(lambda: len(self._writer) + len(self._plain))

    def record(
        self, found: Answers, own_ids: Collection[str] = (), keep: Callable[[], Any] | None = None
    ) -> None:
        """Store answers, and wait until they are on the disk.

        Args:
            found: the answers.
            own_ids: which ids the client gave: of cases, of patients.
            keep: what else has to be written before the answer is given.

        Raises:
            Problem: 503, where they could not be stored.
        """
        number = f"{REQUEST_ID.get()}/"
        case_prefix = "" if CASE in own_ids else number
        subject_prefix = "" if PATIENT in own_ids else number
        if PATIENT not in own_ids and found.read.independent:
            # each case is a patient of its own, and goes by the same name
            cases = found.read.cases
            found = replace(found, read=replace(found.read, cases=cases.assign(patient_id=cases["case_id"])))
            subject_prefix = case_prefix

        def write() -> int:
            n = 0
            if len(found.scores):
                n = self.store.record(
                    found, actor=ACTOR, case_prefix=case_prefix, subject_prefix=subject_prefix
                )
            if keep is not None:
                keep()
            return n

        future = self._put(write)
        try:
            n = future.result(self._seconds)
        # the text of an error of a database can hold what was to be stored
        except Exception as error:
            raise self._failed(error) from None
        self._metrics.stored.inc(n)

    def earlier(self, kept: KeptRecords, table: pd.DataFrame) -> pd.DataFrame | None:
        """Earlier records of the patients of a table, None without any.

        Raises:
            Problem: 503, where the store does not answer.
        """
        try:
            return kept.earlier(table)
        except Exception as error:
            raise self._failed(error) from None

    async def record_plain(
        self, read: PlainCase, answer: dict[str, Any], own_ids: Collection[str] = ()
    ) -> None:
        """Store the answer to a single plain case, together with others that wait, and wait until it is on the disk.

        Raises:
            Problem: 503, where it could not be stored.
        """
        case = read.case_id if CASE in own_ids else f"{REQUEST_ID.get()}/{read.case_id}"
        made = _PlainAnswer(case, read.patient_id or case, read, answer, Future())
        # a client that goes away does not take its answer from the others
        made.stored.set_running_or_notify_cancel()
        with self._lock:
            if len(self._plain) >= CAPACITY:
                raise _not_stored()
            self._plain.append(made)
            first = len(self._plain) == 1
        if first:
            try:
                self._put(self._write_plain).add_done_callback(self._give_up)
            except Problem:
                with self._lock:
                    self._plain.remove(made)
                raise
        waiter = asyncio.wrap_future(made.stored)
        waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
        done, _ = await asyncio.wait({waiter}, timeout=self._seconds)
        if not done:
            raise self._failed(TimeoutError())
        if (error := waiter.exception()) is not None:
            raise self._failed(error)

    def _write_plain(self) -> None:
        """Write the plain answers that wait. They leave the list once they are stored, since the writer may try again."""
        from medanomaly.store.writer import StoreFullError

        while True:
            with self._lock:
                group = _distinct(self._plain)
            n = self.store.record(_together(group), actor=ACTOR)
            with self._lock:
                del self._plain[: len(group)]
                more = bool(self._plain)
            self._metrics.stored.inc(n)
            for one in group:
                one.stored.set_result(None)
            if not more:
                return
            try:
                # behind the other answers that wait
                self._writer.put_call(self._write_plain).add_done_callback(self._give_up)
                return
            except StoreFullError:
                continue

    def _give_up(self, written: Future) -> None:
        """Tell all plain answers that wait that they could not be stored, where the writer gave up."""
        error = written.exception()
        if error is None:
            return
        with self._lock:
            group, self._plain = self._plain, []
        for one in group:
            one.stored.set_exception(error)

    def _put(self, call: Callable[[], Any]) -> Future:
        from medanomaly.store.writer import StoreFullError

        try:
            return self._writer.put_call(call)
        except StoreFullError as error:
            raise self._failed(error) from None

    def _failed(self, error: BaseException) -> Problem:
        log.error("an answer was not stored: %s", where(error))
        self._metrics.store_failures.inc()
        return _not_stored()

    def close(self) -> None:
        """Write what waits, and close the store."""
        self._writer.close()
        self.store.close()


def _not_stored() -> Problem:
    return Problem(
        503,
        "not-stored",
        "The answer could not be stored, so it is not given. Send the request again with the same X-Request-ID.",
        headers={"Retry-After": "1"},
    )


def _distinct(waiting: list[_PlainAnswer]) -> list[_PlainAnswer]:
    """The first answers in which no id of a case comes twice: a table of cases cannot hold it twice."""
    known: set[str] = set()
    for i, one in enumerate(waiting):
        if one.case_id in known or one.answer["modality"] != waiting[0].answer["modality"]:
            return waiting[:i]
        known.add(one.case_id)
    return list(waiting)


def _together(group: list[_PlainAnswer]) -> _Scored:
    """Plain answers as one table of scores, which costs hardly more than a single one."""
    ids = [one.case_id for one in group]
    cases = pd.DataFrame({"case_id": ids, "patient_id": [one.patient_id for one in group]}, dtype="string")
    inputs = {"features": ModelInput(cases, pd.DataFrame([one.read.features for one in group]))}
    if all(one.read.waveforms is not None for one in group):
        inputs["waveforms"] = ModelInput(cases, np.stack([one.read.waveforms[0] for one in group]))
    scores = [
        {"case_id": one.case_id, "modality": one.answer["modality"]} | given
        for one in group
        for given in one.answer["cases"][0]["answers"]
    ]
    return _Scored(
        ReadCases(cases, inputs),
        pd.DataFrame(scores).reindex(columns=list(SCORE_COLUMNS)),
        pd.DataFrame(columns=[*EXPLANATION_COLUMNS, "modality"]),
    )
