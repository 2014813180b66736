import subprocess
import sys

import optuna
import pytest
from tests.conftest import ROOT

from medanomaly.core.errors import ConfigurationError
from medanomaly.tuning.study import (
    TuningParams,
    best_parameters,
    importances,
    open_study,
    run_study,
    trials_table,
)

SPACE = {
    "x": {"type": "float", "low": -2.0, "high": 2.0},
    "n": {"type": "int", "low": 1, "high": 8, "log": True},
    "how": {"type": "choice", "of": ["a", "b", None]},
}


def params(storage, **changes):
    return TuningParams(
        **{"target": "t.m", "n_trials": 8, "storage": storage, "search": {"t.m": SPACE}} | changes
    )


def objective(drawn, report):
    assert isinstance(drawn["n"], int)
    value = -((drawn["x"] - 1) ** 2)
    report(value, 0)
    return value


@pytest.fixture(params=["sqlite:///{}/study.db", "journal:{}/deep/study.log"])
def storage(request, tmp_path):
    return request.param.format(tmp_path)


def draws(study):
    return trials_table(study)[["number", "state", "value", "x", "n", "how"]]


def test_a_study_goes_on_where_it_stopped(storage):
    run_study(open_study(params(storage, n_trials=3), "d", 0), objective, params(storage, n_trials=3))
    study = open_study(params(storage), "d", 0)
    assert len(study.trials) == 3
    run_study(study, objective, params(storage))
    assert len(study.trials) == 8
    run_study(open_study(params(storage), "d", 0), objective, params(storage))
    table = draws(open_study(params(storage), "d", 0))
    assert len(table) == 8
    assert table["x"].nunique() == 8, "a resumed sampler repeated its trials"


def test_a_study_that_was_stopped_ends_as_one_that_was_not(storage, tmp_path):
    # beyond the ten random trials that the Parzen estimator starts with
    whole = open_study(params(f"sqlite:///{tmp_path}/whole.db", n_trials=16), "d", 3)
    run_study(whole, objective, params("sqlite://", n_trials=16))
    for n_trials in (1, 12, 16):
        study = open_study(params(storage, n_trials=n_trials), "d", 3)
        run_study(study, objective, params(storage, n_trials=n_trials))
    assert draws(study).equals(draws(whole))


WORKER = """
import sys, time
from medanomaly.tuning.study import TuningParams, open_study, run_study

space = {"x": {"type": "float", "low": -2.0, "high": 2.0}}
params = TuningParams(target="t.m", n_trials=12, storage=sys.argv[1], search={"t.m": space})

def objective(drawn, report):
    time.sleep(0.05)
    return -(drawn["x"] - 1) ** 2

study = open_study(params, "d", 0)
print("ready", flush=True)
sys.stdin.readline()
mine = []
run_study(study, objective, params, lambda trial: mine.append(trial.number))
print(len(mine))
"""


def assert_two_workers_share(storage):
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, storage], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 2
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    done = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    space = {"t.m": {"x": SPACE["x"]}}
    table = trials_table(open_study(params(storage, n_trials=12, search=space), "d", 0))
    assert min(done) >= 1
    assert sum(done) == len(table)
    # each ends the trial that it is at
    assert 12 <= len(table) <= 13
    assert table["number"].tolist() == list(range(len(table)))
    assert table["x"].nunique() == len(table), "two workers drew the same trial"


def test_two_workers_share_a_journal(tmp_path):
    assert_two_workers_share(f"journal:{tmp_path}/study.log")


def test_a_study_lives_in_postgresql(postgresql):
    settings = params(postgresql, n_trials=6)
    run_study(open_study(settings, "d", 0), objective, settings)
    assert best_parameters(open_study(settings, "d", 0))["n_trials"] == 6
    assert_two_workers_share(postgresql)


def test_a_study_starts_anew_where_its_values_would_not_compare(storage):
    def trials(seed=0, about=None, **changes):
        return len(open_study(params(storage, **changes), "d", seed, about).trials)

    study = open_study(params(storage), "d", 0, {"train": "abc"})
    run_study(study, objective, params(storage))
    assert trials(about={"train": "abc"}) == trials(about={"train": "abc"}, n_trials=99) == 8
    assert trials(about={"train": "abd"}) == 0
    assert trials(about={"train": "abc"}, n_folds=4) == 0
    assert trials(about={"train": "abc"}, seed=1) == 0
    narrower = {"t.m": {**SPACE, "how": {"type": "choice", "of": ["a", "b"]}}}
    assert trials(about={"train": "abc"}, search=narrower) == 0


def test_studies_of_two_data_sets_in_one_storage_do_not_mix(storage):
    run_study(open_study(params(storage), "d", 0), objective, params(storage))
    assert open_study(params(storage), "e", 0).trials == []


def test_the_best_trial_is_the_one_with_the_highest_value(storage):
    study = open_study(params(storage), "d", 0)
    run_study(study, objective, params(storage))
    best = best_parameters(study)
    table = trials_table(study).set_index("number")
    assert best["value"] == table["value"].max()
    assert best["options"]["x"] == table.loc[best["trial"], "x"]
    assert set(best["options"]) == set(SPACE)


def test_the_same_seed_gives_the_same_trials(tmp_path):
    found = []
    for name in ("a", "b"):
        study = open_study(params(f"sqlite:///{tmp_path}/{name}.db"), "d", 7)
        run_study(study, objective, params("sqlite://"))
        found.append(trials_table(study).drop(columns="seconds"))
    assert found[0].equals(found[1])


def test_a_value_that_is_no_number_is_never_the_best(storage):
    study = open_study(params(storage), "d", 0)
    run_study(study, lambda drawn, _: float("nan") if drawn["x"] > 0 else drawn["x"], params(storage))
    assert best_parameters(study)["options"]["x"] <= 0


def test_importance_finds_the_parameter_that_matters(tmp_path):
    settings = params(f"sqlite:///{tmp_path}/s.db", n_trials=25)
    study = open_study(settings, "d", 0)
    run_study(study, lambda drawn, _: -((drawn["x"] - 1) ** 2), settings)
    assert importances(study).sort_values("importance")["parameter"].iloc[-1] == "x"
    assert importances(study)["importance"].sum() == pytest.approx(1)


def test_every_trial_is_told_of(storage):
    told = []
    run_study(open_study(params(storage), "d", 0), objective, params(storage), told.append)
    assert [trial.number for trial in told] == list(range(8))
    assert all(isinstance(trial, optuna.trial.FrozenTrial) for trial in told)


def test_what_cannot_be_searched_is_named(storage):
    with pytest.raises(ConfigurationError, match=r"t\.other.*t\.m"):
        open_study(params(storage, target="t.other"), "d", 0)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        open_study(params("nonsense://somewhere"), "d", 0)
    with pytest.raises(ConfigurationError, match="no trial has finished"):
        best_parameters(open_study(params(storage), "d", 0))


@pytest.mark.parametrize(
    "part",
    [
        {"type": "float", "low": 2, "high": 1},
        {"type": "int", "low": 0, "high": 5, "log": True},
        {"type": "choice", "of": ["only"]},
        {"type": "tree"},
    ],
)
def test_an_impossible_search_space_is_refused_before_anything_runs(part):
    with pytest.raises(ValueError, match=r"search"):
        params("sqlite://", search={"t.m": {"x": part}})


KILLED = """
import os, signal, sys
from medanomaly.tuning.study import TuningParams, open_study, run_study
from tests.tuning.test_study import objective, params

def deadly(drawn, report):
    if len(open_study(settings, "d", 3).trials) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return objective(drawn, report)

settings = params(sys.argv[1])
run_study(open_study(settings, "d", 3), deadly, settings)
"""


def test_a_study_whose_process_was_killed_ends_as_one_that_was_not(storage, tmp_path):
    whole = open_study(params(f"sqlite:///{tmp_path}/whole.db"), "d", 3)
    run_study(whole, objective, params("sqlite://"))
    killed = subprocess.run([sys.executable, "-c", KILLED, storage], cwd=ROOT, check=False)
    assert killed.returncode == -9
    study = open_study(params(storage), "d", 3)
    assert [t.state.name for t in study.trials][-1] == "RUNNING"
    run_study(study, objective, params(storage))
    table = draws(study)
    assert "running" not in set(table["state"])
    assert (table["state"] == "fail").sum() == 1
    finished = table[table["state"] != "fail"].drop(columns="number").reset_index(drop=True)
    assert finished.equals(draws(whole).drop(columns="number"))
