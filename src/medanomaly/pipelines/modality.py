"""A modality is one object: what its cases are, how they are prepared, and how models read them."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kedro.pipeline import Node, Pipeline

from medanomaly.core.models import ModelInput
from medanomaly.core.recipe import RECIPES
from medanomaly.pipelines.environment import Model


@dataclass(frozen=True)
class View:
    """What a model reads of the cases of a modality.

    Attributes:
        datasets: names of the modality's datasets that are needed besides its case table.
        make: function of the case table, these datasets and these parameters, all by name, to a ``ModelInput``.
        parameters: name of a block of parameters -> its class.
        recipe: whether the modality seals the recipe that makes this of raw data; bundles of models then name its hash.
    """

    datasets: tuple[str, ...]
    make: Callable[..., ModelInput]
    parameters: Mapping[str, type] = field(default_factory=dict)
    recipe: bool = False


@dataclass(frozen=True)
class PatientView:
    """What the page of a patient shows of a modality.

    Attributes:
        datasets: names of the modality's datasets that are needed besides cases, scores and the bundle of the model that is
            fused.
        show: function of ``chosen`` (case rows with their score rows: one case per patient), ``cases``, ``scores``,
            ``bundle``, these datasets and these parameters, all by name, to case_id -> ``Section``.
        parameters: name of a block of parameters -> its class.
    """

    datasets: tuple[str, ...]
    show: Callable[..., Mapping[str, Any]]
    parameters: Mapping[str, type] = field(default_factory=dict)


@dataclass(frozen=True)
class Cases:
    """What a case of a modality is.

    Attributes:
        noun: of one case, in a sentence.
        prepare: raw data to cases.
        features: cases to features.
        views: what models read; the keys are values of ``ModelKind.reads``.
        after_models: nodes that read the results of all models, before the evaluation.
        before_gathering: nodes that score what models are compared with, besides the baselines on features.
        also_scored: names of score tables that they make.
        also_measured: name of a metrics table that nodes after the models make; it stands among the metrics of the run.
        sections: metrics and all else to the sections of the report.
        named_by: names of the datasets that ``names`` takes, in order.
        names: they to case_id -> the name that a reader knows the case by; a case without one goes by its id.
        recipe: kind of the recipe that reads raw cases later; it says which kind of model leads without labels.
        patient_view: what the page of a patient shows of a case; None for nothing.
    """

    noun: str
    prepare: Callable[[], Pipeline]
    features: Callable[[], Pipeline]
    views: Mapping[str, View]
    sections: Callable[[tuple[Model, ...]], Pipeline]
    after_models: Callable[[tuple[Model, ...]], Pipeline] = lambda models: Pipeline([])
    before_gathering: Callable[[tuple[Model, ...]], Pipeline] = lambda models: Pipeline([])
    also_scored: tuple[str, ...] = ()
    also_measured: str = ""
    named_by: tuple[str, ...] = ()
    names: Callable[..., Mapping[str, str]] = lambda: {}
    recipe: str = ""
    patient_view: PatientView | None = None

    def leading(self, models: tuple[Model, ...]) -> str:
        """Name of the first model of the leading kind; empty where there is none."""
        leading_kind = RECIPES[self.recipe].leading_kind if self.recipe else ""
        return next((model.name for model in models if model.kind.name == leading_kind), "")


@dataclass(frozen=True)
class Classes:
    """Models of a modality that tell several classes apart; a whole run trains those that its environment describes.

    Attributes:
        train: models to what fits and asks them.
        judge: models to what measures them, with sections of the report.
    """

    train: Callable[[tuple[Model, ...]], Pipeline]
    judge: Callable[[tuple[Model, ...]], Pipeline]


@dataclass(frozen=True)
class Modality:
    """One kind of data, from raw files to the report.

    Attributes:
        name: ``tabular``, ``signals``, ``imaging`` or ``diagnosis``.
        stage: name of the registered pipeline of its models.
        cases: name of what a case is -> how it is treated.
        each_model: further nodes of one model, which read its bundle and scores.
        risk: supervised models of this modality, and its anomaly models, to what a run of ``risk_models`` makes.
        boxes: its detectors of boxes to what a run of ``detection`` makes; None where it has no such models.
        classes: its models of several classes; None where it has no such models.
    """

    name: str
    stage: str
    cases: Mapping[str, Cases]
    each_model: Callable[[Model], Pipeline] = lambda model: Pipeline([])
    risk: Callable[[tuple[Model, ...], tuple[Model, ...]], Pipeline] = lambda risks, models: Pipeline([])
    boxes: Callable[[tuple[Model, ...]], Pipeline] | None = None
    classes: Classes | None = None


def typed_node(
    function: Callable[..., Any],
    inputs: Mapping[str, tuple[str, type | None]],
    outputs: str | list[str],
    name: str,
    tags: Any = None,
) -> Node:
    """A node of a function of named arguments, with the class of each block of parameters, which Kedro validates.

    Args:
        function: takes the arguments by name; a partial of one that some are given to already will do.
        inputs: argument -> dataset, and the class of a block of parameters.
        outputs: of the node.
        name: of the node.
        tags: of the node.
    """

    def call(*values: Any) -> Any:
        return function(**dict(zip(inputs, values, strict=True)))

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    call.__signature__ = inspect.Signature([inspect.Parameter(argument, kind) for argument in inputs])
    call.__annotations__ = {argument: of for argument, (_, of) in inputs.items() if of is not None}
    call.__name__, call.__doc__ = name.rpartition(".")[2], getattr(function, "func", function).__doc__
    return Node(call, [dataset for dataset, _ in inputs.values()], outputs, name=name, tags=tags)
