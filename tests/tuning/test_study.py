import optuna
import pytest

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


def test_a_study_goes_on_where_it_stopped(storage):
    run_study(open_study(params(storage, n_trials=3), "d", 0), objective, params(storage, n_trials=3))
    study = open_study(params(storage), "d", 0)
    assert len(study.trials) == 3
    run_study(study, objective, params(storage))
    assert len(study.trials) == 8
    run_study(open_study(params(storage), "d", 0), objective, params(storage))
    table = trials_table(open_study(params(storage), "d", 0))
    assert len(table) == 8
    assert table["x"].nunique() == 8, "a resumed sampler repeated its trials"


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
        _ = params(storage, target="t.other").space
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        open_study(params("nonsense://somewhere"), "d", 0)
    with pytest.raises(ConfigurationError, match="no trial was finished"):
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
