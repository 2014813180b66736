"""Models of several classes: probabilities, rare and single classes, and what is done for them."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.tabular.classes.bayes import BayesianClasses
from medanomaly.tabular.classes.prototypes import PrototypeClasses
from medanomaly.tabular.classes.rare_classes import (
    adjusted_decision,
    backed_off,
    choose_strength,
    pooled,
)
from medanomaly.tabular.classes.trees import ForestClasses, HistBoostingClasses, LightGBMClasses

MODELS = {
    "hist": lambda: HistBoostingClasses(max_iter=15),
    "lightgbm": lambda: LightGBMClasses(n_estimators=15),
    "forest": lambda: ForestClasses(n_estimators=20),
    "balanced forest": lambda: ForestClasses(n_estimators=20, balanced=True),
    "bayes": BayesianClasses,
    "prototypes": lambda: PrototypeClasses(steps=120, width=16, dimensions=4),
}


def cases(seed=0, sizes=(120, 40, 12, 1)):
    """Classes around different means, one of them with a single case; a category, and missing values."""
    rng = np.random.default_rng(seed)
    y = np.repeat([f"class {c}" for c in range(len(sizes))], sizes).astype(object)
    means = np.array([[0, 0], [4, 0], [0, 4], [8, 8]])[: len(sizes)]
    values = means[np.repeat(np.arange(len(sizes)), sizes)] + rng.normal(size=(len(y), 2))
    table = pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(len(y))],
            "a": values[:, 0],
            "b": values[:, 1],
            "c": np.where(y == "class 1", "yes", "no"),
        }
    )
    table.loc[rng.random(len(y)) < 0.1, "a"] = np.nan
    table.loc[rng.random(len(y)) < 0.05, "c"] = None
    return table, y


@pytest.mark.parametrize("name", MODELS)
def test_every_model_gives_probabilities_of_the_classes_it_has_seen(name):
    features, y = cases()
    new, new_y = cases(seed=1)
    model = MODELS[name]().fit(features, y)
    probability = model.predict_proba(new)
    assert list(model.classes_) == ["class 0", "class 1", "class 2", "class 3"]
    assert model.counts_.tolist() == [120, 40, 12, 1]
    assert probability.shape == (len(new), 4)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert (probability > 0).all()
    assert (model.predict(new) == new_y).mean() > 0.85
    again = MODELS[name]().fit(features, y).predict_proba(new)
    np.testing.assert_array_equal(probability, again)
    # a case alone has the same probabilities as in a table
    np.testing.assert_allclose(model.predict_proba(new.iloc[[7]]), probability[[7]], rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_new_levels_and_empty_columns_are_read(name):
    features, y = cases()
    features["nothing"] = np.nan
    new = features.iloc[:5].assign(c="never seen", a=np.nan, b=1e9)
    probability = MODELS[name]().fit(features, y).predict_proba(new)
    assert np.isfinite(probability).all()


@pytest.mark.parametrize("name", MODELS)
def test_what_cannot_be_learned_is_refused(name):
    features, y = cases()
    with pytest.raises(InputError, match="173 classes|3 classes for 173 rows"):
        MODELS[name]().fit(features, y[:3])
    with pytest.raises(ConfigurationError, match="fewer than two classes"):
        MODELS[name]().fit(features, np.full(len(y), "one", dtype=object))
    missing = y.copy()
    missing[3] = None
    with pytest.raises(InputError, match="a class is missing"):
        MODELS[name]().fit(features, missing)


def test_bayes_is_less_sure_of_a_class_with_few_cases():
    features, y = cases(sizes=(200, 200, 3))
    new, _ = cases(seed=2, sizes=(1, 1, 1))
    model = BayesianClasses(bins=4).fit(features, y)
    low, high = model.probability_interval(new, level=0.9, draws=150)
    probability = model.predict_proba(new)
    assert ((low <= high) & (low >= 0) & (high <= 1)).all()
    assert (low[0] < probability[0]).any()
    width = (high - low)[np.arange(3), [0, 1, 2]]
    assert width[2] > 2 * width[:2].max()
    np.testing.assert_array_equal(
        model.probability_interval(new, draws=20)[0], model.probability_interval(new, draws=20)[0]
    )


def test_bayes_is_the_product_of_smoothed_frequencies():
    table = pd.DataFrame({"case_id": list("abcdef"), "x": ["u", "u", "v", "v", "v", "u"]})
    y = np.array(["p", "p", "p", "q", "q", "q"], dtype=object)
    model = BayesianClasses(strength=2.0, class_prior=0.5).fit(table, y)
    # bins u, v and missing; pooled frequency of u: (3 + .5) / (6 + 1.5)
    pooled_u = 3.5 / 7.5
    u = (np.array([2, 1]) + 2 * pooled_u) / (3 + 2)
    expected = u / u.sum()
    np.testing.assert_allclose(model.predict_proba(table.iloc[[0]])[0], expected, atol=1e-6)


def test_a_decision_for_rare_classes_leaves_probabilities_alone():
    probability = np.array([[0.6, 0.4], [0.9, 0.1]])
    counts = np.array([900, 100])
    assert adjusted_decision(probability, counts, 0.0).tolist() == [0, 0]
    # .4 / .1 is more than .6 / .9, and .1 / .1 is as much as .9 / .9
    assert adjusted_decision(probability, counts, 0.5).tolist() == [1, 0]
    assert adjusted_decision(probability, np.array([1000, 0]), 0.1).tolist() == [1, 0]
    np.testing.assert_array_equal(probability, [[0.6, 0.4], [0.9, 0.1]])


def test_the_strength_with_the_best_macro_f1_is_chosen():
    probability = np.array([[0.9, 0.1]] * 8 + [[0.6, 0.4]] * 2)
    codes = np.array([0] * 8 + [1] * 2)
    counts = np.array([90, 10])
    chosen = choose_strength(probability, codes, counts)
    assert (adjusted_decision(probability, counts, chosen) == codes).all()
    assert choose_strength(probability, np.zeros(10, dtype=int), counts) == 0.0


def test_a_rare_class_falls_back_on_its_group():
    # two classes of one group, one of them with two cases
    probability = np.array([[0.50, 0.45, 0.05]])
    off = backed_off(probability, np.array([98, 2, 100]), ["g", "g", "h"], cases=10)
    assert off[0, 1] < 0.15
    assert off[0, 0] > 0.75
    np.testing.assert_allclose(off.sum(), 1)
    # alone in its group nothing changes, and many cases are believed
    np.testing.assert_allclose(
        backed_off(probability, np.array([98, 2, 100]), list("abc")), probability, atol=1e-6
    )
    np.testing.assert_allclose(
        backed_off(probability, np.array([9e8, 9e8, 9e8]), list("ggh")), probability, atol=1e-5
    )


def test_the_pool_is_the_geometric_mean():
    one, other = np.array([[0.8, 0.2]]), np.array([[0.2, 0.8]])
    np.testing.assert_allclose(pooled([one, other]), [[0.5, 0.5]])
    np.testing.assert_allclose(pooled([one, one]), one)
    expected = np.sqrt([0.8 * 0.5, 0.2 * 0.5])
    np.testing.assert_allclose(pooled([one, np.array([[0.5, 0.5]])])[0], expected / expected.sum())
