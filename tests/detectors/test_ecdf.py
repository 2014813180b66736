import numpy as np
from hypothesis import given, settings
from tests.tabular.sample_tables import ENTRIES, continuous, tables

from medanomaly.detectors.kinds.ecdf import ECDFDetector


@settings(max_examples=100)
@given(tables(ENTRIES))
def test_flat_ecdf_score_equals_counting_the_training_rows(table):
    train, rows = table
    n = len(train)
    at_most = (train[None] <= rows[:, None]).sum(axis=1)
    at_least = (train[None] >= rows[:, None]).sum(axis=1)
    expected = np.maximum(-np.log((at_most + 0.5) / (n + 1)), -np.log((at_least + 0.5) / (n + 1)))
    np.testing.assert_allclose(
        ECDFDetector(tail="flat").fit(train).explain(rows), expected, rtol=1e-14, atol=1e-15
    )


def test_beyond_the_extremes_the_tail_grows_by_the_mean_excess_of_the_outer_values():
    train = np.r_[np.zeros(57), 10, 12, 17][:, None]  # n = 60: the outer 3 stand 13 above 0 on average
    flat, exponential = ECDFDetector(tail="flat").fit(train), ECDFDetector().fit(train)
    rows = np.array([[5.0], [17.0], [30.0], [-1.0]])
    growth = exponential.explain(rows) - flat.explain(rows)
    np.testing.assert_allclose(growth.ravel(), [0, 0, (30 - 17) / 13, 0], rtol=1e-12, atol=1e-12)


def test_ecdf_is_the_same_in_any_increasing_scale():
    train, rows = continuous(200, 3), np.clip(continuous(50, 3, seed=1), -1, 1)
    curved = [np.exp(2 * x.astype(np.float64)) for x in (train, rows)]
    plain = ECDFDetector(tail="flat").fit(train).explain(rows)
    np.testing.assert_array_equal(ECDFDetector(tail="flat").fit(curved[0]).explain(curved[1]), plain)
