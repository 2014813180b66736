"""Persistence off the hot path: answers wait in a bounded queue, and one thread writes them."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from typing import Any, Self

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from medanomaly.core.errors import MedanomalyError
from medanomaly.store import rows
from medanomaly.store.store import Store

logger = logging.getLogger(__name__)

# seconds before a failed write is tried again; the last one repeats
WAITS = (0.1, 0.5, 2.0, 5.0)
_STOP = object()


class StoreFullError(MedanomalyError):
    """The queue of the writer is full, or the writer is closed: the answer was not taken, and the caller has to say so."""


class BackgroundWriter:
    """Stores answers in a thread of its own.

    ``put`` returns at once. Nothing that was taken is dropped: while the database is away the writer tries again, and where
    the queue is full meanwhile, ``put`` refuses. ``close`` waits until everything is written.

    Args:
        store: that is written to; it stays open.
        capacity: answers that may wait.
        patience: seconds for which a write is tried again once ``close`` was called; then its future fails.
    """

    def __init__(self, store: Store, capacity: int = 1000, patience: float = 30.0):
        self._store, self._patience = store, patience
        self._waiting: queue.Queue = queue.Queue(maxsize=capacity)
        self._closing, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="medanomaly store", daemon=False)
        self._thread.start()

    def put(self, answers: rows.Scored, **options: Any) -> Future:
        """Take answers; options are those of :meth:`Store.record`.

        Returns:
            A future that is done once the answers are on the disk; its result is the number of new predictions.

        Raises:
            StoreFullError: the queue is full, or the writer is closed.
        """
        return self.put_call(lambda: self._store.record(answers, **options))

    def put_call(self, call: Callable[[], Any]) -> Future:
        """Take another call of the store, such as an audit event, which is made after those before it.

        Raises:
            StoreFullError: the queue is full, or the writer is closed.
        """
        future: Future = Future()
        with self._lock:
            if self._closing.is_set():
                raise StoreFullError("the writer is closed", remedy="Open another one.")
            try:
                self._waiting.put_nowait((call, future))
            except queue.Full:
                raise StoreFullError(
                    f"{self._waiting.maxsize} answers wait to be stored already",
                    remedy="Try again later; check that the database answers.",
                ) from None
        return future

    def __len__(self) -> int:
        """Answers that wait."""
        return self._waiting.qsize()

    def close(self) -> None:
        """Write everything that was taken, and stop."""
        with self._lock:
            already = self._closing.is_set()
            self._closing.set()
        if not already:
            self._waiting.put((_STOP, None))
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while True:
            call, future = self._waiting.get()
            if call is _STOP:
                return
            try:
                future.set_result(self._tried(call))
            except Exception as error:
                # the caller may not look at the future; without its text, which can hold values
                logger.error("An answer could not be stored: %s", type(error).__name__)
                future.set_exception(error)

    def _tried(self, call: Callable[[], Any]) -> Any:
        """The result of a call, which is made again while the database is away."""
        given_up_at = None
        for attempt in count():
            try:
                return call()
            except DBAPIError as error:
                away = isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated
                if self._closing.is_set() and given_up_at is None:
                    given_up_at = time.monotonic() + self._patience
                if not away or (given_up_at is not None and time.monotonic() >= given_up_at):
                    raise
                logger.warning("The store does not answer (%s); trying again", type(error.orig).__name__)
                time.sleep(WAITS[min(attempt, len(WAITS) - 1)])
        raise AssertionError("count() has no end")
