"""A kind of model is one object: what it reads, how it is set, fitted, opened again, explained and searched.

A block of parameters that names a kind is a model; two blocks of one kind are two models. Kinds are found by name, in the
packages listed in ``KIND_PACKAGES``, and imported when they are asked for, so that opening a bundle imports what that bundle
needs and nothing else.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.errors import ConfigurationError, did_you_mean
from medanomaly.core.params import Params
from medanomaly.core.scores import most_anomalous, score_table

# modules with a function ``kinds() -> {name: function that makes the kind}``; they are light to import
KIND_PACKAGES = (
    "medanomaly.detectors.kind",
    "medanomaly.signals.kinds",
    "medanomaly.imaging.kinds",
    "medanomaly.tabular.risk.kind",
    "medanomaly.tabular.classes.kind",
    "medanomaly.imaging.supervised.kinds",
    "medanomaly.diagnosis.kinds",
)

EXPLANATION_COLUMNS = (
    "case_id", "model", "feature", "value", "unit", "usual_low", "usual_high", "contribution", "exact",
)  # fmt: skip


class ModelParams(Params):
    """What every block of a model has.

    Attributes:
        kind: name of the kind; empty where the block's own name is one.
    """

    kind: str = ""


@dataclass(frozen=True)
class FitContext:
    """What a fit is given besides data and parameters.

    Attributes:
        name: the model's name, which is the name of its block.
        modality: what it scores.
        seed: of everything that draws random numbers.
        group_by: subgroup column within which p-values hold; None for all cases together.
        folder: where an interrupted training finds its checkpoints; None keeps none.
        stamp: data set, version, time, libraries, study, groups of p-values: entries of the manifest.
        loggers: Lightning's, for kinds that are trained by epochs.
    """

    name: str
    modality: str
    seed: int = 0
    group_by: str | None = None
    folder: Path | None = None
    stamp: Mapping[str, Any] = field(default_factory=dict)
    loggers: Sequence[Any] = ()

    @property
    def by_epochs(self) -> dict[str, Any]:
        """The arguments of every function that trains a network by epochs and seals it."""
        return {
            "name": self.name,
            "seed": self.seed,
            "folder": self.folder,
            "stamp": dict(self.stamp),
            "loggers": self.loggers,
        }


@dataclass(frozen=True)
class ModelInput:
    """Cases as a kind reads them.

    Attributes:
        cases: case table of n rows.
        inputs: features, waveforms, images, recordings, series or symptoms of these cases; what it is depends on
            ``ModelKind.reads``.
        about: what is known of the inputs: units, input contract, settings.
        facts: positions of cases to a table of how these were taken, one row per case: what is compared to find out whether
            p-values hold; None where nothing is known.
    """

    cases: pd.DataFrame
    inputs: Any
    about: Mapping[str, Any] = field(default_factory=dict)
    facts: Callable[[np.ndarray], pd.DataFrame] | None = None


class Scorer(Protocol):
    """A bundle of an anomaly model, ready to score."""

    bundle: Bundle

    def score(self, values: Any) -> np.ndarray:
        """(n,) float64 scores, higher = more anomalous."""

    def p_values(self, values: Any) -> np.ndarray:
        """(n,) conformal p-values against the bundle's calibration normals."""


class Probabilities(Protocol):
    """A bundle of a model that learned from labels, ready to predict.

    Attributes:
        classes: names of the classes, of a model that tells several apart; a model of one probability has no such attribute.
    """

    bundle: Bundle

    def probabilities(self, values: Any) -> pd.DataFrame:
        """One row per case: ``model``, ``probability`` and, where the model gives one, its interval.

        Of a model of classes one row per case and class, the most probable first: ``model``, ``class``, ``probability``,
        whether the class is ``decided`` for and ``in_set``, and ``p_value`` and ``abstains`` of the case.
        """


class ModelKind(ABC):
    """A kind of model.

    Attributes:
        name: of the kind, as parameters and manifests name it.
        reads: what it reads of a case: ``features``, ``waveforms``, ``recordings``, ``series``, ``images`` or ``symptoms``.
        params: class of its block of parameters.
        explains: whether its scores come with explanations.
        tunable: whether a study can search its options.
        by_epochs: whether it is trained by epochs, which trackers follow.
        fit_leaves: tables that the fit makes besides the bundle, and that scoring reads again.
        score_leaves: tables that scoring makes besides the score table.
    """

    name: str
    reads: str
    params: type[ModelParams]
    explains: bool = False
    tunable: bool = False
    by_epochs: bool = False
    fit_leaves: tuple[str, ...] = ()
    score_leaves: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What people read."""
        return self.name.replace("_", " ")

    @abstractmethod
    def fit(self, data: ModelInput, params: Any, context: FitContext) -> tuple[Bundle, Mapping[str, Any]]:
        """Fit on train, calibrate on calibration, seal; and what ``fit_leaves`` names."""

    @abstractmethod
    def open(self, bundle: Bundle) -> Any:
        """The scorer of a bundle of this kind."""

    def scores(
        self, scorer: Any, data: ModelInput, left: Mapping[str, Any]
    ) -> tuple[np.ndarray, Mapping[str, Any]]:
        """(n,) scores of the cases, and what ``score_leaves`` names; ``left`` is what the fit left."""
        return scorer.score(data.inputs), {}

    def score_table(
        self,
        scorer: Any,
        data: ModelInput,
        left: Mapping[str, Any],
        group_by: str | None,
        min_group_size: int,
    ) -> tuple[pd.DataFrame, Mapping[str, Any]]:
        """Score table of every case with p-values, which no alarm has flagged yet, and what ``score_leaves`` names."""
        score, made = self.scores(scorer, data, left)
        name = scorer.bundle.manifest.name
        return score_table(data.cases, score, name, None, group_by, min_group_size), made

    def most_notable(self, data: ModelInput, scores: pd.DataFrame, top: int) -> np.ndarray:
        """Positions of the ``top`` test cases that are explained, the highest score first."""
        return most_anomalous(data.cases, scores, top)

    def explain(
        self, scorer: Any, data: ModelInput, chosen: np.ndarray, left: Mapping[str, Any]
    ) -> pd.DataFrame:
        """Rows of ``EXPLANATION_COLUMNS`` for the cases at the positions ``chosen``; ``left`` is what scoring left."""
        raise ConfigurationError(f"a model of kind '{self.name}' gives no explanations")

    def with_options(self, params: Any, options: Mapping[str, Any]) -> Any:
        """The parameters, with the options that a study found in their place."""
        return params.replaced(options)

    def objective(
        self, data: ModelInput, params: Any, n_folds: int, seed: int
    ) -> tuple[Callable[..., float], dict[str, Any]]:
        """What a study maximises over options, and what its values depend on besides them."""
        raise ConfigurationError(
            f"a model of kind '{self.name}' has no options that can be searched",
            remedy="Choose another tuning.target.",
        )


_registered: dict[str, Callable[[], ModelKind]] = {}


def register(make: Callable[[], ModelKind], name: str) -> None:
    """Make a kind known that is not part of the project; :func:`kinds` refuses a name that a kind of the project has.

    Example:
        >>> class Mine(ModelKind):
        ...     name, reads, params = "mine", "features", ModelParams
        ...     def fit(self, data, params, context): ...
        ...     def open(self, bundle): ...
        >>> register(Mine, "mine")
        >>> kind("mine").label
        'mine'
    """
    _registered[name] = make


def kinds() -> dict[str, Callable[[], ModelKind]]:
    """Every known kind by name, as a function that makes it.

    Example:
        >>> {"ecdf", "beat_detector", "unet", "phenotype_ranker"} <= set(kinds())
        True
    """
    found: dict[str, Callable[[], ModelKind]] = {}
    for module in (*KIND_PACKAGES, None):
        of = _registered if module is None else importlib.import_module(module).kinds()
        twice = sorted(set(found) & set(of))
        if twice:
            raise ConfigurationError(
                f"two kinds of model are called {twice}", remedy="Rename one of each pair."
            )
        found |= of
    return found


def kind(name: str) -> ModelKind:
    """The kind of this name.

    Raises:
        ConfigurationError: there is none; the error lists the known kinds.

    Example:
        >>> kind("ecdf").label, kind("ecdf").reads
        ('ECDF', 'features')
    """
    # a bundle that is opened for one answer does not wait for the modules of other kinds
    for of in (importlib.import_module(module).kinds() for module in KIND_PACKAGES):
        if name in of:
            return of[name]()
    if name in _registered:
        return _registered[name]()
    known = sorted(kinds())
    raise ConfigurationError(
        f"unknown kind of model '{name}'",
        remedy=f"{did_you_mean(name, known)}Known are {', '.join(known)}.",
    )
