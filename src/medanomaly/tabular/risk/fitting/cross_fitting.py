"""Cross-fitting by patient: predict cases that the model did not see, and learn the calibration from them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import clone

from medanomaly.core.folds import stratified_folds
from medanomaly.evaluation.calibrators import CalibrationName, Calibrator, fit_calibrator
from medanomaly.tabular.risk.risk_model import Contributions, RiskModel


def out_of_fold(
    model: RiskModel, features: pd.DataFrame, y: np.ndarray, patient: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """(n,) log-odds of every case from the model that was fitted without its fold."""
    logit = np.empty(len(y))
    for k in np.unique(fold):
        rest, held = fold != k, fold == k
        fitted = clone(model).fit(features[rest], y[rest], patient[rest])
        logit[held] = fitted.predict_logit(features[held])
    return logit


def cross_calibrated(
    logit: np.ndarray, y: np.ndarray, fold: np.ndarray, calibration: CalibrationName
) -> np.ndarray:
    """(n,) probabilities from out-of-fold log-odds; each fold is calibrated on the others."""
    probability = np.empty(len(y))
    for k in np.unique(fold):
        rest, held = fold != k, fold == k
        probability[held] = fit_calibrator(calibration, logit[rest], y[rest]).apply(logit[held])
    return probability


@dataclass(frozen=True)
class FittedRisk:
    """A model and the calibration of its log-odds.

    Attributes:
        model: fitted on every case.
        calibrator: fitted on out-of-fold log-odds of the same cases.
    """

    model: RiskModel
    calibrator: Calibrator

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) calibrated probability of label 1."""
        return self.calibrator.apply(self.model.predict_logit(features))

    def interval(self, features: pd.DataFrame, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Credible interval of the probability: ``(low, high)``, each (n,), NaN where the model has none.

        It does not include the uncertainty of the calibration.
        """
        found = self.model.logit_interval(features, level)
        if found is None:
            unknown = np.full(len(features), np.nan)
            return unknown, unknown.copy()
        return self.calibrator.apply(found[0]), self.calibrator.apply(found[1])

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """What each feature adds before calibration, which is monotone and keeps the order of cases."""
        return self.model.contributions(features)


def fit_calibrated(
    model: RiskModel,
    features: pd.DataFrame,
    y: np.ndarray,
    patient: np.ndarray,
    calibration: CalibrationName = "beta",
    n_folds: int = 5,
    seed: int = 0,
) -> tuple[FittedRisk, np.ndarray]:
    """Fit on all cases, calibrate on out-of-fold log-odds of the same cases.

    The models of the folds see fewer cases than the final model, which may make it slightly underconfident. In return no
    case is used for calibration only (Platt 1999, section 2.1; scikit-learn's ``CalibratedClassifierCV(ensemble=False)``).

    Args:
        model: unfitted; contains all preprocessing, selection and resampling.
        features: feature table of n rows.
        y: (n,) 0 or 1.
        patient: (n,) ids.
        calibration: name of the calibration.
        n_folds: folds by patient.
        seed: of the folds.

    Returns:
        The fitted model, and (n,) out-of-fold probabilities to choose thresholds on; each fold is calibrated on the
        others.
    """
    y, patient = np.asarray(y).astype(np.int64), np.asarray(patient)
    fold = stratified_folds(patient, y, n_folds, seed)
    logit = out_of_fold(model, features, y, patient, fold)
    fitted = FittedRisk(clone(model).fit(features, y, patient), fit_calibrator(calibration, logit, y))
    return fitted, cross_calibrated(logit, y, fold, calibration)
