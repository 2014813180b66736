import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import expit, logit

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.thresholds import ThresholdParams, choose_threshold, flag_rates
from medanomaly.tabular.risk.fitting.imbalance import Rebalanced, shift_prevalence
from medanomaly.tabular.risk.logistic import LogisticRisk


@pytest.fixture(scope="module")
def rare(new_table):
    return new_table(n=4000, seed=5, intercept=-3.5)


def test_weighting_ruins_calibration_and_the_correction_restores_it(rare):
    features, y, _, truth = rare
    plain, corrected, raw = (
        np.abs(model.fit(features, y).predict_proba(features) - truth).mean()
        for model in (
            LogisticRisk(C=1.0),
            Rebalanced(LogisticRisk(C=1.0), "class_weight"),
            Rebalanced(LogisticRisk(C=1.0), "class_weight", correct=False),
        )
    )
    assert raw > 5 * plain
    assert corrected < 1.5 * plain


def test_smote_inflates_the_probabilities_unless_corrected(rare):
    features, y, *_ = rare
    raw = Rebalanced(LogisticRisk(), "smote", correct=False).fit(features, y).predict_proba(features).mean()
    corrected = Rebalanced(LogisticRisk(), "smote").fit(features, y).predict_proba(features).mean()
    assert raw > 2 * y.mean()
    assert corrected == pytest.approx(y.mean(), abs=0.05)


def test_an_unknown_way_to_rebalance_is_refused(rare):
    features, y, *_ = rare
    with pytest.raises(ConfigurationError, match="unknown way to rebalance: 'smot'"):
        Rebalanced(LogisticRisk(), "smot").fit(features, y)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(-5, 5))
def test_prevalence_shift_is_bayes_rule(trained, target, at):
    likelihood_ratio = np.exp(at) / (trained / (1 - trained))
    odds = likelihood_ratio * target / (1 - target)
    assert expit(shift_prevalence(at, trained, target)) == pytest.approx(odds / (1 + odds), rel=1e-9)


def test_prevalence_of_zero_is_refused():
    with pytest.raises(ConfigurationError):
        shift_prevalence(0.0, 0.0, 0.5)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40).filter(
        lambda rows: any(positive for _, positive in rows)
    ),
    st.floats(0.05, 0.95),
)
def test_thresholds_are_those_of_brute_force(rows, value):
    p = np.array([level for level, _ in rows]) / 8
    y = np.array([positive for _, positive in rows])
    rates = {t: flag_rates(p, y, t) for t in np.unique(p)}
    balance = choose_threshold(p, y, ThresholdParams())
    best = max(min(r["sensitivity"], r["ppv"]) for r in rates.values())
    assert min(rates[balance]["sensitivity"], rates[balance]["ppv"]) == best
    found = choose_threshold(p, y, ThresholdParams(rule="sensitivity", value=value))
    assert found == max(t for t, r in rates.items() if r["sensitivity"] >= value)
    precise = [t for t, r in rates.items() if r["ppv"] >= value]
    if precise:
        assert choose_threshold(p, y, ThresholdParams(rule="ppv", value=value)) == min(precise)
    else:
        with pytest.raises(ConfigurationError, match="no threshold reaches"):
            choose_threshold(p, y, ThresholdParams(rule="ppv", value=value))


def test_share_rule_flags_about_that_share():
    p = np.random.default_rng(0).random(1000)
    t = choose_threshold(p, p > 0.5, ThresholdParams(rule="share", value=0.2))
    assert np.mean(p >= t) == pytest.approx(0.2)


def test_harm_rule_minimises_expected_harm():
    rng = np.random.default_rng(0)
    truth = rng.random(200_000)
    y = rng.random(len(truth)) < truth
    harm = {t: (4 * (y & (truth < t)) + (~y & (truth >= t))).mean() for t in np.linspace(0.05, 0.95, 19)}
    t = choose_threshold(truth, y, ThresholdParams(rule="harm", value=4))
    assert t == pytest.approx(min(harm, key=harm.get), abs=0.051)


@pytest.mark.parametrize("given_", [{"rule": "ppv"}, {"rule": "share", "value": 1.5}, {"rule": "odd"}])
def test_rules_that_make_no_sense_are_refused(given_):
    with pytest.raises(ValidationError):
        ThresholdParams(**given_)


def test_no_positive_case_gives_no_threshold():
    with pytest.raises(ConfigurationError, match="no positive"):
        choose_threshold(np.zeros(4), np.zeros(4), ThresholdParams())


def test_corrected_contributions_still_add_up(rare):
    features, y, *_ = rare
    model = Rebalanced(LogisticRisk(), "class_weight").fit(features, y)
    found = model.contributions(features)
    np.testing.assert_allclose(found.base + found.terms.sum(axis=1), model.predict_logit(features), atol=1e-9)
    assert np.isfinite(logit(model.predict_proba(features))).all()
