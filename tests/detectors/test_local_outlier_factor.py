import numpy as np
import pytest
from sklearn import neighbors
from tests.tabular.sample_tables import continuous

from medanomaly.detectors.kinds.local_outlier_factor import LocalOutlierFactor


@pytest.mark.parametrize("k", [1, 10, 50, 500])
def test_lof_equals_scikit_learns(k):
    train, rows = continuous(300, 4), 2 * continuous(100, 4, seed=1)
    oracle = neighbors.LocalOutlierFactor(n_neighbors=min(k, 299), novelty=True).fit(train.astype(np.float64))
    ours = LocalOutlierFactor(n_neighbors=k).fit(train).score_samples(rows)
    np.testing.assert_allclose(ours, oracle.score_samples(rows.astype(np.float64)), rtol=1e-10)


def test_copies_of_training_rows_change_no_local_outlier_factor():
    train, rows = continuous(200, 3), continuous(50, 3, seed=1)
    once = LocalOutlierFactor(n_neighbors=5).fit(train).score_samples(rows)
    copied = np.r_[train, np.repeat(train[:20], 9, axis=0)]
    assert (LocalOutlierFactor(n_neighbors=5).fit(copied).score_samples(rows) == once).all()
    # scikit-learn takes what lies beside the copies for outliers
    oracle = neighbors.LocalOutlierFactor(n_neighbors=5, novelty=True).fit(copied.astype(np.float64))
    assert -oracle.score_samples(rows.astype(np.float64)).min() > 1e6 > -once.min()


def test_the_order_of_training_rows_does_not_matter_where_neighbours_tie():
    train = np.random.default_rng(0).integers(0, 4, (60, 3)).astype(np.float32)
    rows = np.random.default_rng(1).integers(-1, 6, (40, 3)).astype(np.float32)
    one = LocalOutlierFactor(n_neighbors=3).fit(train).score_samples(rows)
    assert (LocalOutlierFactor(n_neighbors=3).fit(train[::-1]).score_samples(rows) == one).all()
