import numpy as np
import pytest
from scipy.stats import spearmanr
from tests.tabular.sample_tables import breast_lumps, continuous

from medanomaly.core.errors import BundleError
from medanomaly.detectors.kinds.extended_isolation_forest import ExtendedIsolationForest
from medanomaly.detectors.kinds.isolation_forest import IsolationForest


def path_length(forest, row, tree):
    """Walk one tree in plain Python."""
    at, depth = forest.roots_[tree], 0
    while forest.children_[at, 0] != at:
        combined = sum(
            c * row[f] for c, f in zip(forest.coefficients_[at], forest.features_[at], strict=True)
        )
        at, depth = forest.children_[at, int(combined > forest.thresholds_[at])], depth + 1
    return forest.lengths_[at], depth


def leaf_of(forest, row, tree):
    at = forest.roots_[tree]
    while forest.children_[at, 0] != at:
        combined = sum(
            c * row[f] for c, f in zip(forest.coefficients_[at], forest.features_[at], strict=True)
        )
        at = forest.children_[at, int(combined > forest.thresholds_[at])]
    return at


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


def test_straight_eif_ranks_as_scikit_learns_isolation_forest():
    train, test, _ = breast_lumps()
    straight = ExtendedIsolationForest(n_estimators=300, ndim=1, random_state=0).fit(train)
    oracle = IsolationForest(n_estimators=300, random_state=0).fit(train)
    assert spearmanr(straight.score_samples(test), oracle.score_samples(test)).statistic > 0.97
    np.testing.assert_allclose(
        straight.score_samples(test).mean(), oracle.score_samples(test).mean(), atol=0.01
    )


@pytest.mark.parametrize("ndim", [1, 2])
def test_eif_ranks_as_isotree(ndim):
    isotree = pytest.importorskip("isotree")
    train, test, _ = breast_lumps()
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
