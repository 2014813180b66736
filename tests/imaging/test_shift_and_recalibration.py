import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medanomaly.core.conformal import p_values
from medanomaly.core.errors import InputError
from medanomaly.evaluation.recalibration import (
    SymmetricScale,
    recalibrate,
    without_hidden_anomalies,
)
from medanomaly.evaluation.reweighting import (
    density_ratio,
    effective_size,
    reweighted_p_values,
    weighted_p_values,
)


def scores(n: int, rng: np.random.Generator, move: float = 0.0, stretch: float = 1.0) -> np.ndarray:
    """Right-skewed, like distances."""
    return np.exp(move + stretch * 0.4 * rng.standard_normal(n)) * 2 - 2


def abnormal(n: int, rng: np.random.Generator, move: float = 0.0) -> np.ndarray:
    return np.exp(move + 1.8 + 0.4 * rng.standard_normal(n)) * 2 - 2


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6])
def test_recalibration_without_labels_brings_false_alarms_back(share):
    before, after, found = [], [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        calibration = scores(300, rng)
        normal = scores(400, rng, move=0.3, stretch=1.2)
        ill = abnormal(int(400 * share / (1 - share)), rng, move=0.3)
        site = recalibrate(calibration, np.concatenate([normal, ill]))
        before.append((p_values(normal, calibration) <= 0.1).mean())
        after.append((site.p_values(normal) <= 0.1).mean())
        found.append((site.p_values(ill) <= 0.1).mean() if share else 1.0)
    assert np.mean(before) > 0.2
    assert 0.05 <= np.mean(after) <= 0.13
    assert np.mean(found) > 0.9


def test_recalibration_leaves_an_unshifted_site_nearly_as_it_is():
    rng = np.random.default_rng(4)
    calibration, normal = scores(1000, rng), scores(1000, rng)
    site = recalibrate(calibration, np.concatenate([normal, abnormal(200, rng)]))
    assert abs((site.p_values(normal) <= 0.1).mean() - (p_values(normal, calibration) <= 0.1).mean()) < 0.03


def test_the_sites_threshold_flags_the_same_images_as_its_p_values():
    rng = np.random.default_rng(5)
    batch = np.concatenate([scores(300, rng, 0.3), abnormal(100, rng)])
    site = recalibrate(scores(200, rng), batch)
    assert ((batch > site.threshold(0.1)) == (site.p_values(batch) <= 0.1)).all()
    assert site.threshold(1e-6) == np.inf


def test_estimated_share_of_abnormal_images_is_near_the_truth_where_they_stand_apart():
    rng = np.random.default_rng(6)
    site = recalibrate(scores(300, rng), np.concatenate([scores(400, rng, 0.2), abnormal(200, rng, 0.2)]))
    assert abs(site.abnormal_share - 1 / 3) < 0.06
    assert site.separation > 2


@given(
    values=st.lists(st.floats(-50, 200), min_size=2, max_size=30, unique=True),
    width=st.floats(0.1, 50),
)
def test_the_symmetric_scale_keeps_the_order_and_is_undone_by_its_inverse(values, width):
    scale = SymmetricScale(start=1.0, width=width)
    values = np.sort(np.array(values))
    assert (np.diff(scale(values)) >= 0).all()
    assert np.allclose(scale.inverse(scale(values)), values, atol=1e-6)


def test_weighted_p_values_with_equal_weights_are_the_plain_ones():
    rng = np.random.default_rng(7)
    calibration, new = np.round(rng.standard_normal(50), 1), np.round(rng.standard_normal(20), 1)
    assert np.allclose(
        weighted_p_values(new, np.ones(20), calibration, np.ones(50)), p_values(new, calibration)
    )


def test_weighted_p_values_hold_where_only_the_covariate_moved():
    false = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((600, 1)), rng.standard_normal((600, 1)) + 1
        old, new = x[:, 0] + 0.5 * rng.standard_normal(600), y[:, 0] + 0.5 * rng.standard_normal(600)
        a, b = density_ratio(x, y)
        false.append((weighted_p_values(new, b, old, a) <= 0.1).mean())
    assert abs(np.mean(false) - 0.1) < 0.03


@pytest.mark.parametrize(
    ("calibration", "batch", "message"),
    [
        (np.arange(100.0), np.arange(10.0), "too few"),
        (np.arange(100.0), np.full(100, np.nan), "NaN"),
        (np.ones(100), np.arange(100.0), "equal"),
        (np.arange(100.0), np.ones(100), "equal"),
    ],
)
def test_scores_that_say_nothing_are_refused(calibration, batch, message):
    with pytest.raises(InputError, match=message):
        recalibrate(calibration, batch)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_reweighted_p_values_hold_under_a_covariate_shift_and_keep_most_of_the_power(share):
    false, found, plain = [], [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((500, 1)), rng.standard_normal((400, 1)) + 0.8
        ill = np.arange(400) < 400 * share
        old = 0.7 * x[:, 0] + 0.7 * rng.standard_normal(500)
        new = 0.7 * y[:, 0] + 0.7 * rng.standard_normal(400) + 3 * ill
        p, weighting = reweighted_p_values(new, y, old, x)
        assert weighting.reason == ""
        false.append((p[~ill] <= 0.1).mean())
        plain.append((p_values(new[~ill], old) <= 0.1).mean())
        found.append((p[ill] <= 0.1).mean() if share else 1.0)
    assert np.mean(plain) > 0.2
    assert 0.08 <= np.mean(false) <= 0.13
    assert np.mean(found) > 0.8


def test_p_values_are_withheld_where_no_calibration_case_is_like_the_batch():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 1)), rng.standard_normal((300, 1)) + 4
    p, weighting = reweighted_p_values(y[:, 0], y, x[:, 0], x)
    assert np.isnan(p).all()
    assert weighting.effective_size < 50
    assert "at least 50" in weighting.reason


def test_what_cannot_be_reweighted_is_refused():
    p, weighting = reweighted_p_values(np.zeros(20), np.zeros((20, 1)), np.zeros(90), np.zeros((90, 1)))
    assert np.isnan(p).all()
    assert "90 calibration cases and 20 cases are too few" in weighting.reason
    with pytest.raises(InputError, match="rows of covariates"):
        reweighted_p_values(np.zeros(60), np.zeros((59, 1)), np.zeros(90), np.zeros((90, 1)))


def test_effective_size_counts_equal_weights_and_not_small_ones():
    assert effective_size(np.ones(70)) == pytest.approx(70)
    assert effective_size(np.r_[np.ones(5), np.full(100, 1e-9)]) == pytest.approx(5, rel=1e-5)


@pytest.mark.parametrize("skewed", [False, True])
def test_trimming_takes_hidden_anomalies_and_leaves_clean_scores(skewed):
    bend = np.exp if skewed else (lambda values: values)
    lost, plain, trimmed = [], [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        clean = bend(rng.standard_normal(400))
        lost.append(1 - len(without_hidden_anomalies(clean)) / 400)
        mixed = np.concatenate([clean, bend(rng.standard_normal(40) + 4)])
        new = bend(rng.standard_normal(1000))
        plain.append((p_values(new, mixed) <= 0.1).mean())
        trimmed.append((p_values(new, without_hidden_anomalies(mixed)) <= 0.1).mean())
    assert np.mean(lost) < 0.015
    assert np.mean(plain) < 0.04
    assert np.mean(plain) + 0.015 < np.mean(trimmed) < 0.11
