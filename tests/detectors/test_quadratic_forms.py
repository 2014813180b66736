import numpy as np
from sklearn import covariance
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from tests.tabular.sample_tables import breast_lumps, continuous

from medanomaly.detectors.kinds.mahalanobis import MahalanobisDetector
from medanomaly.detectors.kinds.pca import PCADetector


def test_mahalanobis_equals_scikit_learns_ledoit_wolf_on_standardised_columns():
    train = StandardScaler().fit_transform(breast_lumps()[0]).astype(np.float32)
    oracle = covariance.LedoitWolf(assume_centered=True).fit(train.astype(np.float64))
    fitted = MahalanobisDetector().fit(train)
    np.testing.assert_allclose(-fitted.score_samples(train), oracle.mahalanobis(train), rtol=1e-4)


def test_pca_equals_scikit_learns_whitened_components_where_none_is_floored():
    rng = np.random.default_rng(0)
    train = (rng.standard_normal((500, 6)) @ rng.standard_normal((6, 6))).astype(np.float32)
    z = StandardScaler().fit_transform(train.astype(np.float64))
    whitened = PCA(whiten=True).fit_transform(z)
    # scikit-learn divides by n - 1
    expected = (whitened**2).sum(axis=1) * 500 / 499
    np.testing.assert_allclose(-PCADetector(floor=1e-9).fit(train).score_samples(train), expected, rtol=1e-9)


def test_columns_that_determine_each_other_leave_the_score_finite_and_a_break_between_them_is_found():
    train = np.repeat(continuous(5000, 1), 2, axis=1)
    for detector in (PCADetector(), MahalanobisDetector()):
        fitted = detector.fit(train)
        broken = np.array([[1.0, -1.0]], dtype=np.float32)
        assert -fitted.score_samples(broken)[0] > 10 * -fitted.score_samples(train).min()
        assert fitted.predict(broken)[0] == -1
