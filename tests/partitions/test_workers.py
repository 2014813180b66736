import os
import signal
import subprocess
import sys

import psutil
import pytest
from tests.partitions.in_process import threads

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.partitions.workers import WorkersParams, check_address, open_workers


@pytest.fixture(scope="module")
def processes():
    """Two processes of this machine: they take seconds to start, so all tests share them."""
    with open_workers(WorkersParams(workers=2)) as opened:
        yield opened


def double(number, *, by=2):
    """A task."""
    return by * number


def fail(number):
    """A task that cannot be done for one item."""
    if number == 3:
        raise InputError("it is three", record=number)
    return number


def die_once(number, *, folder):
    """A task whose worker is killed the first time."""
    if number == 1 and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_every_item_has_its_result(processes):
    assert dict(processes.each(double, range(40), by=3)) == {i: 3 * i for i in range(40)}
    assert list(processes.each(double, [])) == []


def test_items_are_read_as_workers_become_free(processes):
    read = []

    def items():
        for i in range(200):
            read.append(i)
            yield i

    first = next(iter(processes.each(double, items())))
    assert first[1] == 2 * first[0]
    assert len(read) < 20


def test_an_error_of_a_task_ends_the_others(processes):
    with pytest.raises(InputError, match="it is three"):
        list(processes.each(fail, range(100)))


def test_the_task_of_a_worker_that_dies_is_done_by_another(processes, tmp_path):
    assert dict(processes.each(die_once, range(6), folder=tmp_path)) == {i: i for i in range(6)}
    assert (tmp_path / "killed").exists()


def test_nothing_listens_outside_this_machine_and_no_dashboard_is_served(processes):
    with threads(1):
        check_listening()


def check_listening():
    own = psutil.Process()
    listening = [
        connection.laddr
        for process in (own, *own.children(recursive=True))
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {address.ip for address in listening} <= {"127.0.0.1", "::1"}
    assert 8787 not in {address.port for address in listening}


@pytest.mark.parametrize("address", ["tls://10.0.0.1:8786", "tcp://127.0.0.1:8786", "localhost:8786"])
def test_protected_addresses_are_taken(address):
    check_address(address)


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "node7:8786", "ws://example.org:8786"])
def test_others_are_refused(address):
    with pytest.raises(ConfigurationError, match="whoever reaches a port of Dask can run programs.*tls://"):
        check_address(address)
    with (
        pytest.raises(ConfigurationError, match="not protected"),
        open_workers(WorkersParams(scheduler=address)),
    ):
        pass


def test_a_scheduler_without_workers(monkeypatch):
    monkeypatch.setattr("medanomaly.partitions.workers._CONNECT_S", 0.2)
    with threads(0) as workers, pytest.raises(InputError, match="the scheduler has no workers"):
        list(workers.each(double, [1]))


WITHOUT = """
import sys
sys.modules["distributed"] = sys.modules["dask"] = sys.modules["duckdb"] = None
import medanomaly.datasets.event_partitions, medanomaly.scoring.batches, medanomaly.pipelines.modalities
from medanomaly.core.errors import ConfigurationError
from medanomaly.partitions.workers import WorkersParams, open_workers
from medanomaly.tabular.event_partitions.features import finished_features
from medanomaly.tabular.event_partitions.params import EventParams
for attempt in (
    lambda: open_workers(WorkersParams()).__enter__(),
    lambda: finished_features([], ".", EventParams(), b"secret"),
):
    try:
        attempt()
    except ConfigurationError as error:
        print(error)
"""


def test_without_the_extra_all_else_can_be_imported():
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT], check=True, capture_output=True, text=True, env=os.environ
    )
    assert run.stdout.splitlines() == [
        "partitions need the extra 'scale'. pip install 'medanomaly[scale]'",
        "events need the extra 'scale'. pip install 'medanomaly[scale]'",
    ]
