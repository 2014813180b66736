"""Calibration of probabilities: beta, Platt, temperature or isotonic maps of log-odds, fitted on unseen cases."""

from typing import Literal, Protocol

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from medanomaly.core.errors import ConfigurationError, InputError

CalibrationName = Literal["beta", "platt", "temperature", "isotonic", "none"]
# isotonic steps reach 0 and 1, which no finite sample can prove
SMALLEST_PROBABILITY = 1e-4
LARGEST_SLOPE = 20.0


class Calibrator(Protocol):
    """A non-decreasing map of log-odds."""

    def apply(self, logit: np.ndarray) -> np.ndarray:
        """(n,) log-odds to (n,) probabilities."""

    def to_dict(self) -> dict:
        """JSON types only; :func:`calibrator_from_dict` gives an equal calibrator."""


class Identity:
    """No calibration: probabilities stay as the model gives them."""

    def apply(self, logit: np.ndarray) -> np.ndarray:
        """(n,) probabilities."""
        return expit(logit)

    def to_dict(self) -> dict:
        """Only the name."""
        return {"name": "none"}


class Beta:
    """Beta calibration (Kull, Silva Filho & Flach 2017): logit q = a ln p - b ln(1 - p) + c with a, b >= 0.

    With a = b it is the map of Platt; different a and b bend the two ends differently.
    """

    def __init__(self, a: float, b: float, c: float):
        self.a, self.b, self.c = a, b, c

    @classmethod
    def fit(cls, logit: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> "Beta":
        """Maximum likelihood under a, b >= 0, with Platt's targets."""
        design = np.column_stack([log_expit(logit), -log_expit(-logit), np.ones_like(logit)])
        return cls(
            *_fit(
                design,
                y,
                [(0.0, LARGEST_SLOPE), (0.0, LARGEST_SLOPE), (None, None)],
                np.array([1.0, 1.0, 0.0]),
                weight,
            )
        )

    def apply(self, logit: np.ndarray) -> np.ndarray:
        """(n,) probabilities."""
        return expit(self.a * log_expit(logit) - self.b * log_expit(-np.asarray(logit)) + self.c)

    def to_dict(self) -> dict:
        """Name and the three numbers."""
        return {"name": "beta", "a": self.a, "b": self.b, "c": self.c}


class Platt:
    """Logistic regression on the log-odds (Platt 1999): logit q = a logit p + c with a >= 0."""

    def __init__(self, a: float, c: float):
        self.a, self.c = a, c

    @classmethod
    def fit(cls, logit: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> "Platt":
        """Maximum likelihood under a >= 0, with Platt's targets."""
        design = np.column_stack([logit, np.ones_like(logit)])
        return cls(*_fit(design, y, [(0.0, LARGEST_SLOPE), (None, None)], np.array([1.0, 0.0]), weight))

    def apply(self, logit: np.ndarray) -> np.ndarray:
        """(n,) probabilities."""
        return expit(self.a * np.asarray(logit) + self.c)

    def to_dict(self) -> dict:
        """Name and the two numbers."""
        return {"name": "platt", "a": self.a, "c": self.c}


class Temperature(Platt):
    """One slope for the log-odds (Guo et al. 2017): logit q = a logit p with a >= 0; ranks and 0.5 stay."""

    def __init__(self, a: float, c: float = 0.0):
        super().__init__(a, c)

    @classmethod
    def fit(cls, logit: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> "Temperature":
        """Maximum likelihood under a >= 0, with Platt's targets."""
        return cls(*_fit(np.asarray(logit)[:, None], y, [(0.0, LARGEST_SLOPE)], np.array([1.0]), weight))

    def to_dict(self) -> dict:
        """Name and the two numbers; the offset is 0."""
        return super().to_dict() | {"name": "temperature"}


class Isotonic:
    """The best non-decreasing step map (Zadrozny & Elkan 2002), linear between steps.

    It needs many cases, and its ties lower AUROC and average precision.
    """

    def __init__(self, x: np.ndarray, p: np.ndarray):
        self.x, self.p = x, p

    @classmethod
    def fit(cls, logit: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> "Isotonic":
        """Pool adjacent violators (scikit-learn's)."""
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(
            y_min=SMALLEST_PROBABILITY, y_max=1 - SMALLEST_PROBABILITY, out_of_bounds="clip"
        ).fit(logit, y, sample_weight=weight)
        return cls(fitted.X_thresholds_, fitted.y_thresholds_)

    def apply(self, logit: np.ndarray) -> np.ndarray:
        """(n,) probabilities."""
        return np.interp(logit, self.x, self.p)

    def to_dict(self) -> dict:
        """Name and the corners of the map."""
        return {"name": "isotonic", "x": self.x.tolist(), "p": self.p.tolist()}


def _fit(
    design: np.ndarray, y: np.ndarray, bounds: list, start: np.ndarray, weight: np.ndarray | None = None
) -> list[float]:
    """Logistic regression under bounds; convex, so the solver finds the only optimum."""
    n_positive = y.sum()
    # Platt 1999: with targets inside (0, 1), separable cases do not give infinite slopes
    high, low = (n_positive + 1) / (n_positive + 2), 1 / (len(y) - n_positive + 2)
    target = np.where(y == 1, high, low)
    # a mean weight of 1 leaves the sums of cases that count alike as they are, to the last digit
    each = 1.0 if weight is None else weight / weight.mean()

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = design @ w
        value = -(each * (target * log_expit(margin) + (1 - target) * log_expit(-margin))).mean()
        return float(value), design.T @ (each * (expit(margin) - target)) / len(y)

    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9}
    )
    return [float(v) for v in found.x]


CALIBRATORS = {"beta": Beta, "platt": Platt, "temperature": Temperature, "isotonic": Isotonic}


def fit_calibrator(
    name: CalibrationName, logit: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None
) -> Calibrator:
    """Fit the calibrator ``name``.

    Args:
        name: ``beta``, ``platt``, ``temperature``, ``isotonic`` or ``none``; choose it before looking at test.
        logit: (n,) finite log-odds of cases that the model was not fitted on.
        y: (n,) 0 or 1, both present.
        weight: (n,) of each case; None counts all alike.
    """
    logit, y = np.asarray(logit, dtype=np.float64), np.asarray(y)
    if name == "none":
        return Identity()
    if name not in CALIBRATORS:
        raise ConfigurationError(f"no calibration '{name}'", remedy=f"There are {[*CALIBRATORS, 'none']}.")
    if not np.isfinite(logit).all():
        raise InputError("log-odds are NaN or infinite", remedy="Risk models must give finite log-odds.")
    if len(np.unique(y)) < 2:
        raise ConfigurationError(
            "calibration needs cases of both classes", remedy="Bring cases of both labels."
        )
    return CALIBRATORS[name].fit(logit, y, weight)


def calibrator_from_dict(spec: dict) -> Calibrator:
    """The calibrator that ``to_dict`` described."""
    name, values = spec["name"], {key: value for key, value in spec.items() if key != "name"}
    if name == "none":
        return Identity()
    if name == "isotonic":
        return Isotonic(np.array(values["x"]), np.array(values["p"]))
    return CALIBRATORS[name](**values)
