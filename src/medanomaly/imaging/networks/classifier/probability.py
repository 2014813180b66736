"""From the logit of a classifier to a calibrated probability, fitted on cases outside its training."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_expit

from medanomaly.core.errors import ConfigurationError, InputError

STEEPEST = 20.0


def fit_logit_map(logit: np.ndarray, label: np.ndarray, kind: str) -> tuple[float, float]:
    """Slope and offset of ``probability = sigmoid(slope logit + offset)`` by maximum likelihood.

    Args:
        logit: (n,) finite.
        label: (n,) 0 or 1; both must occur.
        kind: ``temperature`` keeps the offset at 0 (Guo et al. 2017); ``platt`` fits both (Platt 1999, with his targets).

    Returns:
        ``(slope, offset)``, the slope between 0 and 20.

    Raises:
        InputError: a logit that is not finite.
        ConfigurationError: only one class, or an unknown kind.
    """
    logit, label = np.asarray(logit, dtype=np.float64), np.asarray(label)
    if kind not in ("temperature", "platt"):
        raise ConfigurationError(
            f"there is no calibration '{kind}'", remedy="There are 'temperature' and 'platt'."
        )
    if not np.isfinite(logit).all():
        raise InputError("a logit is NaN or infinite")
    if np.unique(label).size < 2:
        raise ConfigurationError(
            "cases of only one class cannot calibrate", remedy="Bring calibration cases of both labels."
        )
    positives, negatives = int((label == 1).sum()), int((label == 0).sum())
    # targets stay away from 0 and 1, so that separable cases do not give infinite slopes
    target = np.where(label == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.column_stack([logit, np.full(logit.shape, float(kind == "platt"))])

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = design @ w
        value = -(target * log_expit(margin) + (1 - target) * log_expit(-margin)).mean()
        return float(value), design.T @ (np.exp(log_expit(margin)) - target) / len(target)

    bounds = [(0.0, STEEPEST), (None, None)]
    found = minimize(
        loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9}
    )
    return float(found.x[0]), float(found.x[1])
