import time

import numpy as np
import onnx
import pytest
from sklearn.decomposition import PCA
from tests.tabular.sample_tables import continuous

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.onnx_session import open_session
from medanomaly.detectors.kinds.ecdf import ECDFDetector
from medanomaly.detectors.kinds.isolation_forest import IsolationForest
from medanomaly.detectors.kinds.nearest_neighbours import NearestNeighbours
from medanomaly.detectors.onnx.export import to_onnx


def onnx_scores(detector, rows):
    return open_session(to_onnx(detector)).run(None, {"X": rows})[0]


def test_twenty_thousand_forest_scores_agree_with_scikit_learn_to_1e_6():
    rows = continuous(20_000, 30)
    forest = IsolationForest(random_state=0).fit(rows)
    assert np.abs(onnx_scores(forest, rows) + forest.score_samples(rows)).max() < 1e-6


@pytest.mark.parametrize("options", [{"max_features": 0.5, "bootstrap": True}, {"max_samples": 1}])
def test_forest_options_are_carried_over(options):
    forest = IsolationForest(n_estimators=50, random_state=0, **options).fit(continuous(300, 7))
    rows = continuous(500, 7, seed=1)
    np.testing.assert_allclose(onnx_scores(forest, rows), -forest.score_samples(rows), rtol=1e-12)


@pytest.mark.parametrize("missing_in_training", [True, False])
def test_missing_values_go_the_forests_way(missing_in_training):
    rows = continuous(1000, 4)
    rows[np.random.default_rng(1).random(rows.shape) < 0.2] = np.nan
    forest = IsolationForest(random_state=0).fit(rows if missing_in_training else np.nan_to_num(rows))
    np.testing.assert_allclose(onnx_scores(forest, rows), -forest.score_samples(rows), rtol=1e-12)


def test_a_value_on_a_threshold_takes_the_same_branch():
    # scikit-learn's thresholds are float64: the two float32 neighbours of each lie on different sides
    forest = IsolationForest(n_estimators=20, random_state=0).fit(continuous(300, 1))
    thresholds = np.concatenate([tree.tree_.threshold for tree in forest.estimators_])
    near = thresholds.astype(np.float32)
    rows = np.r_[np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))][
        :, None
    ]
    np.testing.assert_allclose(onnx_scores(forest, rows), -forest.score_samples(rows), rtol=1e-12)


def test_a_copy_of_a_training_row_far_from_the_origin_keeps_its_digits():
    train = continuous(200, 5) + 1000
    fitted = NearestNeighbours(n_neighbors=1).fit(train)
    np.testing.assert_allclose(onnx_scores(fitted, train), 0, atol=1e-6)


@pytest.mark.parametrize(
    "detector",
    [IsolationForest(n_estimators=20, random_state=0), ECDFDetector(), ECDFDetector(tail="flat")],
    ids=lambda d: str(d).split("(")[0],
)
def test_twenty_trees_and_all_tail_tables_are_one_node(detector):
    model = onnx.load_from_string(to_onnx(detector.fit(continuous(200, 8))))
    assert [node.op_type for node in model.graph.node].count("TreeEnsemble") == 1
    assert len(model.graph.node) <= 10


def test_one_row_is_scored_far_faster_than_by_scikit_learn():
    forest = IsolationForest(random_state=0).fit(continuous(1000, 30))
    session, row = open_session(to_onnx(forest)), continuous(1, 30, seed=1)

    def fastest(score, repeats):
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            score()
            times.append(time.perf_counter() - start)
        return min(times)

    # the measured ratio is several hundred; the margin is for busy machines
    assert (
        fastest(lambda: session.run(None, {"X": row}), 200)
        < fastest(lambda: forest.score_samples(row), 20) / 50
    )


def test_an_estimator_without_an_export_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="PCA"):
        to_onnx(PCA())
