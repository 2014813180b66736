"""Any detector of PyOD under the project's contract, with scores that are finite and depend on the row alone."""

import importlib
import importlib.util
import inspect
import logging
import pkgutil
import warnings

import numpy as np
from sklearn.utils import check_random_state

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.occlusion import OcclusionDetector

logger = logging.getLogger(__name__)

_CHECKED_ROWS = 16
_SAME = 1e-6


class PyODDetector(OcclusionDetector):
    """A detector of PyOD (Zhao et al. 2019; the optional extra ``medanomaly[pyod]``), scored by its ``decision_function``.

    Some of them have two faults, which this class corrects:

    - Scores of inf or NaN (PCA on a constant column, ratios of distances between copies): inf and NaN become the highest
      finite training score, -inf the lowest, and the number is logged.
    - Scores that depend on the other rows of the batch (ECOD and COPOD append the batch to the training rows): fitting
      scores some training rows together and alone. Where the scores differ, every row is scored in a separate call.
      That is slow; ``ecdf`` is the project's own detector of that family.

    The lowest training score is subtracted, and lower scores are set to 0, since contributions are shares of a score.

    It is for comparisons in Python only. A fitted detector of PyOD can only be stored as pickle and has no ONNX graph,
    so bundles do not hold it, and the parameters of a pipeline cannot name it.

    Args:
        detector: name of the class, such as ``COPOD``, ``KNN``, ``GMM``.
        options: its arguments.
        contamination: share of the training rows below the threshold of ``predict``.
        random_state: for detectors of PyOD that draw random numbers and have no ``random_state`` in ``options``.

    Attributes:
        model_: the fitted detector of PyOD.
        row_by_row_: whether the scores depend on the batch, so that every row is scored in a separate call.
        lowest_: smallest finite training score.
        highest_: largest finite training score.
        n_replaced_: training scores that were not finite.
    """

    def __init__(
        self,
        detector: str = "COPOD",
        options: dict | None = None,
        contamination: float = 0.1,
        random_state: object = None,
    ):
        self.detector = detector
        self.options = options
        self.contamination = contamination
        self.random_state = random_state

    def _fit(self, X: np.ndarray) -> None:
        self.model_ = self._built()
        X = X.astype(np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model_.fit(X)
        some = X[: min(_CHECKED_ROWS, len(X))]
        together, alone = self._raw(some), np.concatenate([self._raw(row[None]) for row in some])
        finite = np.isfinite(together) & np.isfinite(alone)
        scale = np.abs(together[finite]).max(initial=1.0)
        self.row_by_row_ = bool(np.any(np.abs(together[finite] - alone[finite]) > _SAME * scale))
        if self.row_by_row_:
            logger.warning(
                "scores of %s depend on the other rows of a batch: each row is scored alone", self.detector
            )
        raw = self._raw_of_each_row(X)
        known = raw[np.isfinite(raw)]
        if not len(known):
            raise ConfigurationError(
                f"{self.detector} of PyOD gives a finite score to no training row",
                remedy="Leave out constant columns, or use a detector of the project.",
            )
        self.lowest_, self.highest_ = float(known.min()), float(known.max())
        self.n_replaced_ = len(raw) - len(known)

    def _built(self) -> object:
        estimator = _pyod_class(self.detector)
        arguments = inspect.signature(estimator).parameters
        options = dict(self.options or {})
        unknown = sorted(set(options) - set(arguments))
        if unknown and not any(p.kind is p.VAR_KEYWORD for p in arguments.values()):
            raise ConfigurationError(
                f"{self.detector} of PyOD has no option {unknown}", remedy=f"It has {sorted(arguments)}."
            )
        if "random_state" in arguments and "random_state" not in options:
            random = check_random_state(self.random_state)
            options["random_state"] = int(random.randint(np.iinfo(np.int32).max))
        return estimator(**options)

    def _raw(self, X: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return np.asarray(self.model_.decision_function(X), dtype=np.float64).ravel()

    def _raw_of_each_row(self, X: np.ndarray) -> np.ndarray:
        return np.concatenate([self._raw(row[None]) for row in X]) if self.row_by_row_ else self._raw(X)

    def _scores(self, X: np.ndarray) -> np.ndarray:
        raw = self._raw_of_each_row(X.astype(np.float64))
        n_replaced = int((~np.isfinite(raw)).sum())
        if n_replaced:
            logger.warning("%d of %d scores of %s were not finite", n_replaced, len(raw), self.detector)
        raw = np.nan_to_num(raw, nan=self.highest_, posinf=self.highest_, neginf=self.lowest_)
        return np.maximum(raw - self.lowest_, 0.0)


def _pyod_class(name: str) -> type:
    if importlib.util.find_spec("pyod") is None:
        raise ConfigurationError("PyOD is not installed", remedy="Run: pip install 'medanomaly[pyod]'.")
    package = importlib.import_module("pyod.models")
    modules = {module.name.replace("_", ""): module.name for module in pkgutil.iter_modules(package.__path__)}
    module = modules.get(name.lower().replace("_", ""))
    found = importlib.import_module(f"pyod.models.{module}") if module else None
    estimator = getattr(found, name, None)
    if not (inspect.isclass(estimator) and hasattr(estimator, "decision_function")):
        raise ConfigurationError(
            f"PyOD has no detector '{name}'",
            remedy="Give the name of its class, such as COPOD, ECOD, KNN, LOF, GMM, HBOS or KDE.",
        )
    return estimator
