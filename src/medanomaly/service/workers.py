"""A bounded pool of threads: scoring does not stop the event loop, and a queue without end is refused instead."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from medanomaly.service.problems import Problem

RETRY_AFTER_S = 1


class Workers:
    """Threads that score.

    Args:
        threads: that work at the same time.
        waiting: calls that may wait for a thread.
        seconds: time that a call may take, its wait included. A thread cannot be stopped: a call that takes longer keeps
            its place until it ends.
    """

    def __init__(self, threads: int, waiting: int, seconds: float):
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="medanomaly")
        self._most, self._seconds, self._busy = threads + waiting, seconds, 0
        self._lock = threading.Lock()

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """The result of a call in a thread.

        Raises:
            Problem: 503, where too many calls wait already or this one takes too long.
        """
        with self._lock:
            if self._busy >= self._most:
                raise _later("The service is busy.")
            self._busy += 1
        try:
            # the thread knows the id of its request
            future = self._pool.submit(contextvars.copy_context().run, function, *args)
        except BaseException:
            self._free()
            raise
        # not by way of the loop, which may have ended before the thread
        future.add_done_callback(self._free)
        waiter = asyncio.wrap_future(future)
        # a late error is nobody's; unread, asyncio would log its message
        waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
        done, _ = await asyncio.wait({waiter}, timeout=self._seconds)
        if not done:
            raise _later("The answer took too long.")
        return waiter.result()

    def _free(self, _: Future | None = None) -> None:
        with self._lock:
            self._busy -= 1

    def close(self) -> None:
        """Take no more calls."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _later(detail: str) -> Problem:
    return Problem(503, "busy", f"{detail} Try again later.", headers={"Retry-After": str(RETRY_AFTER_S)})
