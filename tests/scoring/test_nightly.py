"""Nights one after the other: what each step leaves, and that a replay of any day leaves the same."""

import json
import shutil
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa
from tests.scoring.small_models import patients, trained_with_reference

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.monitoring import notices
from medanomaly.monitoring.params import MonitoringParams
from medanomaly.scoring import nightly
from medanomaly.scoring.params import NightlyParams, ScoringParams
from medanomaly.scoring.registry import Registry
from medanomaly.store.store import Store

FIRST = date(2026, 11, 2)
# from the fifth day on, another analyser reads lower
DRIFT, DAYS = 4, 8
IDS = ("id", "patient")
MONITORING = MonitoringParams(
    models="set by the night", destination="set by the night", webhook="http://hospital/told"
)


def day_of(number):
    return FIRST + timedelta(days=number)


def params(folder, day, **more):
    given = {
        "day": str(day), "folder": str(folder), "cases": str(folder / "cases"), "labels": str(folder / "labels"),
        "store": f"sqlite:///{folder / 'predictions.db'}", "registry": str(folder / "registry"), "window": 4,
        "retrain_every": 50, "retrain_on_warning_every": 2,
    }  # fmt: skip
    return NightlyParams(**given | more)


def write_day(folder, number, n=160):
    """Cases of a day, and what became known on it of those of the day before."""
    for name in ("cases", "labels"):
        (folder / name).mkdir(exist_ok=True)
    raw = patients(n, 100 + number, ill=0.25)
    if number >= DRIFT:
        raw["potassium"] = (raw["potassium"].astype(float) - 0.9).round(2).astype(str)
    raw.drop(columns="outcome").to_csv(folder / "cases" / f"{day_of(number)}.csv", index=False)
    known = raw.rename(columns={"id": "case_id", "patient": "patient_id"})
    known["label"] = known["outcome"].eq("ill").astype(int)
    known[["case_id", "patient_id", "label", "outcome"]].to_csv(
        folder / "labels" / f"{day_of(number + 1)}.csv", index=False
    )


def train(folder, day):
    """As a run of the environment does: models and audit of the table of the night."""
    place = folder / "days" / str(day)
    table = pd.read_csv(place / "training.csv", dtype=str)
    table["outcome"] = table.pop("label").map({"0": "well", "1": "ill"})
    trained_with_reference(place / "outputs" / "06_models" / "visits", table, ("ecdf",))
    audit = place / "outputs" / "08_reporting" / "visits" / "audit.json"
    audit.parent.mkdir(parents=True)
    audit.write_text('[{"name": "leak", "verdict": "pass"}]')


def night(folder, day, **more):
    """All steps of a day, as the DAG takes them."""
    of = params(folder, day, **more)
    nightly.add_labels(of)
    nightly.score_cases(of, ScoringParams(destination="set by the night", models="set by the night"))
    said = nightly.monitor(of, MONITORING, "visits")
    place = folder / "days" / str(day)
    if (place / "retrain.json").exists() and not (place / "gate.json").exists():
        nightly.gather_training(of, *IDS)
        train(folder, day)
        nightly.judge_challenger(of, "visits", *IDS)
        nightly.promote_challenger(of)
    return said


def state(folder):
    """Every file, and every row of the store."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("predictions.db")
    }
    engine = sa.create_engine(f"sqlite:///{folder / 'predictions.db'}")
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for name, table in tables.tables.items():
            found[name] = sorted(map(repr, connection.execute(sa.select(table)).all()))
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def key():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDANOMALY_SUBJECT_KEY", "a secret key of the tests")
        yield patch


@pytest.fixture(scope="module")
def told(key):
    """Notices that a hospital got."""
    heard = []
    key.setattr(notices, "post", lambda _, message: heard.append(message))
    return heard


@pytest.fixture(scope="module")
def hospital(told, tmp_path_factory):
    """Nights of a hospital with drift; and what each said."""
    folder = tmp_path_factory.mktemp("hospital")
    champion = trained_with_reference(folder / "first", patients(1200, 0), ("ecdf",))
    registry = Registry(folder / "registry")
    registry.add(champion)
    registry.promote()
    for number in range(DAYS):
        write_day(folder, number)
    return folder, [night(folder, day_of(number)) for number in range(DAYS)]


def file_of(folder, number, name):
    path = folder / "days" / str(day_of(number)) / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def test_quiet_days_cross_no_limit_and_the_drift_is_noticed_on_its_day(hospital):
    _, said = hospital
    assert [one["warnings"] for one in said[:DRIFT]] == [[]] * DRIFT
    assert any(one["key"] == "tabular.column.potassium" for one in said[DRIFT]["warnings"])
    assert [one["retrain"] for one in said[:DRIFT]] == [""] * DRIFT
    assert said[DRIFT]["retrain"].startswith(
        "warning: 'potassium' of tabular cases is distributed differently"
    )


def test_labels_of_the_day_before_are_joined_and_measured_with_an_interval(hospital):
    _, said = hospital
    assert said[0]["performance"]["tabular.ecdf"] == {"n_labelled": 0, "auroc": None}
    second = said[1]["performance"]["tabular.ecdf"]
    assert second["n_labelled"] == 160
    assert second["auroc"]["ci_low"] < second["auroc"]["value"] < second["auroc"]["ci_high"]
    assert said[3]["performance"]["tabular.ecdf"]["n_labelled"] == 3 * 160


def test_a_challenger_that_knows_the_drift_takes_over_and_the_warnings_are_gone(hospital):
    folder, _ = hospital
    gates = [file_of(folder, number, "gate") for number in range(DAYS)]
    judged = [number for number, gate in enumerate(gates) if gate]
    # two days lie between trainings while a limit is crossed
    assert judged == [4, 6]
    # nothing of the drift is labelled on its first day
    assert gates[6]["passed"]
    assert file_of(folder, 6, "promotion") == {"promoted": True, "champion": gates[6]["challenger"]}
    assert file_of(folder, 7, "champion") == {"version": gates[6]["challenger"]}
    assert file_of(folder, 6, "champion") != file_of(folder, 7, "champion")
    assert Registry(folder / "registry").aliases.champion == gates[6]["challenger"]


def test_people_are_told_what_is_new_and_what_is_gone_once(hospital, told):
    periods = [one["period"] for one in told]
    assert periods[0] == str(day_of(DRIFT))
    assert len(set(periods)) == len(periods)
    assert any("potassium" in sentence for sentence in told[0]["new"])


def test_a_replay_of_any_day_changes_nothing(hospital, told):
    folder, said = hospital
    before, n_told = state(folder), len(told)
    for number in (0, DRIFT, 6):
        assert night(folder, day_of(number)) == said[number]
        after = state(folder)
        assert [name for name in after if after[name] != before.get(name)] == []
        assert after.keys() == before.keys()
    assert len(told) == n_told


def test_the_metrics_of_prometheus_stay_those_of_the_last_day(hospital):
    folder, _ = hospital
    end = datetime(2026, 11, 10, tzinfo=UTC).timestamp()
    text = (folder / "monitoring" / "medanomaly.prom").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("medanomaly_period_end_seconds")]
    assert float(line.split()[1]) == end


def test_who_is_held_out_is_in_no_training_and_alone_before_the_gate(hospital):
    folder, _ = hospital
    trained = pd.read_csv(folder / "days" / str(day_of(6)) / "training.csv", dtype=str)
    table, held_out = nightly._labelled(nightly.Night.of(params(folder, day_of(6))), *IDS)
    assert 0.4 < held_out.mean() < 0.6
    assert set(trained["patient"]) == set(table.loc[~held_out, "patient"])
    assert not set(trained["patient"]) & set(table.loc[held_out, "patient"])
    assert file_of(folder, 6, "gate")["n"] == held_out.sum()
    # and who is held out has nothing to do with the split
    assert set(trained["label"]) == {"0", "1"}


def test_a_night_that_was_missed_is_made_up_for_by_the_next(hospital, key, tmp_path):
    write_day(tmp_path, 0, n=20)
    assert nightly.add_labels(params(tmp_path, day_of(3)))["n_new"] == 20
    with Store.open(params(tmp_path, FIRST).store) as store:
        known = pd.read_csv(tmp_path / "labels" / f"{day_of(1)}.csv", dtype=str)
        asked = known["patient_id"], known["case_id"]
        # it became known on the first day all the same
        ends = datetime(2026, 11, 4, tzinfo=UTC)
        assert None not in store.ground_truths(*asked, known_by=ends)
        assert set(store.ground_truths(*asked, known_by=ends - timedelta(hours=24))) == {None}


def test_a_training_falls_due_on_schedule(hospital, tmp_path):
    folder = copied(hospital, tmp_path)
    for name in ("days", "registry"):
        shutil.rmtree(folder / name)
    Registry(folder / "registry").add(folder / "first")
    Registry(folder / "registry").promote()
    first = night(folder, day_of(0), retrain_every=2)
    assert first["retrain"] == ""
    assert nightly.monitor(params(folder, day_of(1), retrain_every=2), MONITORING, "visits")["retrain"] == ""
    third = nightly.monitor(params(folder, day_of(2), retrain_every=2), MONITORING, "visits")
    assert third["retrain"] == "schedule: night 3"


def copied(hospital, tmp_path):
    folder = tmp_path / "hospital"
    shutil.copytree(hospital[0], folder)
    return folder


def test_a_promotion_that_was_killed_before_it_was_noted_is_noted_by_the_next_try(hospital, tmp_path):
    folder = copied(hospital, tmp_path)
    note = folder / "days" / str(day_of(6)) / "promotion.json"
    said, before = note.read_bytes(), (folder / "registry" / "aliases.json").read_bytes()
    note.unlink()
    nightly.promote_challenger(params(folder, day_of(6)))
    assert note.read_bytes() == said
    assert (folder / "registry" / "aliases.json").read_bytes() == before
    # somebody went back by hand meanwhile, and added another one
    note.unlink()
    Registry(folder / "registry").roll_back()
    Registry(folder / "registry").add(trained_with_reference(tmp_path / "other", patients(300, 9), ("ecdf",)))
    with pytest.raises(ConfigurationError, match="and the gate judged"):
        nightly.promote_challenger(params(folder, day_of(6)))


def test_the_gate_keeps_the_champion_where_it_cannot_compare(hospital, tmp_path):
    folder = copied(hospital, tmp_path)
    place = folder / "days" / str(day_of(6))
    (place / "gate.json").unlink()
    Registry(folder / "registry").roll_back()
    # nobody is held out
    found = nightly.judge_challenger(params(folder, day_of(6), held_out=1e-9), "visits", *IDS)
    assert not found["passed"]
    assert found["why"] == ["no held-out patient has a label yet"]
    (place / "promotion.json").unlink()
    assert not nightly.promote_challenger(params(folder, day_of(6)))["promoted"]
    # the same training again
    (place / "gate.json").unlink()
    shutil.rmtree(place / "outputs" / "06_models" / "visits")
    champion = Registry(folder / "registry").models(file_of(folder, 6, "champion")["version"])
    shutil.copytree(champion, place / "outputs" / "06_models" / "visits")
    found = nightly.judge_challenger(params(folder, day_of(6)), "visits", *IDS)
    assert found["why"] == ["The training gave the champion again."]


def test_the_first_models_have_nobody_to_be_compared_with(hospital, tmp_path):
    folder = copied(hospital, tmp_path)
    shutil.rmtree(folder / "registry")
    (folder / "days" / str(day_of(6)) / "gate.json").unlink()
    found = nightly.judge_challenger(params(folder, day_of(6)), "visits", *IDS)
    assert found["passed"]
    assert found["why"] == ["There is no champion to compare with."]


def scoring_of(folder, day):
    return nightly.score_cases(params(folder, day), ScoringParams(destination="unused", models="unused"))


@pytest.mark.parametrize(
    ("spoil", "step", "error", "words"),
    [
        (lambda _: None, lambda f: scoring_of(f, date(2027, 1, 1)), DataNotFoundError, "there are no cases of 2027-01-01"),
        (lambda f: (f / "cases" / f"{day_of(1)}.parquet").touch(), lambda f: scoring_of(f, day_of(1)), InputError,
         "2026-11-03.csv and 2026-11-03.parquet"),
        (lambda f: [shutil.rmtree(f / "registry"), (f / "days" / str(day_of(1)) / "champion.json").unlink()],
         lambda f: scoring_of(f, day_of(1)), DataNotFoundError, "the registry has no champion yet"),
        (lambda _: None, lambda f: nightly.add_labels(params(f, "yesterday")), ConfigurationError, "which is no day"),
        (lambda _: None, lambda f: nightly.gather_training(params(f, day_of(1)), None, None), ConfigurationError,
         "without ids"),
        (lambda _: None, lambda f: nightly.gather_training(params(f, day_of(1)), "visit", "patient"), InputError,
         r"columns \['visit'\] are missing"),
        (lambda _: None, lambda f: nightly.gather_training(params(f, day_of(0)), *IDS), InputError, "has a label by now"),
        (lambda _: None, lambda f: nightly.gather_training(params(f, date(2027, 1, 1)), *IDS), DataNotFoundError,
         "there are no cases from 2026-12-29 to 2027-01-01"),
        (lambda f: (f / "cases" / "2027-01-01").mkdir(),
         lambda f: nightly.gather_training(params(f, date(2027, 1, 1)), *IDS), ConfigurationError, "of tables only"),
        (lambda _: None, lambda f: nightly.promote_challenger(params(f, day_of(1))), DataNotFoundError,
         "was not judged"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(hospital, tmp_path, spoil, step, error, words):
    folder = copied(hospital, tmp_path)
    spoil(folder)
    with pytest.raises(error, match=words):
        step(folder)


def test_yesterday_is_meant_where_no_day_is_named(tmp_path):
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert nightly.Night.of(params(tmp_path, "")).day in (yesterday, yesterday + timedelta(days=1))
