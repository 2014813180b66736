import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import multivariate_normal

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.explain.conditional_residuals import ConditionalResidualExplainer

entries = st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6, width=32) | st.sampled_from([3.4e38, 1e-45])


def correlated(n, seed=0):
    """Five features: three measure one thing, two another."""
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((2, n))
    noise = 0.4 * random.standard_normal((n, 5))
    return (np.stack([a, a, a, b, b], axis=1) + noise).astype(np.float32)


def test_a_value_moved_by_six_standard_deviations_is_named_first():
    rows, moved = correlated(300, seed=1), np.arange(300) % 5
    rows[np.arange(300), moved] += 6
    contributions = ConditionalResidualExplainer().fit(correlated(500)).explain(rows)
    assert (contributions.argmax(axis=1) == moved).mean() >= 0.95


def test_a_usual_value_that_does_not_fit_the_others_is_named_first():
    rows, moved = correlated(600, seed=1), np.arange(600) % 3
    other = correlated(600, seed=2)
    swapped = other[np.arange(600), moved]
    far = np.abs(swapped - rows[np.arange(600), moved]) > 2
    rows[np.arange(600), moved] = swapped
    contributions = ConditionalResidualExplainer().fit(correlated(500)).explain(rows)
    first = contributions.argmax(axis=1) == moved
    assert first[far].mean() >= 0.9
    # each value alone is usual: how far it lies from its mean does not name it
    assert (np.abs(rows).argmax(axis=1) == moved)[far].mean() < 0.5


def test_differences_are_log_odds_of_densities():
    train = correlated(2000)
    explainer = ConditionalResidualExplainer().fit(train)
    z = (train.astype(np.float64) - train.astype(np.float64).mean(0)) / train.astype(np.float64).std(0)
    covariance = 0.98 * (z.T @ z / len(z)) + 0.02 * np.eye(5)
    row = z[3]
    # c_j is, up to a constant of the row, log p(the others) + log of the Cauchy shape
    expected = []
    for j in range(5):
        others = np.delete(np.arange(5), j)
        density = multivariate_normal(np.zeros(4), covariance[np.ix_(others, others)])
        expected.append(density.logpdf(row[others]) - np.log1p(row[j] ** 2))
    found = explainer.explain(train[3:4])[0]
    np.testing.assert_allclose(found - found[0], np.array(expected) - expected[0], rtol=1e-4, atol=1e-5)


# scikit-learn's own check for infinity adds up the table in float32
@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning:numpy")
@given(
    arrays(np.float32, st.tuples(st.integers(1, 20), st.just(3)), elements=entries),
    arrays(np.float32, st.tuples(st.integers(1, 9), st.just(3)), elements=entries),
)
def test_contributions_are_finite_and_the_same_alone_and_in_a_batch(train, rows):
    explainer = ConditionalResidualExplainer().fit(train)
    contributions = explainer.explain(rows)
    assert np.isfinite(contributions).all()
    assert (explainer.explain(rows[:1]) == contributions[:1]).all()


def test_a_constant_column_is_not_named_while_it_stays_constant():
    train = correlated(200)
    train[:, 2] = 5
    rows = correlated(50, seed=1)
    rows[:, 2] = 5
    rows[:, 0] += 6
    assert (ConditionalResidualExplainer().fit(train).explain(rows).argmax(axis=1) == 0).mean() > 0.9


@pytest.mark.parametrize("shrinkage", [0, -0.1, 1.5])
def test_a_senseless_shrinkage_is_refused(shrinkage):
    with pytest.raises(ConfigurationError, match="shrinkage"):
        ConditionalResidualExplainer(shrinkage=shrinkage).fit(correlated(20))
