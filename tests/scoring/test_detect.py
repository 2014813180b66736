"""Tables and recordings without a trained model: every record gets a p-value, by detectors that never saw it."""

import numpy as np
import pandas as pd
import pytest

import medanomaly
from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.detectors.cross_conformal import _fitted, cross_conformal
from medanomaly.detectors.training import DetectorParams

FAST = DetectorParams(kind="mahalanobis")


def table(n, seed=0, columns=4):
    values = np.random.default_rng(seed).normal(size=(n, columns))
    return pd.DataFrame(values, columns=[f"lab_{i}" for i in range(columns)])


def features(n, seed=0):
    return table(n, seed).assign(case_id=[str(i) for i in range(n)])


def patients(n, of=1):
    return pd.Series([f"P{i // of}" for i in range(n)], dtype="string")


def by_hand(data, patient, fold, n_folds):
    """The definition, pair by pair."""

    n = len(data)
    wins = np.zeros(n)
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            rows = np.flatnonzero((fold != fold[i]) & (fold != fold[j]))
            of = _cached(data, patient, rows)
            wins[i] += of.score(data.iloc[[j]])[0] >= of.score(data.iloc[[i]])[0]
    return (1 + wins) / n


_known = {}


def _cached(data, patient, rows):
    key = rows.tobytes()
    if key not in _known:
        _known[key] = _fitted(data, patient, rows, FAST, 0, 10_000)
    return _known[key]


def test_p_values_are_those_of_the_definition():
    data, patient = features(40), patients(40, of=2)
    found = cross_conformal(data, patient, FAST, n_folds=3)
    np.testing.assert_allclose(found.p_value, by_hand(data, patient, found.fold, 3))


def test_no_detector_has_seen_the_patient_that_it_judges():
    patient = patients(120, of=4)
    fold = cross_conformal(features(120), patient, FAST).fold
    assert len(pd.DataFrame({"patient": patient, "fold": fold}).drop_duplicates()) == 30


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_at_most_two_alpha_of_the_records_are_flagged_whatever_they_are(alpha):
    rng = np.random.default_rng(1)
    for draw in (rng.normal, rng.standard_cauchy, lambda size: rng.integers(0, 3, size)):
        data = pd.DataFrame(draw(size=(200, 3)), columns=list("abc")).assign(
            case_id=[str(i) for i in range(200)]
        )
        found = cross_conformal(data, patients(200), FAST)
        assert (found.p_value <= alpha).mean() <= 2 * alpha


def test_usual_records_are_flagged_about_as_often_as_asked():
    shares = [
        (cross_conformal(features(300, seed), patients(300), FAST, seed=seed).p_value <= 0.1).mean()
        for seed in range(4)
    ]
    assert 0.07 <= np.mean(shares) <= 0.13


def test_every_row_is_answered_and_the_strange_ones_come_first():
    raw = table(150)
    raw.loc[[7, 90]] = 9.0, 9.0, -9.0, 9.0
    raw["ward"] = "A"
    answers = medanomaly.detect(raw, detector="isolation_forest", n_folds=4)
    assert len(answers.table) == 150
    assert answers.scores["p_value"].notna().all()
    first = answers.scores.sort_values("p_value").head(2)["case_id"]
    assert set(first) == {"8", "91"}
    assert set(answers.explanations["case_id"]) >= set(first)
    assert (answers.table.set_index("case_id").loc[first, "reasons"] != "").all()


def test_the_patient_and_columns_to_ignore_are_named(tmp_path):
    raw = table(90).assign(person=[f"X{i // 3}" for i in range(90)], outcome=["no", "yes"] * 45)
    raw.to_csv(tmp_path / "ward.csv", index=False)
    answers = medanomaly.detect(
        tmp_path / "ward.csv", patient_id="person", ignore=["outcome"], detector="ecdf"
    )
    assert "outcome" not in set(answers.explanations["feature"])
    assert answers.read.cases["patient_id"].nunique() == 30


def test_a_row_that_cannot_be_read_is_listed():
    raw = table(60).astype(object)
    raw.loc[10, "lab_1"] = "see note of Mrs"
    answers = medanomaly.detect(raw, detector="ecdf")
    assert len(answers.table) == 60
    assert answers.read.refused["case_id"].to_list() == ["11"]


def test_too_few_records_are_refused():
    with pytest.raises(InputError, match="usable records"):
        medanomaly.detect(table(12))
    with pytest.raises(ConfigurationError, match="too few"):
        cross_conformal(features(60), patients(60, of=30), FAST)
    with pytest.raises(ConfigurationError, match="3 or more"):
        cross_conformal(features(60), patients(60), FAST, n_folds=2)


def test_impossible_values_are_named_though_nobody_described_the_table():
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "Age": random.normal(60, 10, 120).round(),
            "bmi": random.normal(26, 4, 120).round(1),
            "Glucose mg/dL": random.normal(100, 10, 120).round(),
            "weight": random.normal(80, 9, 120).round(),
        }
    )
    table.loc[[3, 4, 5], ["Age", "bmi", "Glucose mg/dL"]] = [[250, 26, 100], [60, 999, 100], [60, 26, 5.4]]
    # pounds or kilograms: nothing says which
    table.loc[6, "weight"] = 400
    found = medanomaly.detect(table).read.findings.set_index("case_id")
    assert found["column"].to_dict() == {"4": "Age", "5": "bmi", "6": "Glucose mg/dL"}
    assert found.loc["6", "suggested_value"] is not pd.NA
    described = medanomaly.detect(table, ignore=["Age"]).read.findings
    assert "Age" not in set(described["column"])
