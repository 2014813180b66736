"""Parameters of a risk model."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from medanomaly.core.models import ModelParams
from medanomaly.core.params import Params
from medanomaly.core.thresholds import ThresholdParams
from medanomaly.tabular.synthesis.kinds import GeneratorName

# the class is given as text, so parameters can be validated without importing the libraries
RISK_MODELS = {
    "logistic": "medanomaly.tabular.risk.logistic:LogisticRisk",
    "bayesian_logistic": "medanomaly.tabular.risk.bayesian_logistic:BayesianLogisticRisk",
    "gradient_boosting": "medanomaly.tabular.risk.sklearn_trees:BoostingRisk",
    "random_forest": "medanomaly.tabular.risk.sklearn_trees:ForestRisk",
    "xgboost": "medanomaly.tabular.risk.boosting_libraries:XGBoostRisk",
    "lightgbm": "medanomaly.tabular.risk.boosting_libraries:LightGBMRisk",
}


class Member(Params):
    """One of the models that are taken together, of whatever learns from labels.

    Attributes:
        models: name -> class as text.
        what: of these models, in an error.
        model: a key of ``models``.
        options: its arguments.
    """

    models: ClassVar[Mapping[str, str]]
    what: ClassVar[str]

    model: str
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in cls.models:
            raise ValueError(f"unknown {cls.what} '{name}'; known are {sorted(cls.models)}")
        return name

    @model_validator(mode="after")
    def _options_exist(self):
        known = self._arguments() if self.options else {}
        unknown = sorted(set(self.options) - set(known))
        if unknown:
            raise ValueError(f"{self.what} '{self.model}' has no option {unknown}; it has {sorted(known)}")
        return self

    def _class(self) -> type:
        module, _, attribute = self.models[self.model].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def _arguments(self) -> Mapping[str, Any]:
        return inspect.signature(self._class()).parameters

    def unfitted(self, seed: int) -> Any:
        """The model; ``seed`` applies where it draws random numbers and none is among its options."""
        options = dict(self.options)
        if "random_state" in self._arguments():
            options.setdefault("random_state", seed)
        return self._class()(**options)


class MemberParams(Member):
    """One model of the mean.

    Attributes:
        model: a key of ``RISK_MODELS``.
        options: its arguments.
        columns: features that it uses, as names or shell patterns.
        exclude: features that it does not use, as names or shell patterns.
    """

    models = RISK_MODELS
    what = "risk model"

    columns: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()


class RiskParams(ModelParams):
    """A risk model: members whose log-odds are averaged, their calibration, and the threshold.

    Attributes:
        members: one or more models.
        calibration: of the mean, on out-of-fold predictions.
        n_folds: number of folds, by patient, for calibration and threshold.
        imbalance: ``class_weight``, or a generator of synthetic cases (``smote``, ``copula``, ``adversarial_forest``,
            ``diffusion``, ``conditional_gan``), makes both labels equally frequent inside the fold. A calibrated model with
            a threshold needs neither.
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
    imbalance: Literal["none", "class_weight"] | GeneratorName = "none"
    correct_prevalence: bool = True
    n_features: int | None = Field(None, ge=1)
    threshold: ThresholdParams = ThresholdParams()
    interval: float = Field(0.95, gt=0, lt=1)
