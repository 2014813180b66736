import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from tests.scoring.small_models import patients, trained_with_reference

from medanomaly.core.errors import ConfigurationError
from medanomaly.monitoring.params import MonitoringParams
from medanomaly.reporting import monitoring as page
from medanomaly.scoring.models import open_models
from medanomaly.scoring.monitored import monitor_period
from medanomaly.scoring.period_figures import KINDS, _grown
from medanomaly.scoring.period_metrics import METRICS, metrics_text
from medanomaly.scoring.periods import measure_period, period_name, period_of
from medanomaly.store.schema import prediction
from medanomaly.store.store import Store

KEY = b"a secret key of the tests"
WEEKS = [datetime(2026, 11, 2, tzinfo=UTC) + timedelta(days=7 * i) for i in range(5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models, alarm-free, with the reference that a run seals beside them."""
    return trained_with_reference(tmp_path_factory.mktemp("run"), patients(1200, 0))


@pytest.fixture(scope="module")
def models(folder):
    return open_models(folder)


@pytest.fixture(scope="module")
def weeks(models, tmp_path_factory):
    """A store of four weeks: nothing new, no labels yet, another unit, and nothing new again; and their raw cases."""
    folder = tmp_path_factory.mktemp("store")
    url = f"sqlite:///{folder / 'predictions.db'}"
    with Store.open(url, key=KEY) as store:
        for i, begin in enumerate(WEEKS[:4]):
            raw = patients(400, i + 1)
            if i == 2:
                raw["potassium"] = (raw["potassium"].astype(float) * 1.25).round(2).astype(str)
                raw.loc[raw.index[:80], "sodium"] = ""
            raw.drop(columns="outcome").to_csv(folder / f"{i}.csv", index=False)
            answers = models.score(raw.drop(columns="outcome"), explain=False)
            store.record(answers, batch=f"week {i}")
            # the store notes when it was told; the test moves that into the week
            with store.engine.begin() as connection:
                moved = sa.update(prediction).where(prediction.c.batch_id == f"week {i}")
                connection.execute(moved.values(recorded_at=begin + timedelta(hours=5)))
            if i != 1:
                known = (
                    raw["patient"],
                    raw["id"],
                    raw["outcome"].eq("ill").tolist(),
                    raw["outcome"].tolist(),
                )
                store.add_ground_truths(*known)
    return folder, url


def params(folder, weeks, i, **more):
    given = {
        "models": str(folder),
        "store": weeks[1],
        "since": str(WEEKS[i].date()),
        "until": str(WEEKS[i + 1].date()),
    }
    return MonitoringParams(**given | {"destination": "unused"} | more)


@pytest.fixture(scope="module")
def periods(folder, models, weeks):
    with Store.open(weeks[1], key=KEY) as store:
        return [
            measure_period(models, store, params(folder, weeks, i, source=str(weeks[0] / f"{i}.csv")))
            for i in range(4)
        ]


def model_of(period, name="ecdf"):
    return next(one for one in period["modalities"][0]["models"] if one["model"] == name)


def figure(one, metric):
    return next(row for row in one["measured"] if row["metric"] == metric and not row["subgroup"])


def test_a_quiet_week_crosses_no_limit(periods):
    assert periods[0]["warnings"] == []
    (of,) = periods[0]["modalities"]
    assert (of["n_cases"], of["n_labelled"], of["n_read"], of["n_refused"]) == (400, 400, 400, 0)
    assert of["n_not_in_store"] == 0
    assert not any(row["shifted"] for row in of["columns"])


def test_figures_with_labels_are_those_of_scikit_learn(periods, models, weeks):
    from sklearn.metrics import roc_auc_score

    raw = patients(400, 1)
    score = models.score(raw.drop(columns="outcome"), explain=False).scores
    score = score[score["model"] == "ecdf"]["score"]
    found = figure(model_of(periods[0]), "auroc")
    assert found["value"] == pytest.approx(roc_auc_score(raw["outcome"].eq("ill"), score))
    assert found["ci_low"] < found["value"] < found["ci_high"]


def test_the_estimate_without_labels_is_near_the_truth_and_its_interval_holds_it(periods):
    one, truth = model_of(periods[1]), model_of(periods[0])
    assert one["measured"] == []
    assert one["estimated"]["holds"]
    assert one["learned_from"] == "calibration"
    true = figure(truth, "auroc")["value"]
    assert one["estimated"]["value"] == pytest.approx(true, abs=0.05)
    assert one["estimated"]["low"] < true < one["estimated"]["high"]


def test_under_shift_columns_are_named_and_the_estimate_is_not_valid(periods):
    keys = [one["key"] for one in periods[2]["warnings"]]
    assert "tabular.column.potassium" in keys
    assert "tabular.column.sodium" in keys
    assert "tabular.scores.ecdf" in keys
    assert "tabular.false_alarms.ecdf." in keys
    said = {one["key"]: one["sentence"] for one in periods[2]["warnings"]}
    assert "stability index" in said["tabular.column.potassium"]
    assert "missing in 20% of the cases" in said["tabular.column.sodium"]
    assert not model_of(periods[2])["estimated"]["holds"]
    assert model_of(periods[2])["validity"]["verdict"] == "broken"
    assert "tabular.validity.ecdf" in keys
    # the martingale over facts, case after case
    assert "Facts of tabular cases drift" in said["tabular.validity.ecdf.order"]
    assert _grown(model_of(periods[2])["capital"]) in said["tabular.validity.ecdf.order"]
    assert model_of(periods[0])["capital"] < 100


@pytest.mark.parametrize(
    ("capital", "words"), [(131.4, "131"), (4_321_000.0, "4,321,000"), (3e8, "more than 100 million")]
)
def test_a_bet_that_grew_is_told_in_words_that_fit_a_sentence(capital, words):
    assert _grown(capital) == words


def test_alarm_rates_are_told_by_subgroup_with_intervals(periods):
    groups = {row["group"]: row for row in model_of(periods[0])["groups"]}
    assert set(groups) == {"", "ward=north", "ward=south"}
    assert groups["ward=north"]["n"] + groups["ward=south"]["n"] == 400
    for row in groups.values():
        assert row["low"] <= row["rate"] <= row["high"]
        assert row["expected_low"] <= row["false_alarms"] <= row["expected_high"]


def test_without_raw_cases_only_the_store_speaks(folder, models, weeks):
    with Store.open(weeks[1], key=KEY) as store:
        found = measure_period(models, store, params(folder, weeks, 2))
    (of,) = found["modalities"]
    assert of["n_read"] is None
    assert of["columns"] == []
    assert {one["key"] for one in found["warnings"]} >= {"tabular.scores.ecdf"}


def test_pages_compare_with_the_week_before_and_replaying_one_changes_nothing(
    folder, weeks, tmp_path, monkeypatch
):
    monkeypatch.setenv("MEDANOMALY_SUBJECT_KEY", KEY.decode())
    given = [
        params(folder, weeks, i, source=str(weeks[0] / f"{i}.csv"), destination=str(tmp_path))
        for i in range(4)
    ]
    found = [monitor_period(one, "visits") for one in given]
    assert not found[0]["new"]
    assert len(found[2]["new"]) >= 4
    assert not found[2]["gone"]
    assert set(found[2]["new"]) == set(found[3]["gone"])
    assert not found[3]["new"]
    texts = [(tmp_path / f"{period_name(*WEEKS[i : i + 2])}.html").read_text() for i in range(4)]
    assert page.NOTHING in texts[0]
    assert "There is no earlier period" in texts[0]
    assert "Compared with 2026-11-02 to 2026-11-09." in texts[1]
    assert page.NOTHING not in texts[2]
    assert page.ESTIMATE_FAILS in texts[2]
    assert page.ESTIMATE_FAILS not in texts[1]
    assert page.NO_RAW_CASES not in "".join(texts)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = monitor_period(given[3], "visits")
    assert again == found[3]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_metrics_are_those_of_the_registry_and_hold_no_id(periods):
    from prometheus_client.parser import text_string_to_metric_families

    for period in periods:
        families = {family.name: family for family in text_string_to_metric_families(metrics_text(period))}
        assert set(families) == set(METRICS)
    values = {
        sample.labels.get("model"): sample.value
        for sample in families["medanomaly_period_flagged_share"].samples
    }
    assert values["ecdf"] == pytest.approx(model_of(periods[3])["n_flagged"] / 400)
    broken = {f.name: f for f in text_string_to_metric_families(metrics_text(periods[2]))}
    kinds = {sample.labels["kind"]: sample.value for sample in broken["medanomaly_period_warnings"].samples}
    assert set(kinds) == set(KINDS)
    assert kinds["column"] == 2
    assert kinds["scores"] >= 1
    assert kinds["refused"] == 0
    assert sum(kinds.values()) == len(periods[2]["warnings"])
    assert not [s for s in broken["medanomaly_period_auroc"].samples if s.labels["basis"] == "scores"]


def test_labels_of_flagged_cases_alone_are_said_to_mislead(folder, models, weeks, tmp_path):
    url = f"sqlite:///{tmp_path / 'chosen.db'}"
    raw = patients(400, 9)
    with Store.open(url, key=KEY) as store:
        answers = models.score(raw.drop(columns="outcome"), explain=False)
        store.record(answers)
        flagged = set(answers.scores[answers.scores["flagged"].astype(bool)]["case_id"])
        raw = raw[raw["id"].isin(flagged)]
        store.add_ground_truths(raw["patient"], raw["id"], raw["outcome"].eq("ill").tolist())
        now = datetime.now(UTC)
        given = params(folder, weeks, 0).model_copy(
            update={"since": str(now.date()), "until": str(now.date() + timedelta(days=1))}
        )
        found = measure_period(models, store, given)
    assert model_of(found)["labelled_by_choice"]
    text = page.period_page(found, None, ([], [], []), {"dataset": "visits"})
    assert "are labelled more often" in text
    assert page.NO_RAW_CASES in text


def test_a_period_without_predictions_says_so(folder, models, weeks):
    with Store.open(weeks[1], key=KEY) as store:
        found = measure_period(
            models,
            store,
            params(folder, weeks, 0).model_copy(update={"since": "2020-01-01", "until": "2020-02-01"}),
        )
    assert found["modalities"] == []
    text = page.period_page(found, None, ([], [], []), {"dataset": "visits"})
    assert "holds no prediction" in text


def test_moments_are_read_in_utc_and_wrong_ones_refused():
    now = datetime(2026, 11, 5, 13, tzinfo=UTC)
    assert period_name(*period_of("", "", now)) == "2026-11-04_2026-11-05"
    assert period_of("2026-11-01T06:00+02:00", "2026-11-02")[0].hour == 4
    for since, until in (("2026-11-02", "2026-11-01"), ("soon", "2026-11-01"), ("2026-11-01", "")):
        with pytest.raises(ConfigurationError):
            period_of(since, until)


def test_models_without_a_reference_or_with_another_one_are_refused(models, folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "run")
    shutil.rmtree(tmp_path / "run/tabular/reference")
    with pytest.raises(ConfigurationError, match="nothing was sealed"):
        open_models(tmp_path / "run").reference("tabular")
    known = json.loads((folder / "tabular/reference/manifest.json").read_text())
    assert set(known["models"]) == {"ecdf", "mahalanobis"}
    assert models.reference("tabular").n_cases == 800


def test_many_cases_of_one_patient_count_once(models):
    from medanomaly.monitoring.drift import compare_columns, references
    from medanomaly.monitoring.drift_reference import one_case_per_patient

    rng = np.random.default_rng(0)

    def visits_of(n, seed):
        """Twenty visits of each patient, which are nearly alike."""
        rng = np.random.default_rng(seed)
        table = pd.DataFrame({"patient": np.repeat([f"p{i}" for i in range(n)], 20)})
        table["case"] = [f"c{i}" for i in range(len(table))]
        table["height"] = np.repeat(rng.normal(170, 10, n), 20) + rng.normal(0, 0.1, len(table))
        return table, one_case_per_patient(table["case"], table["patient"])

    wrong = []
    for seed in range(20):
        (before, some), (after, others) = visits_of(60, seed), visits_of(60, 100 + seed)
        assert before.iloc[some]["patient"].is_unique
        known = references(before.iloc[some][["height"]])
        wrong.append(compare_columns(known, after.iloc[others])["p"].item() < 0.05)
    assert sum(wrong) <= 4
    shuffled = before.iloc[rng.permutation(len(before))]
    again = shuffled.iloc[one_case_per_patient(shuffled["case"], shuffled["patient"])]
    assert set(again["case"]) == set(before.iloc[some]["case"])
