import numpy as np
import pytest
from sklearn import ensemble
from tests.tabular.sample_tables import continuous

from medanomaly.core.errors import BundleError
from medanomaly.detectors.kinds.isolation_forest import IsolationForest, average_path_length, flat_forest


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
