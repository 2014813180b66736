"""Parameters of a model of several classes."""

from typing import Literal

from pydantic import Field

from medanomaly.core.models import ModelParams
from medanomaly.detectors.training import DetectorParams
from medanomaly.tabular.risk.params import Member
from medanomaly.tabular.synthesis.kinds import GeneratorName

NAME = "tabular_classes"
# the class is given as text, so parameters can be validated without importing the libraries
CLASS_MODELS = {
    "hist_boosting": "medanomaly.tabular.classes.trees:HistBoostingClasses",
    "lightgbm": "medanomaly.tabular.classes.trees:LightGBMClasses",
    "random_forest": "medanomaly.tabular.classes.trees:ForestClasses",
    "bayes": "medanomaly.tabular.classes.bayes:BayesianClasses",
    "prototypes": "medanomaly.tabular.classes.prototypes:PrototypeClasses",
}


class ClassMember(Member):
    """One model of the mean: a key of ``CLASS_MODELS`` with its arguments."""

    models = CLASS_MODELS
    what = "model of classes"


class ClassParams(ModelParams):
    """Which models tell the classes apart, and what is done with their probabilities.

    Attributes:
        members: models whose log-probabilities are averaged.
        calibration: one temperature for all log-probabilities, fitted out of fold, or none.
        decision: ``adjusted`` prefers rare classes as much as macro-F1 out of fold tells; ``most_probable`` does not.
        imbalance: a generator adds synthetic cases of rare classes inside the fold; the adjusted decision needs none.
        up_to: share of the cases of the most frequent class that every class with at least 5 cases then has.
        n_folds: folds by patient, for calibration, decision and sets.
        coverage: share of cases whose set of classes shall hold the right one.
        known: detector of records that look like none it knows; it learns from the train cases of all classes.
            ``mahalanobis`` keeps no record; ``nearest_neighbours`` finds more, and keeps them all.
        unlike_at: p-value of that detector at and below which no class is named. Where there are too few calibration cases
            for so small a p-value, the smallest possible one takes its place.
    """

    kind: str = NAME
    members: tuple[ClassMember, ...] = Field(
        tuple(ClassMember(model=name) for name in ("hist_boosting", "lightgbm", "random_forest")),
        min_length=1,
    )
    calibration: Literal["temperature", "none"] = "temperature"
    decision: Literal["adjusted", "most_probable"] = "adjusted"
    imbalance: Literal["none"] | GeneratorName = "none"
    up_to: float = Field(0.1, gt=0, le=1)
    n_folds: int = Field(5, ge=2, le=50)
    coverage: float = Field(0.9, gt=0, lt=1)
    known: DetectorParams = DetectorParams(kind="mahalanobis", population="all")
    unlike_at: float = Field(0.01, gt=0, lt=1)
