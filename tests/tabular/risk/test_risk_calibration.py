import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.core.folds import stratified_folds
from medanomaly.evaluation.calibrators import Beta, calibrator_from_dict, fit_calibrator
from medanomaly.tabular.risk.fitting.cross_fitting import cross_calibrated, fit_calibrated, out_of_fold
from medanomaly.tabular.risk.logistic import LogisticRisk
from medanomaly.tabular.risk.risk_model import RiskModel

NAMES = ("beta", "platt", "isotonic", "none")


def distorted(n=4000, seed=0):
    """True probabilities, labels drawn from them, and log-odds that are too extreme and shifted."""
    rng = np.random.default_rng(seed)
    truth = expit(rng.normal(-1.5, 1.5, n))
    return truth, (rng.random(n) < truth).astype(int), 2.0 * logit(truth) + 1.0


@pytest.mark.parametrize("name", ["beta", "platt", "isotonic"])
def test_calibration_recovers_the_true_probabilities(name):
    _, y, logits = distorted()
    new_truth, _, new_logits = distorted(seed=1)
    before = np.abs(expit(new_logits) - new_truth).mean()
    after = np.abs(fit_calibrator(name, logits, y).apply(new_logits) - new_truth).mean()
    assert after < 0.35 * before


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(seed=st.integers(0, 500), n=st.integers(12, 80))
def test_maps_never_decrease_and_stay_probabilities(name, seed, n):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    y[:2] = 0, 1
    calibrator = fit_calibrator(name, rng.normal(size=n) * 3, y)
    p = calibrator.apply(np.linspace(-40, 40, 201))
    assert (np.diff(p) >= -1e-12).all()
    assert ((p >= 0) & (p <= 1)).all()


def test_platt_is_scikit_learns():
    _, y, logits = distorted(n=500)
    peer = _SigmoidCalibration().fit(logits, y)
    ours = fit_calibrator("platt", logits, y)
    np.testing.assert_allclose(ours.apply(logits), peer.predict(logits), atol=1e-4)


def test_isotonic_is_scikit_learns():
    _, y, logits = distorted(n=500)
    peer = IsotonicRegression(y_min=1e-4, y_max=1 - 1e-4, out_of_bounds="clip").fit(logits, y)
    new = np.linspace(-20, 20, 300)
    np.testing.assert_allclose(fit_calibrator("isotonic", logits, y).apply(new), peer.predict(new))


def test_beta_contains_platt():
    _, _, logits = distorted(n=50)
    np.testing.assert_allclose(Beta(1.7, 1.7, -0.4).apply(logits), expit(1.7 * logits - 0.4), rtol=1e-9)


def test_beta_undoes_a_distortion_that_platt_cannot():
    rng = np.random.default_rng(0)
    raw = expit(rng.normal(-1, 2, 20_000))
    truth = Beta(0.4, 2.0, 0.3).apply(logit(raw))
    y = (rng.random(len(raw)) < truth).astype(int)
    found = fit_calibrator("beta", logit(raw), y)
    assert (found.a, found.b, found.c) == pytest.approx((0.4, 2.0, 0.3), abs=0.1)
    error = {
        name: np.abs(fit_calibrator(name, logit(raw), y).apply(logit(raw)) - truth).mean()
        for name in ("beta", "platt")
    }
    assert error["beta"] < 0.3 * error["platt"]


@pytest.mark.parametrize("name", NAMES)
def test_calibrators_survive_json(name):
    _, y, logits = distorted(n=300)
    calibrator = fit_calibrator(name, logits, y)
    again = calibrator_from_dict(json.loads(json.dumps(calibrator.to_dict())))
    np.testing.assert_array_equal(again.apply(logits), calibrator.apply(logits))


def test_separable_cases_give_finite_slopes():
    logits, y = np.linspace(-3, 3, 40), np.arange(40) >= 20
    p = fit_calibrator("beta", logits, y.astype(int)).apply(np.array([-3.0, 3.0]))
    assert 0 < p[0] < 0.1
    assert 0.9 < p[1] < 1


def test_one_class_or_infinite_log_odds_are_refused():
    with pytest.raises(ConfigurationError, match="cases of both classes"):
        fit_calibrator("beta", np.zeros(10), np.zeros(10))
    with pytest.raises(InputError, match="infinite"):
        fit_calibrator("beta", np.array([np.inf, 0.0]), np.array([0, 1]))
    with pytest.raises(ConfigurationError, match="no calibration"):
        fit_calibrator("sigmoid", np.zeros(2), np.array([0, 1]))


@settings(max_examples=40)
@given(st.integers(0, 1000), st.integers(2, 6))
def test_folds_keep_patients_whole_and_balanced(seed, n_folds):
    rng = np.random.default_rng(seed)
    patient = rng.integers(0, 60, 150)
    y = (rng.random(150) < 0.3).astype(int)
    fold = stratified_folds(patient, y, n_folds, seed)
    homes = {p: set(fold[patient == p]) for p in np.unique(patient)}
    assert all(len(home) == 1 for home in homes.values())
    sizes = np.bincount([next(iter(home)) for home in homes.values()], minlength=n_folds)
    positive = np.bincount(
        [next(iter(h)) for p, h in homes.items() if y[patient == p].any()], minlength=n_folds
    )
    assert np.ptp(sizes) <= 1
    assert np.ptp(positive) <= 1
    order = rng.permutation(150)
    np.testing.assert_array_equal(stratified_folds(patient[order], y[order], n_folds, seed), fold[order])


def test_too_few_patients_for_the_folds_are_refused():
    with pytest.raises(ConfigurationError, match="2 patients"):
        stratified_folds(np.arange(20), (np.arange(20) < 2).astype(int), 5, 0)


class Memory(RiskModel):
    """Knows the cases that it was fitted on by heart, and nothing else."""

    def _fit(self, features, y, patient, weight):
        self.known_ = dict(zip(features["case_id"], y, strict=True))

    def predict_logit(self, features):
        return np.array([{0: -3.0, 1: 3.0, None: 0.0}[self.known_.get(c)] for c in features["case_id"]])


def test_out_of_fold_predictions_come_from_models_that_never_saw_the_case(table):
    features, y, patient, _ = table
    fold = stratified_folds(patient, y, 5, 0)
    assert not out_of_fold(Memory(), features, y, patient, fold).any()


def test_calibration_of_a_model_that_memorises_gives_the_prevalence(table):
    features, y, patient, _ = table
    fitted, held_out = fit_calibrated(Memory(), features, y, patient)
    np.testing.assert_allclose(held_out, y.mean(), atol=0.03)
    new = features.assign(case_id="new")
    np.testing.assert_allclose(fitted.predict_proba(new), y.mean(), atol=0.01)


def test_a_case_has_no_part_in_its_own_calibration(table):
    features, y, patient, _ = table
    fold = stratified_folds(patient, y, 4, 0)
    logits = out_of_fold(LogisticRisk(), features, y, patient, fold)
    p = cross_calibrated(logits, y, fold, "platt")
    inside = fold == 2
    turned = np.where(inside, 1 - y, y)
    np.testing.assert_array_equal(cross_calibrated(logits, turned, fold, "platt")[inside], p[inside])


def test_final_model_is_fitted_on_all_cases(table):
    features, y, patient, _ = table
    fitted, _ = fit_calibrated(LogisticRisk(), features, y, patient)
    alone = clone(LogisticRisk()).fit(features, y)
    np.testing.assert_array_equal(fitted.model.predict_logit(features), alone.predict_logit(features))
    assert np.isnan(fitted.interval(features)[0]).all()


@pytest.mark.parametrize("name", ["beta", "platt", "temperature", "isotonic"])
def test_a_case_with_a_weight_counts_as_so_many_cases(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    y = (rng.random(300) < expit(0.5 * x)).astype(int)
    weight = rng.integers(1, 4, 300)
    repeated = fit_calibrator(name, np.repeat(x, weight), np.repeat(y, weight)).apply(x)
    # with repeated cases Platt's targets lie a little nearer to 0 and 1
    np.testing.assert_allclose(fit_calibrator(name, x, y, weight).apply(x), repeated, atol=0.005)
    alike = fit_calibrator(name, x, y, np.full(300, 2.0))
    np.testing.assert_allclose(alike.apply(x), fit_calibrator(name, x, y).apply(x), atol=1e-6)
