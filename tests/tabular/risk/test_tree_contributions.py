import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from medanomaly.core.errors import BundleError
from medanomaly.tabular.risk.flat_trees import LEAF
from medanomaly.tabular.risk.sklearn_trees import boosting_trees, forest_trees


def data(n=400, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)).astype(np.float32)
    X[:, 0] = rng.integers(0, 6, n)
    X[::7, 0] = np.nan
    X[::5, 1] = np.nan
    y = (X[:, 2] + 2.0 * np.isin(X[:, 0], (1, 4)) * (X[:, 3] > 0) + rng.normal(size=n) > 0.7).astype(int)
    return X, y


def expected_value(trees, root, x, known):
    """The path-dependent game by its definition: unknown features go both ways, weighed by cover."""
    if trees.feature[root] == LEAF:
        return trees.value[root]
    left, right, f = trees.left[root], trees.right[root], trees.feature[root]
    if f in known:
        if np.isnan(x[f]):
            go = trees.missing_left[root]
        elif trees.category[root] >= 0:
            bits = trees.bitsets[trees.category[root]]
            go = bool(int(bits[int(x[f]) // 32]) >> (int(x[f]) % 32) & 1)
        else:
            go = x[f] <= trees.threshold[root]
        return expected_value(trees, left if go else right, x, known)
    share = trees.cover[left] / trees.cover[root]
    return share * expected_value(trees, left, x, known) + (1 - share) * expected_value(
        trees, right, x, known
    )


def brute_force(trees, x):
    d = len(x)
    value = {
        s: sum(expected_value(trees, root, x, s) for root in trees.roots)
        for size in range(d + 1)
        for s in combinations(range(d), size)
    }
    out = np.zeros(d)
    for j in range(d):
        for s, without in value.items():
            if j not in s:
                weight = math.factorial(len(s)) * math.factorial(d - len(s) - 1) / math.factorial(d)
                out[j] += weight * (value[tuple(sorted((*s, j)))] - without)
    return out


@pytest.mark.parametrize("categories", [None, [True, False, False, False]])
def test_boosting_contributions_are_shapley_values_by_brute_force(categories):
    X, y = data()
    model = HistGradientBoostingClassifier(
        max_iter=8, max_leaf_nodes=8, categorical_features=categories, early_stopping=False
    ).fit(X, y)
    trees = boosting_trees(model)
    terms, base = trees.contributions(X)
    assert (trees.category >= 0).any() == (categories is not None)
    np.testing.assert_allclose(base + terms.sum(axis=1), model.decision_function(X), atol=1e-9)
    for i in range(0, 40, 3):
        np.testing.assert_allclose(terms[i], brute_force(trees, X[i]), atol=1e-10)


def test_forest_contributions_are_shapley_values_by_brute_force():
    X, y = data()
    model = RandomForestClassifier(5, max_depth=5, random_state=0).fit(X, y)
    trees = forest_trees(model)
    terms, base = trees.contributions(X)
    np.testing.assert_allclose(base + terms.sum(axis=1), model.predict_proba(X)[:, 1], atol=1e-9)
    for i in range(0, 30, 3):
        np.testing.assert_allclose(terms[i], brute_force(trees, X[i]), atol=1e-10)


def test_contributions_agree_with_shap_where_it_is_installed():
    shap = pytest.importorskip("shap")
    X, y = data()
    model = HistGradientBoostingClassifier(max_iter=30, early_stopping=False).fit(X, y)
    terms, _ = boosting_trees(model).contributions(X)
    np.testing.assert_allclose(terms, shap.TreeExplainer(model).shap_values(X), atol=1e-6)


def test_trees_of_a_single_leaf_contribute_nothing():
    X, y = data(n=60)
    model = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=60, early_stopping=False).fit(X, y)
    trees = boosting_trees(model)
    terms, base = trees.contributions(X)
    assert not terms.any()
    np.testing.assert_allclose(trees.predict(X), base)


@pytest.mark.parametrize(
    ("array", "value"),
    [
        ("left", 10**6),
        ("right", -5),
        ("right", 0),
        ("parent", 10**6),
        ("feature", -7),
        ("category", 10**6),
        ("roots", 10**6),
        ("roots", -1),
    ],
)
def test_trees_that_point_outside_themselves_are_refused_when_a_bundle_is_read(array, value):
    fitted = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0], random_state=0).fit(*data())
    trees = boosting_trees(fitted)
    trusted = ["medanomaly.tabular.risk.flat_trees.FlatTrees"]
    X = data()[0]
    again = skops.io.loads(skops.io.dumps(trees), trusted=trusted)
    np.testing.assert_array_equal(again.predict(X), trees.predict(X))
    changed = getattr(trees, array).copy()
    # the first node is no leaf
    changed[0] = value
    with pytest.raises(BundleError, match="points outside itself"):
        skops.io.loads(skops.io.dumps(replace(trees, **{array: changed})), trusted=trusted)


def test_columns_and_codes_beyond_the_trees_read_nothing_else():
    X, y = data()
    trees = boosting_trees(HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]).fit(X, y))
    with pytest.raises(BundleError, match="splits on column"):
        trees.predict(X[:, :1])
    # a code that no bitset has goes where a missing one does
    for code in (-3.0, 256.0, 1e9, np.inf):
        strange, missing = X[:20].copy(), X[:20].copy()
        strange[:, 0], missing[:, 0] = code, np.nan
        np.testing.assert_array_equal(trees.predict(strange), trees.predict(missing))
