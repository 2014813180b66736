import multiprocessing
import os
import signal
import threading

import pytest
from tests.store.answers import KEY, answers

from medanomaly.store.store import Store
from medanomaly.store.writer import BackgroundWriter, StoreFullError

both = pytest.mark.parametrize("new_database", ["sqlite", "postgresql"], indirect=True)

# as a process of its own, without importing everything again
processes = multiprocessing.get_context("fork")


def write(url, first, n, acknowledged):
    with Store.open(url, key=KEY) as store:
        for i in range(n):
            store.record(answers(2, first=first + 10 * i), batch=f"batch {first}")
            acknowledged.send(i)
    acknowledged.close()


def started(url, first, n):
    here, there = processes.Pipe(duplex=False)
    process = processes.Process(target=write, args=(url, first, n, there))
    process.start()
    there.close()
    return process, here


def rest(pipe):
    """What a process acknowledged until it ended."""
    out = []
    try:
        while True:
            out.append(pipe.recv())
    except EOFError:
        return out


@both
def test_what_was_acknowledged_survives_a_kill(new_database):
    Store.open(new_database, key=KEY).close()
    # the first one is killed while it writes, the others go on
    (killed, pipe), *others = [started(new_database, 100_000 * of, n) for of, n in enumerate((10_000, 8, 8))]
    acknowledged = [pipe.recv() for _ in range(6)]
    os.kill(killed.pid, signal.SIGKILL)
    acknowledged += rest(pipe)
    for process, other in others:
        assert rest(other) == list(range(8))
        process.join()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    with Store.open(new_database, key=KEY) as store:
        stored = len(store.predictions(batch="batch 0")) // 4
        # at most one was written and not yet acknowledged
        assert len(acknowledged) <= stored <= len(acknowledged) + 1
        for batch in ("batch 100000", "batch 200000"):
            assert len(store.predictions(batch=batch)) == 32
        assert store.verify().whole


@both
def test_processes_that_open_a_new_database_at_once_make_its_tables_once(new_database):
    for process, pipe in [started(new_database, 100 * of, 1) for of in range(4)]:
        assert rest(pipe) == [0]
        process.join()
    with Store.open(new_database, key=KEY) as store:
        assert len(store.predictions()) == 16


def test_the_writer_stores_everything_in_order_before_it_closes(store):
    with BackgroundWriter(store, capacity=100) as writer:
        futures = [writer.put(answers(2, first=10 * i), batch="night") for i in range(20)]
    assert [future.result(timeout=0) for future in futures] == [4] * 20
    assert len(store.predictions()) == 80
    assert store.verify().whole
    with pytest.raises(StoreFullError, match="closed"):
        writer.put(answers())
    writer.close()


def test_a_full_writer_refuses_and_loses_nothing(store):
    go, writer = threading.Event(), BackgroundWriter(store, capacity=3)
    first = writer.put_call(go.wait)
    taken, refused = [], 0
    for i in range(6):
        try:
            taken.append(writer.put(answers(1, first=10 * i)))
        except StoreFullError:
            refused += 1
    assert refused >= 2
    assert len(taken) + refused == 6
    go.set()
    writer.close()
    assert first.result()
    assert len(store.predictions()) == 2 * len(taken)


def test_an_answer_that_cannot_be_stored_costs_only_itself(store):
    with BackgroundWriter(store) as writer:
        bad, good = writer.put(answers(), batch="x" * 99), writer.put(answers())
    assert good.result() == 10
    assert "99 characters" in str(bad.exception())


@pytest.mark.parametrize("new_database", ["postgresql"], indirect=True)
def test_the_writer_waits_for_a_database_that_is_away(store):
    from sqlalchemy import text

    with BackgroundWriter(store) as writer:
        assert writer.put(answers()).result() == 10
        for _ in range(3):
            # the server closes every connection of the store
            with store.engine.connect() as connection:
                connection.execute(
                    text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                         "AND datname = current_database()")
                )  # fmt: skip
            writer.put(answers(3, first=50))
    assert len(store.predictions()) == 16
