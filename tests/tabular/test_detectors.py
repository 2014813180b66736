import os
from pathlib import Path

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import ensemble
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils.estimator_checks import check_estimator

from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.tabular.detectors.base import TRUSTED_TYPES
from medanomaly.tabular.detectors.ecdf import ECDFDetector
from medanomaly.tabular.detectors.isolation_forest import IsolationForest, average_path_length, flat_forest
from medanomaly.tabular.detectors.nearest_neighbours import NearestNeighbours

DETECTORS = [
    IsolationForest(n_estimators=20, random_state=0),
    ECDFDetector(),
    ECDFDetector(tail="flat"),
    NearestNeighbours(),
]
every_detector = pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: str(d).split("(")[0])
additive_detector = pytest.mark.parametrize("detector", DETECTORS[1:], ids=lambda d: str(d).split("(")[0])
# few distinct values give ties and duplicate rows; the others give gaps, tails and tiny differences
entries = st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6, width=32)
whole_range = entries | st.sampled_from([3.4e38, -3.4e38, 1e-45, -0.0])


def tables(elements, max_rows=25):
    return st.integers(1, 4).flatmap(
        lambda d: st.tuples(
            st.integers(1, max_rows).flatmap(lambda n: arrays(np.float32, (n, d), elements=elements)),
            st.integers(1, max_rows).flatmap(lambda n: arrays(np.float32, (n, d), elements=elements)),
        )
    )


def continuous(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@every_detector
def test_scikit_learn_accepts_it_as_an_outlier_detector(detector):
    results = check_estimator(detector, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


# scikit-learn's own check for infinity adds up the table in float32
@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning:numpy")
@every_detector
@settings(max_examples=25, deadline=None)
@given(tables(whole_range))
def test_scores_and_contributions_are_finite_on_any_table(detector, table):
    train, rows = table
    fitted = detector.fit(train)
    assert np.isfinite(fitted.score_samples(rows)).all()
    assert np.isfinite(fitted.explain(rows)).all()
    assert np.isfinite(fitted.offset_)


@every_detector
@pytest.mark.parametrize("n_features", [1, 7, 33])
def test_a_row_scores_the_same_alone_and_in_any_batch(detector, n_features):
    train, rows = continuous(300, n_features), 2 * continuous(120, n_features, seed=1)
    fitted = detector.fit(train)
    scores, contributions = fitted.score_samples(rows), fitted.explain(rows)
    for size in (1, 7, 50):
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        assert (np.concatenate([fitted.score_samples(part) for part in parts]) == scores).all()
        assert (np.concatenate([fitted.explain(part) for part in parts]) == contributions).all()
    assert (fitted.score_samples(np.asfortranarray(rows[::-1]))[::-1] == scores).all()


@every_detector
def test_a_column_that_is_constant_in_training_does_no_harm(detector):
    train = continuous(100, 3)
    train[:, 1] = 7
    rows = train[:5].copy()
    rows[:, 1] = 8
    fitted = detector.fit(train)
    assert np.isfinite(fitted.score_samples(rows)).all()
    assert (fitted.score_samples(rows) <= fitted.score_samples(train[:5])).all()


@every_detector
def test_contamination_is_the_share_of_training_rows_below_the_threshold(detector):
    train = continuous(200, 4)
    predicted = detector.__class__(**(detector.get_params() | {"contamination": 0.2})).fit_predict(train)
    assert (predicted == -1).sum() == 40


@additive_detector
def test_a_senseless_contamination_is_refused(detector):
    with pytest.raises(ConfigurationError, match="contamination"):
        detector.__class__(contamination=0.7).fit(continuous(20, 2))


@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning:numpy")
@additive_detector
@settings(max_examples=50, deadline=None)
@given(tables(whole_range))
def test_contributions_add_up_to_the_score_exactly(detector, table):
    train, rows = table
    fitted = detector.fit(train)
    in_order = np.cumsum(fitted.explain(rows), axis=1)[:, -1]
    assert (in_order == -fitted.score_samples(rows)).all()


@every_detector
def test_only_the_projects_own_types_must_be_trusted_to_load_it(detector):
    train, rows = continuous(300, 5), continuous(50, 5, seed=1)
    fitted = detector.fit(train)
    saved = skops.io.dumps(fitted)
    assert set(skops.io.get_untrusted_types(data=saved)) <= set(TRUSTED_TYPES)
    loaded = skops.io.loads(saved, trusted=list(TRUSTED_TYPES))
    assert (loaded.score_samples(rows) == fitted.score_samples(rows)).all()
    assert (loaded.explain(rows) == fitted.explain(rows)).all()
    assert (loaded.predict(rows) == fitted.predict(rows)).all()


# --- ECDF ---


@settings(max_examples=100, deadline=None)
@given(tables(entries))
def test_flat_ecdf_score_equals_counting_the_training_rows(table):
    train, rows = table
    n = len(train)
    at_most = (train[None] <= rows[:, None]).sum(axis=1)
    at_least = (train[None] >= rows[:, None]).sum(axis=1)
    expected = np.maximum(-np.log((at_most + 0.5) / (n + 1)), -np.log((at_least + 0.5) / (n + 1)))
    np.testing.assert_allclose(
        ECDFDetector(tail="flat").fit(train).explain(rows), expected, rtol=1e-14, atol=1e-15
    )


def test_beyond_the_extremes_the_tail_grows_by_the_mean_excess_of_the_outer_values():
    train = np.r_[np.zeros(57), 10, 12, 17][:, None]  # n = 60: the outer 3 stand 13 above 0 on average
    flat, exponential = ECDFDetector(tail="flat").fit(train), ECDFDetector().fit(train)
    rows = np.array([[5.0], [17.0], [30.0], [-1.0]])
    growth = exponential.explain(rows) - flat.explain(rows)
    np.testing.assert_allclose(growth.ravel(), [0, 0, (30 - 17) / 13, 0], rtol=1e-12, atol=1e-12)


def test_ecdf_is_the_same_in_any_increasing_scale():
    train, rows = continuous(200, 3), np.clip(continuous(50, 3, seed=1), -1, 1)
    curved = [np.exp(2 * x.astype(np.float64)) for x in (train, rows)]
    plain = ECDFDetector(tail="flat").fit(train).explain(rows)
    np.testing.assert_array_equal(ECDFDetector(tail="flat").fit(curved[0]).explain(curved[1]), plain)


def test_an_unknown_tail_is_refused():
    with pytest.raises(ConfigurationError, match="'heavy'"):
        ECDFDetector(tail="heavy").fit(continuous(10, 2))


# --- nearest neighbours ---


@settings(max_examples=50, deadline=None)
@given(tables(st.floats(-100, 100, width=32)), st.integers(1, 8))
def test_neighbour_score_equals_the_mean_of_all_sorted_distances(table, k):
    train, rows = table
    difference = rows[:, None].astype(np.float64) - train[None]
    nearest = np.sort(np.sqrt((difference**2).sum(axis=2)), axis=1)[:, :k]
    fitted = NearestNeighbours(n_neighbors=k).fit(train)
    np.testing.assert_allclose(-fitted.score_samples(rows), nearest.mean(axis=1), rtol=1e-12, atol=1e-300)


def test_a_training_row_among_k_copies_of_itself_scores_zero_with_zero_contributions():
    train = np.repeat(continuous(10, 3), 5, axis=0)
    fitted = NearestNeighbours(n_neighbors=5).fit(train)
    assert (fitted.score_samples(train) == 0).all()
    assert (fitted.explain(train) == 0).all()


def test_the_search_agrees_with_scikit_learn_on_wide_rows():
    train, rows = continuous(400, 60), continuous(40, 60, seed=1)
    nearest = np.sort(euclidean_distances(rows.astype(float), train.astype(float)), axis=1)[:, :5].mean(
        axis=1
    )
    np.testing.assert_allclose(-NearestNeighbours().fit(train).score_samples(rows), nearest, rtol=1e-9)


def test_no_neighbour_at_all_is_refused():
    with pytest.raises(ConfigurationError, match="n_neighbors"):
        NearestNeighbours(n_neighbors=0).fit(continuous(10, 2))


# --- isolation forest ---


@pytest.mark.parametrize("options", [{}, {"max_features": 0.5, "bootstrap": True}, {"max_samples": 2}])
def test_forest_scores_are_scikit_learns(options):
    train, rows = continuous(500, 6), continuous(100, 6, seed=1)
    ours = IsolationForest(random_state=3, **options).fit(train)
    theirs = ensemble.IsolationForest(random_state=3, **options).fit(train)
    assert (ours.score_samples(rows) == theirs.score_samples(rows)).all()
    assert (ours.predict(rows) == theirs.predict(rows)).all()


@pytest.mark.parametrize("options", [{}, {"max_features": 0.5, "bootstrap": True}])
def test_forest_contributions_add_up_to_the_log_score_minus_its_baseline(options):
    train, rows = continuous(500, 6), 3 * continuous(100, 6, seed=1)
    train[::7, 2] = rows[::9, 4] = np.nan
    forest = IsolationForest(random_state=0, **options).fit(train)
    total = forest.explain(rows).sum(axis=1)
    expected = np.log2(-forest.score_samples(rows)) + flat_forest(forest).baseline
    np.testing.assert_allclose(total, expected, rtol=0, atol=1e-12)


def test_a_feature_that_no_tree_splits_on_contributes_nothing():
    train = continuous(200, 4)
    train[:, 2] = 1
    rows = continuous(30, 4, seed=1)
    assert (IsolationForest(random_state=0).fit(train).explain(rows)[:, 2] == 0).all()


def test_average_path_length_is_the_recursion_of_a_random_search_tree():
    # c(n) = 1 + the mean over the split points of the sizes that a failing search falls into
    exact = [0.0, 0.0]
    for n in range(2, 200):
        exact.append(1 + sum((i * exact[i] + (n - i) * exact[n - i]) / n for i in range(1, n)) / (n - 1))
    n = np.arange(50, 200)
    np.testing.assert_allclose(average_path_length(n), np.array(exact)[n], rtol=5e-3)
    np.testing.assert_array_equal(average_path_length(np.array([1, 2])), [0, 1])


@pytest.mark.parametrize(
    ("field", "value"), [("left_child", 10**6), ("right_child", 0), ("feature", 99), ("feature", -5)]
)
def test_a_forest_whose_trees_point_outside_themselves_is_refused(field, value):
    state = IsolationForest(n_estimators=3, random_state=0).fit(continuous(50, 4)).__getstate__()
    state["trees"]["nodes"][field][0] = value
    with pytest.raises(BundleError, match="points outside itself"):
        IsolationForest().__setstate__(state)


# --- real data ---


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
