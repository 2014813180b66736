import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.risk.bayesian_logistic import BayesianLogisticRisk


def simulated(n, d, prior_sd, seed):
    """Weights drawn from the prior, cases drawn from the model: what a posterior is defined by."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2 * n, d))
    w = rng.normal(0, prior_sd, d)
    truth = expit(X @ w - 1.0)
    y = (rng.random(2 * n) < truth).astype(int)
    features = pd.DataFrame(X, columns=[f"x{j}" for j in range(d)])
    features.insert(0, "case_id", np.arange(2 * n).astype(str))
    return features[:n], y[:n], features[n:], truth[n:]


def test_intervals_hold_the_true_probability_as_often_as_they_say():
    covered = {0.5: [], 0.9: []}
    for seed in range(25):
        train, y, new, truth = simulated(150, 8, 0.7, seed)
        model = BayesianLogisticRisk(quantiles=(0.0, 1.0)).fit(train, y)
        for level, hits in covered.items():
            low, high = (expit(end) for end in model.logit_interval(new, level))
            hits.append(np.mean((low <= truth) & (truth <= high)))
    # 25 posteriors: the standard error of the mean coverage is about 0.02
    assert np.mean(covered[0.9]) == pytest.approx(0.9, abs=0.05)
    assert np.mean(covered[0.5]) == pytest.approx(0.5, abs=0.07)


def test_posterior_is_that_of_brute_force_integration():
    train, y, new, _ = simulated(60, 1, 1.0, 3)
    sd = 1.0
    model = BayesianLogisticRisk(prior_sd=sd, quantiles=(0.0, 1.0)).fit(train, y)
    z = model.design_.transform(train)[:, 0].astype(float)
    slope, intercept = np.meshgrid(np.linspace(-4, 4, 401), np.linspace(-5, 4, 451), indexing="ij")
    margin = slope[..., None] * z + intercept[..., None]
    density = -(slope**2) / (2 * sd**2) - np.logaddexp(0, np.where(y == 1, -margin, margin)).sum(axis=-1)
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    at = model.design_.transform(new)[:20, 0].astype(float)
    exact = np.array([(weight * expit(slope * x + intercept)).sum() for x in at])
    np.testing.assert_allclose(model.predict_proba(new[:20]), exact, atol=0.02)


def test_mode_under_a_fixed_prior_is_penalised_logistic_regression(table):
    features, y, *_ = table
    model = BayesianLogisticRisk(prior_sd=0.3).fit(features, y)
    peer = LogisticRegression(C=0.3**2, max_iter=5000, tol=1e-9).fit(model.design_.transform(features), y)
    np.testing.assert_allclose(model.weights_[:-1], peer.coef_[0], atol=1e-3)


def test_weights_count_as_repeated_cases(table):
    features, y, *_ = table
    weight = np.where(np.arange(len(y)) % 3 == 0, 2.0, 1.0)
    once = BayesianLogisticRisk(prior_sd=0.3).fit(features, y, weight=weight)
    # the same design for both: quantiles and medians of repeated rows would differ
    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    again = LogisticRegression(C=0.09, max_iter=5000, tol=1e-9).fit(
        once.design_.transform(features.iloc[rows]), y[rows]
    )
    np.testing.assert_allclose(once.weights_[:-1], again.coef_[0], atol=1e-3)


def test_more_cases_give_narrower_intervals():
    train, y, new, _ = simulated(800, 5, 0.7, 0)

    def width(n):
        low, high = BayesianLogisticRisk().fit(train[:n], y[:n]).logit_interval(new, 0.95)
        return np.mean(high - low)

    assert width(800) < 0.7 * width(200)


def test_unusual_cases_have_wider_intervals_on_the_log_odds():
    train, y, new, _ = simulated(300, 5, 0.7, 0)
    model = BayesianLogisticRisk(quantiles=(0.0, 1.0)).fit(train, y)
    far = new.copy()
    far.loc[:, far.columns[1:]] *= 4
    low, high = model.logit_interval(new, 0.9)
    low_far, high_far = model.logit_interval(far, 0.9)
    assert (high_far - low_far > high - low).all()


def test_mean_probability_lies_inside_its_interval_and_nearer_to_half_than_the_mode():
    train, y, new, _ = simulated(100, 8, 1.0, 2)
    model = BayesianLogisticRisk().fit(train, y)
    mean = model.predict_proba(new)
    low, high = model.logit_interval(new, 0.9)
    mode = (low + high) / 2
    assert ((mean > expit(low)) & (mean < expit(high))).all()
    assert (np.abs(logit(mean)) < np.abs(mode)).all()


def test_labels_without_a_pattern_shrink_every_weight():
    rng = np.random.default_rng(0)
    train, _, new, _ = simulated(400, 10, 1.0, 0)
    model = BayesianLogisticRisk().fit(train, (rng.random(400) < 0.3).astype(int))
    assert np.ptp(model.predict_proba(new)) < 0.2


def test_prior_must_be_positive(table):
    with pytest.raises(ConfigurationError, match="prior_sd"):
        BayesianLogisticRisk(prior_sd=0.0).fit(table[0], table[1])
