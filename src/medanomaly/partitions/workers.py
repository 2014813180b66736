"""Processes that do tasks side by side, by Dask: some of this machine, or those of a scheduler that has an address."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from medanomaly.core.errors import ConfigurationError, InputError, MedanomalyError
from medanomaly.core.params import Params

# tasks per thread that wait at the scheduler: enough that no thread is idle, few enough that none fills its memory
WAITING = 3
# where a scheduler on this machine listens
OWN_MACHINE = ("localhost", "127.0.0.1", "::1")
_CONNECT_S = 60


class WorkersParams(Params):
    """Who does the tasks.

    Attributes:
        workers: processes that are started on this machine; None: one per processor.
        scheduler: address of a running Dask scheduler (``tls://host:8786``), whose workers have the same version of this
            package and the same file system; None starts processes of this machine.
    """

    workers: int | None = Field(None, ge=1)
    scheduler: str | None = None


class Workers:
    """Opened workers.

    Args:
        client: a ``distributed.Client``.
    """

    def __init__(self, client: Any):
        self.client = client

    def each(self, task: Callable[..., Any], items: Iterable[Any], **same: Any) -> Iterator[tuple[int, Any]]:
        """Do a task for every item.

        Args:
            task: ``task(item, **same)``; it must give the same whenever it is done again, since the task of a worker that
                died is done by another one.
            items: read as workers become free, so they may be many.
            same: further arguments of every task.

        Yields:
            Place of the item and its result, as they are done.

        Raises:
            MedanomalyError: that a task raised; the others are given up.
            InputError: workers died of one item, or the scheduler is gone.
        """
        from distributed import KilledWorker, as_completed

        try:
            self.client.wait_for_workers(1, timeout=_CONNECT_S)
        except TimeoutError as error:
            raise InputError(
                "the scheduler has no workers", remedy="Start workers, then try again."
            ) from error
        most = WAITING * max(1, sum(self.client.nthreads().values()))
        places: dict[Any, int] = {}
        done = as_completed(loop=self.client.loop)
        coming = enumerate(items)

        def submit() -> None:
            for place, item in coming:
                name = f"{getattr(task, '__name__', 'task')}-{place:05d}-{os.urandom(4).hex()}"
                future = self.client.submit(task, item, **same, key=name, pure=False)
                places[future] = place
                done.add(future)
                if len(places) >= most:
                    return

        try:
            submit()
            # as_completed ends once nothing is left, and goes on where more was added before
            for future in done:
                place = places.pop(future)
                result = self._result(future, place, KilledWorker)
                submit()
                yield place, result
        finally:
            self.client.cancel(list(places))

    @staticmethod
    def _result(future: Any, place: int, killed: type[Exception]) -> Any:
        from concurrent.futures import CancelledError

        try:
            return future.result()
        except MedanomalyError:
            raise
        except killed as error:
            raise InputError(
                "workers died of it again and again",
                source=f"partition {place}",
                remedy="Give them more memory, or make partitions smaller. What is finished is kept.",
            ) from error
        except CancelledError as error:
            raise InputError(
                "the scheduler is gone",
                source=f"partition {place}",
                remedy="Start again: what is finished is kept.",
            ) from error


@contextmanager
def open_workers(params: WorkersParams) -> Iterator[Workers]:
    """Start or find workers, and leave them at the end; those that were started end then.

    Nothing listens on another address than that of this machine, and no dashboard is served.

    Raises:
        ConfigurationError: the extra ``scale`` is not installed, or the address is not protected: whoever reaches a port of
            Dask can run programs on its workers.
    """
    if params.scheduler is not None:
        check_address(params.scheduler)
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigurationError(
            "partitions need the extra 'scale'", remedy="pip install 'medanomaly[scale]'"
        ) from error
    # each connection would be a line, and errors of tasks are raised here
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if params.scheduler is not None:
        try:
            client = Client(params.scheduler, timeout=_CONNECT_S, set_as_default=False)
        except OSError as error:
            raise ConfigurationError(
                f"no scheduler answers: {error}",
                source=params.scheduler,
                remedy="Start it, or correct the address.",
            ) from error
        with client:
            yield Workers(client)
        return
    with started(params.workers or os.cpu_count() or 1) as workers:
        yield workers


@contextmanager
def started(count: int, processes: bool = True) -> Iterator[Workers]:
    """Workers of one thread each on this machine: processes, or threads of this process, as tests want them."""
    import dask
    from distributed import Client, LocalCluster

    # no page is served
    quiet: dict[str, Any] = {f"distributed.{part}.http.routes": [] for part in ("scheduler", "worker")}
    quiet["distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED"] = "critical"
    here = {"host": "127.0.0.1"} if processes else {}
    with (
        dask.config.set(quiet),
        # the limit of the nanny would kill a worker that briefly holds more, and queries have their own
        LocalCluster(
            n_workers=count, threads_per_worker=1, processes=processes, memory_limit=0, dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL, **here,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        yield Workers(client)


def check_address(address: str) -> None:
    """Refuse a scheduler that everybody can reach: Dask unpickles what comes in.

    Raises:
        ConfigurationError: it is neither on this machine nor protected by TLS.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme in ("tls", "inproc") or parts.hostname in OWN_MACHINE:
        return
    raise ConfigurationError(
        f"the connection is not protected ({parts.scheme}), and whoever reaches a port of Dask can run programs",
        source=address,
        remedy="Give the scheduler and its workers certificates, and a tls:// address (docs/scale.md).",
    )
