"""Parameters of a risk model."""

import importlib
import inspect
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from medanomaly.core.models import ModelParams
from medanomaly.core.params import Params
from medanomaly.core.thresholds import ThresholdParams

# the class is given as text, so parameters can be validated without importing the libraries
RISK_MODELS = {
    "logistic": "medanomaly.tabular.risk.logistic:LogisticRisk",
    "bayesian_logistic": "medanomaly.tabular.risk.bayesian_logistic:BayesianLogisticRisk",
    "gradient_boosting": "medanomaly.tabular.risk.sklearn_trees:BoostingRisk",
    "random_forest": "medanomaly.tabular.risk.sklearn_trees:ForestRisk",
    "xgboost": "medanomaly.tabular.risk.boosting_libraries:XGBoostRisk",
    "lightgbm": "medanomaly.tabular.risk.boosting_libraries:LightGBMRisk",
}


def model_class(name: str) -> type:
    """The class that a name in parameters stands for."""
    module, _, attribute = RISK_MODELS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


class MemberParams(Params):
    """One model of the mean.

    Attributes:
        model: a key of ``RISK_MODELS``.
        options: its arguments.
        columns: features that it uses, as names or shell patterns.
        exclude: features that it does not use, as names or shell patterns.
    """

    model: str
    options: dict[str, Any] = Field(default_factory=dict)
    columns: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in RISK_MODELS:
            raise ValueError(f"unknown risk model '{name}'; known are {sorted(RISK_MODELS)}")
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
        n_folds: number of folds, by patient, for calibration and threshold.
        imbalance: ``class_weight`` and ``smote`` make both labels equally frequent inside the fold. A calibrated
            model with a threshold needs neither.
        correct_prevalence: undo the shift of the log-odds that ``imbalance`` causes.
        n_features: number of features kept, chosen inside the fold; None keeps all.
        threshold: how the threshold is chosen, on out-of-fold probabilities.
        interval: level of the credible interval of models that have one.
    """

    members: tuple[MemberParams, ...] = Field(
        (MemberParams(model="logistic"), MemberParams(model="gradient_boosting")), min_length=1
    )
    calibration: Literal["beta", "platt", "isotonic", "none"] = "beta"
    n_folds: int = Field(5, ge=2, le=50)
    imbalance: Literal["none", "class_weight", "smote"] = "none"
    correct_prevalence: bool = True
    n_features: int | None = Field(None, ge=1)
    threshold: ThresholdParams = ThresholdParams()
    interval: float = Field(0.95, gt=0, lt=1)
