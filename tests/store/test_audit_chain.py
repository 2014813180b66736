import threading

import pytest
import sqlalchemy as sa
from tests.store.answers import KEY, answers

from medanomaly.core.errors import InputError
from medanomaly.store.keys import Keys
from medanomaly.store.store import Store

both = pytest.mark.parametrize("new_database", ["sqlite", "postgresql"], indirect=True)


def without_triggers(store, statement):
    """What somebody with all rights over the database can do."""
    with store.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for name in ("audit_event_no_update", "audit_event_no_delete"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        else:
            connection.exec_driver_sql("ALTER TABLE audit_event DISABLE TRIGGER ALL")
        connection.exec_driver_sql(statement)


@pytest.fixture
def chain(store):
    for first in (0, 10, 20):
        store.record(answers(first=first, explained=0))
    store.add_event("answer_shown", actor="ward 3", n_rows=1)
    assert store.verify().whole
    assert store.verify().n_events == 4
    return store


@both
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET actor = 'nobody'",
        "DELETE FROM audit_event WHERE seq = 2",
        "DELETE FROM audit_event",
    ],
)
def test_the_database_refuses_to_change_or_remove_events(chain, statement):
    with pytest.raises(sa.exc.DBAPIError, match="never"):
        with chain.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    assert chain.verify().whole


@pytest.mark.parametrize("new_database", ["postgresql"], indirect=True)
def test_postgresql_refuses_to_empty_the_chain(chain):
    with pytest.raises(sa.exc.DBAPIError, match="never"):
        with chain.engine.begin() as connection:
            connection.exec_driver_sql("TRUNCATE audit_event")


@both
@pytest.mark.parametrize(
    ("statement", "broken_at", "reason"),
    [
        ("UPDATE audit_event SET actor = 'nobody' WHERE seq = 4", 4, "was changed"),
        ("UPDATE audit_event SET happened_at = '2020-01-01' WHERE seq = 2", 2, "was changed"),
        ("DELETE FROM audit_event WHERE seq = 2", 2, "event 2 is missing"),
        ("DELETE FROM audit_event WHERE seq = 1", 1, "event 1 is missing"),
        ("DELETE FROM audit_event WHERE seq = 4", 4, "cut off"),
        ("UPDATE audit_event SET prev_hash = 'x' WHERE seq = 3", 3, "does not follow"),
        ("UPDATE prediction SET score = score + 1 WHERE event_seq = 2", 2, "were changed"),
        ("DELETE FROM prediction WHERE event_seq = 3", 3, "are gone"),
        ("UPDATE prediction SET event_seq = 1 WHERE event_seq = 2", 1, "were changed"),
        ("UPDATE prediction SET event_seq = 9 WHERE event_seq = 2", 9, "were changed"),
    ],
)
def test_the_first_broken_link_is_found(chain, statement, broken_at, reason):
    without_triggers(chain, statement)
    found = chain.verify()
    assert not found.whole
    assert found.broken_at == broken_at
    assert reason in found.reason


def test_who_has_no_key_cannot_write_an_event(store):
    with Store.open(store.engine.url.render_as_string(), key=KEY) as other:
        other._keys = Keys(b"a key that was guessed")
        other.add_event("answer_shown")
    assert store.verify().broken_at == 1


def test_the_head_tells_later_whether_the_end_was_cut_off(chain):
    noted = chain.verify().head
    chain.add_event("another")
    assert chain.verify().head != noted


def test_an_event_that_is_too_long_is_refused(store):
    with pytest.raises(InputError, match="too long"):
        store.add_event("x" * 51)


@both
def test_writers_at_once_make_one_chain_and_lose_nothing(store):
    failed = []

    def write(of):
        try:
            for i in range(4):
                store.record(answers(3, first=100 * of + 10 * i), batch=f"batch {of}")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(of,)) for of in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(store.predictions()) == 4 * 4 * 3 * 2
    assert store.verify().whole
