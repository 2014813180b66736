import importlib.util
import logging

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_estimator
from tests.tabular.sample_tables import breast_lumps, continuous

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.kinds import detector_class, detector_names
from medanomaly.detectors.onnx.export import to_onnx
from medanomaly.detectors.pyod_adapter import PyODDetector

needs_pyod = pytest.mark.skipif(importlib.util.find_spec("pyod") is None, reason="PyOD is not installed")
DETECTORS_OF_PYOD = ["COPOD", "ECOD", "KNN", "HBOS", "PCA", "GMM"]


@needs_pyod
@pytest.mark.parametrize("name", DETECTORS_OF_PYOD)
def test_a_row_scores_the_same_alone_and_in_any_batch(name):
    rows = 2 * continuous(40, 4, seed=1)
    fitted = PyODDetector(name, random_state=0).fit(continuous(200, 4))
    scores = fitted.score_samples(rows)
    alone = np.concatenate([fitted.score_samples(row[None]) for row in rows])
    np.testing.assert_allclose(alone, scores, rtol=1e-9)
    assert fitted.row_by_row_ == (name in ("COPOD", "ECOD"))


@needs_pyod
@pytest.mark.parametrize("name", DETECTORS_OF_PYOD)
def test_a_score_is_shared_out_without_a_rest_and_finds_tumours(name):
    train, rows, is_tumour = breast_lumps()
    rows, is_tumour = rows[::4], is_tumour[::4]
    fitted = PyODDetector(name, random_state=0).fit(train)
    score = -fitted.score_samples(rows)
    assert roc_auc_score(is_tumour, score) > 0.8
    terms = fitted.explain(rows[:5])
    assert (terms >= 0).all()
    np.testing.assert_allclose(terms.sum(axis=1), score[:5], rtol=1e-9)


@needs_pyod
def test_ranks_of_a_detector_without_faults_are_pyods():
    from pyod.models.knn import KNN

    train, rows = continuous(200, 4), 2 * continuous(50, 4, seed=1)
    theirs = KNN(n_neighbors=7).fit(train.astype(np.float64)).decision_function(rows.astype(np.float64))
    ours = -PyODDetector("KNN", {"n_neighbors": 7}).fit(train).score_samples(rows)
    above = ours > 0
    assert (np.argsort(ours[above]) == np.argsort(theirs[above])).all()


@needs_pyod
def test_scores_that_are_not_finite_become_the_training_extremes_and_are_counted(caplog):
    fitted = PyODDetector("KNN").fit(continuous(100, 3))
    fitted.model_.decision_function = lambda X: np.array([np.inf, np.nan, -np.inf, fitted.highest_])[: len(X)]
    with caplog.at_level(logging.WARNING):
        scores = -fitted.score_samples(continuous(4, 3))
    span = fitted.highest_ - fitted.lowest_
    np.testing.assert_allclose(scores, [span, span, 0, span])
    assert "3 of 4 scores of KNN were not finite" in caplog.text


@needs_pyod
def test_a_detector_whose_training_scores_are_all_infinite_is_refused(monkeypatch):
    train = continuous(50, 3)
    from pyod.models.pca import PCA

    monkeypatch.setattr(PCA, "decision_function", lambda self, X: np.full(len(X), np.inf))
    with pytest.raises(ConfigurationError, match="finite score to no training row"):
        PyODDetector("PCA").fit(train)


@needs_pyod
def test_the_same_seed_gives_the_same_scores():
    train, rows = continuous(100, 4), continuous(20, 4, seed=1)
    one, other = (PyODDetector("IForest", random_state=0).fit(train).score_samples(rows) for _ in range(2))
    assert (one == other).all()


@needs_pyod
def test_scikit_learn_accepts_it_as_an_outlier_detector():
    results = check_estimator(PyODDetector("HBOS"), on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


@needs_pyod
@pytest.mark.parametrize("name", ["NoSuch", "base", "os", "../os"])
def test_an_unknown_detector_is_refused(name):
    with pytest.raises(ConfigurationError, match=f"PyOD has no detector '{name}'"):
        PyODDetector(name).fit(continuous(20, 2))


@needs_pyod
def test_an_unknown_option_is_refused():
    with pytest.raises(ConfigurationError, match="has no option \\['neighbours'\\]"):
        PyODDetector("KNN", {"neighbours": 3}).fit(continuous(20, 2))


def test_where_pyod_is_absent_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'medanomaly\[pyod\]'"):
        PyODDetector().fit(continuous(20, 2))


@needs_pyod
def test_it_is_for_the_library_only_never_in_a_bundle():
    assert not any(issubclass(detector_class(name), PyODDetector) for name in detector_names())
    with pytest.raises(ConfigurationError, match="no ONNX export for PyODDetector"):
        to_onnx(PyODDetector("HBOS").fit(continuous(50, 2)))
