import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medanomaly.core.errors import InputError
from medanomaly.monitoring.performance import ScoreProbabilities, estimated_auroc, expected_auroc
from medanomaly.monitoring.performance_labels import alarm_rates, labelled_by_choice


def cases(n, seed, apart=1.5, share=0.2):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < share
    return rng.normal(size=n) + apart * positive, positive


def test_certain_probabilities_give_the_auroc_of_scikit_learn():
    score, positive = cases(500, 0)
    score = score.round(1)
    assert expected_auroc(score, positive.astype(float)) == pytest.approx(roc_auc_score(positive, score))


def test_it_is_the_mean_over_labels_that_are_drawn():
    score, positive = cases(60, 1)
    p = np.clip(0.2 + 0.3 * positive, 0, 1)
    rng = np.random.default_rng(0)
    won = pairs = 0.0
    for _ in range(4000):
        drawn = rng.random(60) < p
        k = drawn.sum() * (~drawn).sum()
        won, pairs = won + k * roc_auc_score(drawn, score), pairs + k
    assert expected_auroc(score, p) == pytest.approx(won / pairs, abs=0.005)


@pytest.mark.parametrize("apart", [0.5, 1.5, 3.0])
def test_the_estimate_has_no_bias_and_its_interval_holds_the_truth(apart):
    errors, inside = [], []
    for seed in range(30):
        known = ScoreProbabilities.fit(*cases(600, 2 * seed, apart))
        score, positive = cases(500, 2 * seed + 1, apart)
        value, low, high = estimated_auroc(score, known)
        true = roc_auc_score(positive, score)
        errors.append(value - true)
        inside.append(low <= true <= high)
    assert abs(np.mean(errors)) < 0.015
    assert np.mean(inside) >= 0.85


def test_what_is_sealed_is_read_back():
    known = ScoreProbabilities.fit(*cases(300, 0))
    again = ScoreProbabilities.from_dict(known.to_dict())
    score = cases(50, 1)[0]
    assert (again.probabilities(score) == known.probabilities(score)).all()
    assert estimated_auroc(score, again) == estimated_auroc(score, known)


def test_too_few_labels_teach_nothing():
    score, positive = cases(300, 0)
    positive[:] = False
    positive[:9] = True
    assert ScoreProbabilities.fit(score, positive) is None
    assert np.isnan(expected_auroc(score, np.zeros(300)))
    with pytest.raises(InputError):
        expected_auroc(score, np.zeros(3))


def test_intervals_of_rates_count_patients_and_not_cases():
    import pandas as pd

    flagged = np.arange(400) % 10 == 0
    table = pd.DataFrame(
        {"case_id": [f"c{i}" for i in range(400)], "label": pd.array([0] * 400, dtype="Int8")}
    )
    alone = alarm_rates(table.assign(patient_id=table["case_id"]), flagged, 0.1, 500, 50, 0.95)[0]
    together = alarm_rates(
        table.assign(patient_id=[f"p{i // 8}" for i in range(400)]), flagged, 0.1, 500, 50, 0.95
    )[0]
    assert alone["rate"] == together["rate"] == 0.1
    assert together["high"] - together["low"] > 2 * (alone["high"] - alone["low"])


def test_labels_by_choice_are_told_from_labels_by_chance():
    flagged = np.arange(1000) % 10 == 0
    assert labelled_by_choice(flagged, flagged)
    assert not labelled_by_choice(flagged, np.arange(1000) % 3 == 0)
    assert not labelled_by_choice(flagged, np.ones(1000, dtype=bool))
    assert not labelled_by_choice(flagged, np.zeros(1000, dtype=bool))
