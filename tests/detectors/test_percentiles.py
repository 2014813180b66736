import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.tabular.sample_tables import continuous

from medanomaly.detectors.views.percentiles import TrainingPercentiles

scores_of_training = arrays(np.float64, st.integers(1, 60), elements=st.integers(0, 9) | st.floats(-1e6, 1e6))


@given(scores_of_training, arrays(np.float64, 20, elements=st.floats(-1e12, 1e12)))
def test_percentiles_rise_with_the_score_and_stay_inside_0_and_1(training, scores):
    percentile = TrainingPercentiles(training)(np.sort(scores))
    assert ((percentile > 0) & (percentile <= 1)).all()
    assert (np.diff(percentile) >= -1e-12).all()


def test_percentiles_of_training_scores_are_mid_ranks():
    training = np.array([3.0, 1.0, 2.0, 2.0])
    np.testing.assert_allclose(TrainingPercentiles(training)(training), [3.5 / 4, 0.5 / 4, 0.5, 0.5])


def test_scores_beyond_all_training_scores_are_still_told_apart():
    percentile = TrainingPercentiles(continuous(5000, 1).ravel())
    assert len(percentile.knots) <= 1024
    far = percentile(np.array([5.0, 50.0, 500.0, 1e6]))
    assert (np.diff(far) > 0).all()
    assert far[-1] < 1


@given(scores_of_training, st.floats(-1e6, 1e6))
def test_a_rounding_error_in_the_score_does_not_move_the_percentile(training, score):
    percentile = TrainingPercentiles(training)
    moved = score + 1e-14 * max(1.0, abs(score))
    assert percentile(np.array([moved])) == pytest.approx(percentile(np.array([score])), abs=1e-4)
