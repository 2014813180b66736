"""What can be set about a risk model."""

import importlib
import inspect
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from medanomaly.core.models import ModelParams
from medanomaly.core.params import Params
from medanomaly.core.thresholds import ThresholdParams
from medanomaly.tabular.risk.fitting.calibration import CalibrationName

# name in parameters -> class, given as text so that parameters validate without importing the libraries
MODELS = {
    "logistic": "medanomaly.tabular.risk.models:LogisticRisk",
    "bayesian_logistic": "medanomaly.tabular.risk.bayesian:BayesianLogisticRisk",
    "gradient_boosting": "medanomaly.tabular.risk.forests:BoostingRisk",
    "random_forest": "medanomaly.tabular.risk.forests:ForestRisk",
    "xgboost": "medanomaly.tabular.risk.boosting:XGBoostRisk",
    "lightgbm": "medanomaly.tabular.risk.boosting:LightGBMRisk",
}


def model_class(name: str) -> type:
    """The class of a model's name."""
    module, _, attribute = MODELS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


class MemberParams(Params):
    """One model of the mean.

    Attributes:
        model: a key of ``MODELS``.
        options: its arguments.
        columns: features that it sees, names or shell patterns.
        exclude: features that it does not see, likewise.
    """

    model: str
    options: dict[str, Any] = Field(default_factory=dict)
    columns: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in MODELS:
            raise ValueError(f"unknown risk model '{name}'; known are {sorted(MODELS)}")
        return name

    @model_validator(mode="after")
    def _options_exist(self):
        known = inspect.signature(model_class(self.model)).parameters if self.options else {}
        unknown = sorted(set(self.options) - set(known))
        if unknown:
            raise ValueError(f"risk model '{self.model}' has no option {unknown}; it has {sorted(known)}")
        return self


class RiskParams(ModelParams):
    """A risk model: members whose log-odds are averaged, their calibration, and the threshold.

    Attributes:
        members: one or more models.
        calibration: of the mean, on out-of-fold predictions.
        n_folds: folds by patient behind calibration and threshold.
        imbalance: ``class_weight`` and ``smote`` make both labels equally frequent inside the fold; neither is needed for
            a calibrated model with a threshold.
        correct_prevalence: take back the shift of the log-odds that ``imbalance`` causes.
        n_features: features kept, chosen inside the fold; None keeps all.
        threshold: how the threshold is chosen, on out-of-fold probabilities.
        interval: level of the credible interval of models that have one.
    """

    members: tuple[MemberParams, ...] = Field(
        (MemberParams(model="logistic"), MemberParams(model="gradient_boosting")), min_length=1
    )
    calibration: CalibrationName = "beta"
    n_folds: int = Field(5, ge=2, le=50)
    imbalance: Literal["none", "class_weight", "smote"] = "none"
    correct_prevalence: bool = True
    n_features: int | None = Field(None, ge=1)
    threshold: ThresholdParams = ThresholdParams()
    interval: float = Field(0.95, gt=0, lt=1)
