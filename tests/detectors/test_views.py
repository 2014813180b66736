import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils.estimator_checks import check_estimator
from tests.tabular.sample_tables import ENTRIES, continuous, tables

from medanomaly.detectors.views.rank_gauss import RankGauss
from medanomaly.detectors.views.standardise import Standardise


@pytest.mark.parametrize("view", [Standardise(), RankGauss()], ids=["standardise", "rank_gauss"])
def test_scikit_learn_accepts_the_views_as_transformers(view):
    results = check_estimator(view, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


def test_rank_gauss_equals_scikit_learns_quantiles_of_distinct_values_up_to_scale():
    train = np.exp(continuous(999, 2))
    ours = RankGauss().fit_transform(train)
    oracle = QuantileTransformer(n_quantiles=999, output_distribution="normal").fit_transform(train)
    middle = np.abs(oracle[:, 0]) < 2
    assert np.corrcoef(ours[middle, 0], oracle[middle, 0])[0, 1] > 0.9999
    np.testing.assert_allclose(ours.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(ours.std(axis=0), 1, atol=1e-6)


@settings(max_examples=50)
@given(tables(ENTRIES))
def test_rank_gauss_never_turns_the_order_of_values_around(table):
    train, rows = table
    view = RankGauss().fit(train)
    for column, bent in zip(rows.T, view.transform(rows).T, strict=True):
        order = np.argsort(column, kind="stable")
        assert (np.diff(bent[order]) >= -1e-6 * np.maximum(1, np.abs(bent[order][1:]))).all()


def test_what_lies_far_out_stays_far_out_in_rank_gauss():
    view = RankGauss().fit(continuous(5000, 1))
    assert len(view.knots_[0]) <= 1024
    far = view.transform(np.array([[5.0], [50.0], [500.0]], dtype=np.float32)).ravel()
    assert far[1] > 5 * far[0] > 0
    assert far[2] > 5 * far[1]
