import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from medanomaly.detectors.objective import detector_objective
from medanomaly.detectors.training import DetectorParams
from medanomaly.evaluation.resampling.ranking import auroc_between


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    n = 600
    label = (np.arange(n) % 6 == 0).astype(int)
    x = rng.normal(size=(n, 5))
    x[label == 1] += 2.0
    ids = [f"c{i}" for i in range(n)]
    split = np.array(["train", "train", "calibration", "test"])[rng.integers(0, 4, n)]
    cases = pd.DataFrame(
        {"case_id": ids, "patient_id": ids, "label": pd.array(label, dtype="Int8"), "split": split}
    )
    features = pd.DataFrame(x, columns=[f"f{j}" for j in range(5)])
    features.insert(0, "case_id", ids)
    return cases, features


def value(cases, features, options=None, **changes):
    settings = {"n_folds": 3, "seed": 0} | changes
    objective = detector_objective(cases, features, DetectorParams(kind="nearest_neighbours"), **settings)
    told = []
    result = objective(options or {"n_neighbors": 5}, lambda v, step: told.append((step, v)))
    assert [step for step, _ in told] == [0, 1, 2]
    assert told[-1][1] == result
    return result


def test_nothing_outside_train_changes_the_value(tables):
    cases, features = tables
    changed = features.copy()
    changed.loc[cases["split"].ne("train"), "f0"] = 1e6
    relabelled = cases.copy()
    relabelled.loc[cases["split"].ne("train"), "label"] = pd.NA
    assert value(cases, features) == value(relabelled, changed)


def test_it_ranks_labelled_anomalies(tables):
    assert 0.9 < value(*tables) < 1


def test_without_labels_it_ranks_planted_faults(tables):
    cases, features = tables
    unlabelled = cases.assign(label=pd.array([pd.NA] * len(cases), dtype="Int8"))
    assert 0.6 < value(unlabelled, features) < 1
    assert value(unlabelled, features) == value(unlabelled, features)


def test_options_matter(tables):
    assert value(*tables, {"n_neighbors": 1}) != value(*tables, {"n_neighbors": 30})


def test_its_auroc_equals_scikit_learn_with_ties():
    rng = np.random.default_rng(0)
    normal, anomalous = rng.integers(0, 5, 40).astype(float), rng.integers(2, 7, 15).astype(float)
    expected = roc_auc_score([0] * 40 + [1] * 15, np.concatenate([normal, anomalous]))
    assert auroc_between(normal, anomalous) == pytest.approx(expected, abs=1e-12)
