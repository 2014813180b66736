import numpy as np
from scipy.stats import spearmanr
from sklearn import svm
from tests.tabular.sample_tables import breast_lumps

from medanomaly.detectors.kinds.one_class_svm import OneClassSVMDetector


def test_svm_ranks_as_scikit_learns():
    train, test, _ = breast_lumps()
    oracle = svm.OneClassSVM(nu=0.5, gamma="scale").fit(train.astype(np.float64))
    ours = OneClassSVMDetector().fit(train)
    scale = oracle.dual_coef_.sum()
    np.testing.assert_allclose(-ours.score_samples(test), 1 - oracle.score_samples(test) / scale, atol=1e-9)
    assert ours.score_samples(test).max() <= 0
    assert ours.score_samples(test).min() >= -1


def test_approximate_svm_agrees_with_the_exact_one():
    train, test, _ = breast_lumps()
    exact = OneClassSVMDetector().fit(train).score_samples(test)
    quick = OneClassSVMDetector(max_exact=50, n_components=150, random_state=0).fit(train).score_samples(test)
    assert spearmanr(exact, quick).statistic > 0.9
