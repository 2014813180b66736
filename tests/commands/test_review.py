"""Alarms are reviewed by the command line, and the order of the next ones learns from it."""

import pytest
from tests.commands.conftest import as_json

import medanomaly
from medanomaly.store.store import Store


@pytest.fixture
def store(models, new_visits, tmp_path, monkeypatch):
    """A store in which the new visits were recorded at a high rate of alarms."""
    monkeypatch.setenv("MEDANOMALY_SUBJECT_KEY", "a secret key of the tests")
    path = tmp_path / "predictions.db"
    answers = medanomaly.open(models).score(str(new_visits), models=["ecdf"], alpha=0.3, explain=5)
    with Store.open(path) as opened:
        opened.record(answers)
    return path


def test_alarms_are_listed_reviewed_and_counted(store, answer):
    waiting = as_json(answer("review", "list", "--store", store, "--json")[1])
    assert len(waiting) >= 3
    assert [one["p_value"] for one in waiting] == sorted(one["p_value"] for one in waiting)
    code, said, _ = answer(
        "review", "confirm", waiting[0]["id"], waiting[1]["id"], "--store", store, "--outcome", "DKA"
    )
    assert (code, said.count("confirmed (tabular.ecdf)")) == (0, 2)
    assert "dismissed" in answer("review", "dismiss", waiting[2]["id"], "--store", store)[1]
    (found,) = as_json(answer("review", "summary", "--store", store, "--json")[1])
    assert (found["n_alarms"], found["n_confirmed"], found["n_dismissed"]) == (len(waiting), 2, 1)
    shown = answer("review", "summary", "--store", store)[1]
    assert "67% (9% to 99%)" in shown
    left = answer("review", "list", "--store", store)[1]
    assert f"{len(waiting) - 3} alarms wait" in left or "No alarm waits" in left


def test_what_is_no_alarm_or_no_forest_is_an_error_in_one_line(store, answer, models, new_visits):
    code, _, error = answer("review", "confirm", "0000000000", "--store", store)
    assert code == 1
    assert "no prediction begins with '0000000000'" in error
    code, _, error = answer(
        "review", "next", new_visits, "--models", models, "--store", store, "--model", "ecdf"
    )
    assert code == 2
    assert "'ecdf' is no isolation forest" in error
