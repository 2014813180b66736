import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from sklearn import covariance, neighbors, svm
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.tabular import onnx_graphs  # noqa: F401  registers the exports
from medanomaly.tabular.detectors.base import TRUSTED_TYPES
from medanomaly.tabular.detectors.extended_isolation_forest import ExtendedIsolationForest
from medanomaly.tabular.detectors.isolation_forest import IsolationForest
from medanomaly.tabular.detectors.local_outlier_factor import LocalOutlierFactor
from medanomaly.tabular.detectors.mahalanobis import MahalanobisDetector
from medanomaly.tabular.detectors.one_class_svm import OneClassSVMDetector
from medanomaly.tabular.detectors.pca import PCADetector
from medanomaly.tabular.detectors.rank_gauss import RankGauss
from medanomaly.tabular.detectors.standardise import Standardise
from medanomaly.tabular.onnx_export import load_session, to_onnx

DETECTORS = {
    "pca": PCADetector(),
    "mahalanobis": MahalanobisDetector(),
    "svm": OneClassSVMDetector(),
    "approximate svm": OneClassSVMDetector(max_exact=2, n_components=20, random_state=0),
    "lof": LocalOutlierFactor(n_neighbors=10),
    "eif": ExtendedIsolationForest(n_estimators=20, random_state=0),
    "straight eif": ExtendedIsolationForest(n_estimators=20, ndim=1, random_state=0),
}
every_detector = pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)
# few distinct values give ties and duplicate rows; the others give gaps, tails and tiny differences
entries = st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6, width=32)
whole_range = entries | st.sampled_from([3.4e38, -3.4e38, 1e-45, -0.0])


def tables(elements, max_rows=20):
    return st.integers(1, 3).flatmap(
        lambda d: st.tuples(
            st.integers(1, max_rows).flatmap(lambda n: arrays(np.float32, (n, d), elements=elements)),
            st.integers(1, max_rows).flatmap(lambda n: arrays(np.float32, (n, d), elements=elements)),
        )
    )


def continuous(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def real_split():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = StandardScaler().fit_transform(X).astype(np.float32), 1 - y
    train = np.flatnonzero(y == 0)[::2]
    test = np.setdiff1d(np.arange(len(y)), train)
    return X[train], X[test], y[test]


@every_detector
def test_scikit_learn_accepts_it_as_an_outlier_detector(detector):
    results = check_estimator(detector, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


@pytest.mark.parametrize("view", [Standardise(), RankGauss()], ids=["standardise", "rank_gauss"])
def test_scikit_learn_accepts_the_views_as_transformers(view):
    results = check_estimator(view, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


# scikit-learn's own check for infinity adds up the table in float32
@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning:numpy")
@every_detector
@settings(max_examples=25)
@given(tables(whole_range))
def test_scores_and_contributions_are_finite_and_add_up_on_any_table(detector, table):
    train, rows = table
    fitted = detector.fit(train)
    score, terms = -fitted.score_samples(rows), fitted.explain(rows)
    assert np.isfinite(score).all()
    assert np.isfinite(terms).all()
    assert np.isfinite(fitted.offset_)
    scale = np.abs(terms).sum(axis=1)
    np.testing.assert_array_less(np.abs(terms.sum(axis=1) - score), 1e-12 * scale + 1e-300)


@every_detector
@pytest.mark.parametrize("n_features", [1, 7, 33])
def test_a_row_scores_the_same_alone_and_in_any_batch(detector, n_features):
    train, rows = continuous(200, n_features), 2 * continuous(60, n_features, seed=1)
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


@every_detector
def test_it_finds_tumours_among_benign_lumps(detector):
    train, test, y = real_split()
    assert roc_auc_score(y, -detector.fit(train).score_samples(test)) > 0.9


@every_detector
def test_the_graph_gives_the_estimators_score_on_real_records(detector):
    train, test, _ = real_split()
    fitted = detector.fit(train)
    score = load_session(to_onnx(fitted)).run(None, {"X": test})[0]
    np.testing.assert_allclose(score, -fitted.score_samples(test), rtol=1e-11)


@every_detector
@settings(max_examples=15)
@given(tables(entries))
def test_the_graph_gives_the_estimators_score_on_any_table(detector, table):
    train, rows = table
    fitted = detector.fit(train)
    score = load_session(to_onnx(fitted)).run(None, {"X": rows})[0]
    np.testing.assert_allclose(score, -fitted.score_samples(rows), rtol=1e-8, atol=1e-8)


@every_detector
def test_only_the_projects_own_types_must_be_trusted_to_load_it(detector):
    train, rows = continuous(100, 5), continuous(50, 5, seed=1)
    fitted = detector.fit(train)
    saved = skops.io.dumps(fitted)
    assert set(skops.io.get_untrusted_types(data=saved)) <= set(TRUSTED_TYPES)
    loaded = skops.io.loads(saved, trusted=list(TRUSTED_TYPES))
    assert (loaded.score_samples(rows) == fitted.score_samples(rows)).all()
    assert (loaded.explain(rows) == fitted.explain(rows)).all()


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (PCADetector(floor=0), "floor is 0"),
        (OneClassSVMDetector(nu=1.5), "nu is 1.5"),
        (LocalOutlierFactor(n_neighbors=0), "n_neighbors is 0"),
        (ExtendedIsolationForest(ndim=0), "ndim is 0"),
        (ExtendedIsolationForest(n_estimators=0), "n_estimators is 0"),
        (ExtendedIsolationForest(contamination=0.7), "contamination is 0.7"),
    ],
)
def test_a_senseless_option_is_refused(detector, message):
    with pytest.raises(ConfigurationError, match=message):
        detector.fit(continuous(20, 2))


# --- quadratic forms ---


def test_mahalanobis_equals_scikit_learns_ledoit_wolf_on_standardised_columns():
    train = StandardScaler().fit_transform(real_split()[0]).astype(np.float32)
    oracle = covariance.LedoitWolf(assume_centered=True).fit(train.astype(np.float64))
    fitted = MahalanobisDetector().fit(train)
    np.testing.assert_allclose(-fitted.score_samples(train), oracle.mahalanobis(train), rtol=1e-4)


def test_pca_equals_scikit_learns_whitened_components_where_none_is_floored():
    rng = np.random.default_rng(0)
    train = (rng.standard_normal((500, 6)) @ rng.standard_normal((6, 6))).astype(np.float32)
    z = StandardScaler().fit_transform(train.astype(np.float64))
    whitened = PCA(whiten=True).fit_transform(z)
    # scikit-learn divides by n - 1
    expected = (whitened**2).sum(axis=1) * 500 / 499
    np.testing.assert_allclose(-PCADetector(floor=1e-9).fit(train).score_samples(train), expected, rtol=1e-9)


def test_columns_that_determine_each_other_leave_the_score_finite_and_a_break_between_them_is_found():
    train = np.repeat(continuous(5000, 1), 2, axis=1)
    for detector in (PCADetector(), MahalanobisDetector()):
        fitted = detector.fit(train)
        broken = np.array([[1.0, -1.0]], dtype=np.float32)
        assert -fitted.score_samples(broken)[0] > 10 * -fitted.score_samples(train).min()
        assert fitted.predict(broken)[0] == -1


# --- one-class SVM ---


def test_svm_ranks_as_scikit_learns():
    train, test, _ = real_split()
    oracle = svm.OneClassSVM(nu=0.5, gamma="scale").fit(train.astype(np.float64))
    ours = OneClassSVMDetector().fit(train)
    scale = oracle.dual_coef_.sum()
    np.testing.assert_allclose(-ours.score_samples(test), 1 - oracle.score_samples(test) / scale, atol=1e-9)
    assert ours.score_samples(test).max() <= 0
    assert ours.score_samples(test).min() >= -1


def test_approximate_svm_agrees_with_the_exact_one():
    train, test, _ = real_split()
    exact = OneClassSVMDetector().fit(train).score_samples(test)
    quick = OneClassSVMDetector(max_exact=50, n_components=150, random_state=0).fit(train).score_samples(test)
    assert spearmanr(exact, quick).statistic > 0.9


# --- local outlier factor ---


@pytest.mark.parametrize("k", [1, 10, 50, 500])
def test_lof_equals_scikit_learns(k):
    train, rows = continuous(300, 4), 2 * continuous(100, 4, seed=1)
    oracle = neighbors.LocalOutlierFactor(n_neighbors=min(k, 299), novelty=True).fit(train.astype(np.float64))
    ours = LocalOutlierFactor(n_neighbors=k).fit(train).score_samples(rows)
    np.testing.assert_allclose(ours, oracle.score_samples(rows.astype(np.float64)), rtol=1e-10)


def test_copies_of_training_rows_change_no_local_outlier_factor():
    train, rows = continuous(200, 3), continuous(50, 3, seed=1)
    once = LocalOutlierFactor(n_neighbors=5).fit(train).score_samples(rows)
    copied = np.r_[train, np.repeat(train[:20], 9, axis=0)]
    assert (LocalOutlierFactor(n_neighbors=5).fit(copied).score_samples(rows) == once).all()
    # scikit-learn takes what lies beside the copies for outliers
    oracle = neighbors.LocalOutlierFactor(n_neighbors=5, novelty=True).fit(copied.astype(np.float64))
    assert -oracle.score_samples(rows.astype(np.float64)).min() > 1e6 > -once.min()


def test_the_order_of_training_rows_does_not_matter_where_neighbours_tie():
    train = np.random.default_rng(0).integers(0, 4, (60, 3)).astype(np.float32)
    rows = np.random.default_rng(1).integers(-1, 6, (40, 3)).astype(np.float32)
    one = LocalOutlierFactor(n_neighbors=3).fit(train).score_samples(rows)
    assert (LocalOutlierFactor(n_neighbors=3).fit(train[::-1]).score_samples(rows) == one).all()


# --- extended isolation forest ---


def path_length(forest, row, tree):
    """Walk one tree in plain Python."""
    at, depth = forest.roots_[tree], 0
    while forest.children_[at, 0] != at:
        combined = sum(
            c * row[f] for c, f in zip(forest.coefficients_[at], forest.features_[at], strict=True)
        )
        at, depth = forest.children_[at, int(combined > forest.thresholds_[at])], depth + 1
    return forest.lengths_[at], depth


def test_eif_score_is_two_to_the_minus_mean_path_length():
    train = continuous(300, 5)
    forest = ExtendedIsolationForest(n_estimators=10, random_state=1).fit(train)
    row = train[7].astype(np.float64)
    lengths = [path_length(forest, row, tree) for tree in range(10)]
    assert max(depth for _, depth in lengths) <= 8
    expected = 2 ** (-np.mean([length for length, _ in lengths]) / forest.normaliser_)
    assert -forest.score_samples(train[7:8])[0] == pytest.approx(expected, rel=1e-12)


def test_every_split_of_the_eif_leaves_rows_on_both_sides():
    train = continuous(256, 3)
    forest = ExtendedIsolationForest(n_estimators=5, max_samples=256, random_state=0).fit(train)
    for tree in range(5):
        reached = {int(leaf_of(forest, row, tree)) for row in train.astype(np.float64)}
        start = forest.roots_[tree]
        end = forest.roots_[tree + 1] if tree < 4 else len(forest.lengths_)
        leaves = {i for i in range(start, end) if forest.children_[i, 0] == i}
        assert reached == leaves


def leaf_of(forest, row, tree):
    at = forest.roots_[tree]
    while forest.children_[at, 0] != at:
        combined = sum(
            c * row[f] for c, f in zip(forest.coefficients_[at], forest.features_[at], strict=True)
        )
        at = forest.children_[at, int(combined > forest.thresholds_[at])]
    return at


def test_straight_eif_ranks_as_scikit_learns_isolation_forest():
    train, test, _ = real_split()
    straight = ExtendedIsolationForest(n_estimators=300, ndim=1, random_state=0).fit(train)
    oracle = IsolationForest(n_estimators=300, random_state=0).fit(train)
    assert spearmanr(straight.score_samples(test), oracle.score_samples(test)).statistic > 0.97
    np.testing.assert_allclose(
        straight.score_samples(test).mean(), oracle.score_samples(test).mean(), atol=0.01
    )


@pytest.mark.parametrize("ndim", [1, 2])
def test_eif_ranks_as_isotree(ndim):
    isotree = pytest.importorskip("isotree")
    train, test, _ = real_split()
    oracle = isotree.IsolationForest(
        ndim=ndim, ntrees=300, sample_size=len(train), random_seed=1, nthreads=1, missing_action="fail"
    ).fit(train)
    ours = ExtendedIsolationForest(n_estimators=300, ndim=ndim, random_state=0).fit(train)
    assert spearmanr(-ours.score_samples(test), oracle.predict(test)).statistic > 0.97


def test_slanted_splits_do_not_favour_the_axes():
    # two clusters on the diagonal: straight splits leave ghosts in the empty corners (Hariri et al., section 2)
    random = np.random.default_rng(0)
    train = np.r_[random.normal(0, 1, (500, 2)), random.normal(10, 1, (500, 2))].astype(np.float32)
    ghosts = np.array([[0, 10], [10, 0]], dtype=np.float32)
    centres = np.array([[0, 0], [10, 10]], dtype=np.float32)

    def contrast(ndim):
        forest = ExtendedIsolationForest(ndim=ndim, n_estimators=400, random_state=0).fit(train)
        return (-forest.score_samples(ghosts)).mean() / (-forest.score_samples(centres)).mean()

    assert contrast(2) > contrast(1)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("children_", lambda a: a + len(a)),
        ("children_", np.zeros_like),
        ("features_", lambda a: a + 99),
        ("roots_", lambda a: a - 10**6),
        ("lengths_", lambda a: a[:3]),
        ("coefficients_", lambda a: a[:, :1]),
        ("thresholds_", lambda a: a.astype(complex)),
    ],
)
def test_an_altered_forest_is_refused(name, change):
    state = ExtendedIsolationForest(n_estimators=3, random_state=0).fit(continuous(50, 3)).__getstate__()
    state[name] = change(state[name])
    with pytest.raises(BundleError, match="outside itself"):
        ExtendedIsolationForest().__setstate__(state)


# --- views ---


def test_rank_gauss_equals_scikit_learns_quantiles_of_distinct_values_up_to_scale():
    train = np.exp(continuous(999, 2))
    ours = RankGauss().fit_transform(train)
    oracle = QuantileTransformer(n_quantiles=999, output_distribution="normal").fit_transform(train)
    middle = np.abs(oracle[:, 0]) < 2
    assert np.corrcoef(ours[middle, 0], oracle[middle, 0])[0, 1] > 0.9999
    np.testing.assert_allclose(ours.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(ours.std(axis=0), 1, atol=1e-6)


@settings(max_examples=50)
@given(tables(entries))
def test_rank_gauss_never_turns_the_order_of_values_around(table):
    train, rows = table
    view = RankGauss().fit(train)
    for column, bent in zip(rows.T, view.transform(rows).T, strict=True):
        order = np.argsort(column, kind="stable")
        assert (np.diff(bent[order]) >= -1e-6 * np.maximum(1, np.abs(bent[order][1:]))).all()


def test_what_lies_far_out_stays_far_out_in_rank_gauss():
    view = RankGauss().fit(continuous(5000, 1))
    assert len(view.knots_[0]) <= 1024
    far = view.transform(np.array([[5.0], [50.0], [500.0]], dtype=np.float32)).ravel()
    assert far[1] > 5 * far[0] > 0
    assert far[2] > 5 * far[1]
