import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from medanomaly.core.errors import InputError
from medanomaly.detectors.feedback import ReviewedForest
from medanomaly.detectors.kinds.isolation_forest import IsolationForest as OwnForest


@pytest.fixture(scope="module")
def data():
    """Usual records, and two kinds of unusual ones, of which a person finds only the second interesting."""
    rng = np.random.default_rng(0)
    usual, dull, wanted = (
        rng.normal(at, 1, (n, 4)) for at, n in (([0] * 4, 400), ([7, 0, 0, 0], 20), ([0, 0, 0, 5], 20))
    )
    x = np.concatenate([usual, dull, wanted]).astype(np.float32)
    return x, np.arange(440) >= 420


@pytest.fixture(scope="module")
def forest(data):
    return OwnForest(n_estimators=50, random_state=0).fit(data[0])


def test_leaves_are_those_of_the_trees(data, forest):
    x = data[0].copy()
    x[:5, 1] = np.nan
    found = ReviewedForest(forest).leaves(x)
    starts = np.cumsum([0, *(tree.tree_.node_count for tree in forest.estimators_)])[:-1]
    trees = zip(forest.estimators_, forest.estimators_features_, strict=True)
    oracle = np.stack([tree.apply(x[:, columns]) for tree, columns in trees], axis=1)
    np.testing.assert_array_equal(found, oracle + starts)


def test_without_reviews_the_order_is_nearly_that_of_the_forest(data, forest):
    reviewed = ReviewedForest(forest)
    ours, theirs = reviewed.score(reviewed.leaves(data[0])), -forest.score_samples(data[0])
    assert np.corrcoef(ours.argsort().argsort(), theirs.argsort().argsort())[0, 1] > 0.98


def test_what_was_confirmed_comes_first_and_what_was_dismissed_goes_back(data, forest):
    x, wanted = data
    reviewed = ReviewedForest(forest)
    leaves = reviewed.leaves(x)
    known = np.r_[400:405, 420:425]
    before = reviewed.score(leaves)
    reviewed.review(leaves[known], wanted[known])
    others = np.setdiff1d(np.arange(440), known)

    def precision(score):
        return wanted[others][np.argsort(-score[others])[:15]].mean()

    assert precision(reviewed.score(leaves)) > precision(before) + 0.3


def test_reviews_in_any_order_give_the_same_scores(data, forest):
    x, wanted = data
    one, two = ReviewedForest(forest), ReviewedForest(forest)
    leaves = one.leaves(x)
    one.review(leaves[400:440], wanted[400:440])
    for i in range(439, 399, -1):
        two.review(leaves[i : i + 1], wanted[i : i + 1])
    np.testing.assert_allclose(one.score(leaves), two.score(leaves), rtol=1e-12)


def test_forests_of_scikit_learn_are_taken_and_reviews_have_to_fit(data):
    reviewed = ReviewedForest(IsolationForest(n_estimators=5, random_state=0).fit(data[0]))
    leaves = reviewed.leaves(data[0][:3])
    assert leaves.shape == (3, 5)
    with pytest.raises(InputError, match="3 reviewed cases and 2 reviews"):
        reviewed.review(leaves, np.array([True, False]))
