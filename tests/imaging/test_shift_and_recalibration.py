import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medanomaly.core.conformal import p_values
from medanomaly.core.errors import InputError
from medanomaly.evaluation.recalibration import (
    SymmetricScale,
    density_ratio,
    recalibrate,
    weighted_p_values,
)
from medanomaly.monitoring.batch_shift import check_shift


def scores(n: int, rng: np.random.Generator, move: float = 0.0, stretch: float = 1.0) -> np.ndarray:
    """Right-skewed, like distances."""
    return np.exp(move + stretch * 0.4 * rng.standard_normal(n)) * 2 - 2


def abnormal(n: int, rng: np.random.Generator, move: float = 0.0) -> np.ndarray:
    return np.exp(move + 1.8 + 0.4 * rng.standard_normal(n)) * 2 - 2


def features(n: int, rng: np.random.Generator, move: float = 0.0) -> pd.DataFrame:
    return pd.DataFrame(rng.standard_normal((n, 3)) + np.array([move, 0, 0]), columns=list("abc"))


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_check_stays_silent_where_nothing_shifted_whatever_the_share_of_abnormal_images(share):
    broken = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        ill = int(120 * share)
        batch = np.concatenate([scores(120 - ill, rng), abnormal(ill, rng)])
        broken += (
            check_shift(scores(200, rng), batch, features(200, rng), features(120, rng), level=0.05).verdict
            == "broken"
        )
    # 5 % of 300 is 15; 25 is beyond the 99 % quantile of a binomial
    assert broken <= 25


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_check_notices_moved_scores_and_names_the_feature_that_moved(share):
    rng = np.random.default_rng(0)
    ill = int(300 * share)
    moved = np.concatenate([scores(300 - ill, rng, move=0.4), abnormal(ill, rng)])
    assert check_shift(scores(300, rng), moved).verdict == "broken"
    same = np.concatenate([scores(300 - ill, rng), abnormal(ill, rng)])
    check = check_shift(scores(300, rng), same, features(300, rng), features(300, rng, move=1.0))
    assert check.verdict == "broken"
    assert "'a'" in check.reason


def test_a_batch_that_is_too_usual_is_noticed_too():
    rng = np.random.default_rng(1)
    check = check_shift(scores(300, rng), scores(300, rng, move=-0.4))
    assert check.verdict == "broken"


def test_too_few_usual_images_give_no_verdict():
    rng = np.random.default_rng(2)
    check = check_shift(scores(300, rng), abnormal(50, rng))
    assert check.verdict == "unknown"
    assert "too few" in check.reason


def test_what_cannot_be_compared_is_refused():
    rng = np.random.default_rng(3)
    with pytest.raises(InputError, match="not finite"):
        check_shift(scores(30, rng), np.array([np.nan]))
    with pytest.raises(InputError, match="do not fit"):
        check_shift(scores(60, rng), scores(60, rng), features(60, rng), features(60, rng)[["a"]])


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
