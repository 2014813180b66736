import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medanomaly.detectors.kinds.ecdf import ECDFDetector
from medanomaly.detectors.kinds.isolation_forest import IsolationForest
from medanomaly.detectors.kinds.nearest_neighbours import NearestNeighbours


@pytest.fixture(scope="module")
def annthyroid():
    root = os.environ.get("MEDANOMALY_DATA")
    if not root or not (Path(root) / "adbench" / "2_annthyroid.npz").exists():
        pytest.skip("MEDANOMALY_DATA has no adbench/2_annthyroid.npz")
    with np.load(Path(root) / "adbench" / "2_annthyroid.npz") as data:
        x, y = data["X"], data["y"]
    normals = np.random.default_rng(0).permutation(x[y == 0])
    half = len(normals) // 2
    train = normals[:half]
    centre, spread = train.mean(axis=0), train.std(axis=0)
    return tuple((part - centre) / spread for part in (train, normals[half:], x[y == 1]))


@pytest.mark.parametrize(
    ("detector", "share"), [(ECDFDetector(), 0.95), (IsolationForest(random_state=0), 0.80)]
)
def test_a_feature_moved_by_six_standard_deviations_is_named_first(annthyroid, detector, share):
    train, normal, _ = annthyroid
    rng = np.random.default_rng(1)
    rows = normal[rng.choice(len(normal), 300, replace=False)].copy()
    moved = rng.integers(rows.shape[1], size=300)
    rows[np.arange(300), moved] += 6 * rng.choice([-1, 1], 300)
    assert (detector.fit(train).explain(rows).argmax(axis=1) == moved).mean() >= share


@pytest.mark.parametrize(
    ("detector", "auroc"),
    [(ECDFDetector(), 0.85), (IsolationForest(random_state=0), 0.89), (NearestNeighbours(), 0.91)],
)
def test_thyroid_disease_is_found_as_well_as_in_the_literature(annthyroid, detector, auroc):
    train, normal, anomalous = annthyroid
    scores = -detector.fit(train).score_samples(np.r_[normal, anomalous])
    assert roc_auc_score(np.r_[np.zeros(len(normal)), np.ones(len(anomalous))], scores) >= auroc
