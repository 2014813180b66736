"""One template for the models of every modality: fit, score, explain."""

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.pipeline import Node, Pipeline

from medanomaly.core.bundle import Bundle
from medanomaly.core.models import FitContext, ModelKind, ModelParams
from medanomaly.core.scores import check_scores, flagged_at
from medanomaly.core.sealed_alarm import seal_alarm
from medanomaly.monitoring.facts import with_facts
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.modality import Cases, View, typed_node
from medanomaly.pipelines.provenance import bundle_stamp
from medanomaly.tracking.params import TrackingParams

logger = logging.getLogger(__name__)

# so many of the most anomalous test cases are explained
EXPLAINED_CASES = 20
# what of the alarm p-values depend on; at which alpha cases are flagged, models and their scores do not know
GROUPS = {name: (f"params:alarm.{name}", None) for name in ("group_by", "min_group_size")}


def model_pipeline(model: Model, view: View, modality: str, source: str | None = None) -> Pipeline:
    """Cases as a model reads them to its bundle, scores and explanations.

    Args:
        model: of the environment.
        view: how the modality's cases are read.
        modality: namespace of what is made: ``tabular``, ``tabular_risk``, ...
        source: modality of the cases, where that is another.
    """
    kind, name, source = model.kind, f"{modality}.{model.name}", source or modality
    read = {"cases": (f"{source}.cases", None)} | {d: (f"{source}.{d}", None) for d in view.datasets}
    read |= {p: (f"params:{p}", of) for p, of in view.parameters.items()}
    bundle, scores = (f"{name}.bundle", None), (f"{name}.scores", None)
    run = ("params:run", RunParams)
    left_by_fit = {leaf: (f"{name}.{leaf}", None) for leaf in kind.fit_leaves}
    left_by_score = {leaf: (f"{name}.{leaf}", None) for leaf in kind.score_leaves}
    described = {"params": (f"params:models.{name}", kind.params)} if model.described else {}
    tuned = {"tuned": (f"{name}.best_parameters", None)} if kind.tunable else {}
    sealed = {"recipe": (f"{source}.recipe", None)} if view.recipe else {}
    followed = {"tracking": ("params:tracking", TrackingParams)} if kind.by_epochs else {}

    def fit(group_by, min_group_size, run, params=None, tuned=None, tracking=None, recipe=None, **given):
        """Fit on train, calibrate on calibration, seal with the model card."""
        given |= {"run": run} if "run" in view.parameters else {}
        groups = {"group_by": group_by, "min_group_size": min_group_size}
        made = fit_model(model, modality, view, given, params, run, tuned or {}, tracking, recipe, **groups)
        return made[0] if not kind.fit_leaves else made

    def score(bundle, group_by, min_group_size, **given):
        """Score table of the cases, which no alarm has flagged yet."""
        left = {leaf: given.pop(leaf) for leaf in kind.fit_leaves}
        made = score_cases(kind, bundle, view.make(**given), left, group_by, min_group_size)
        return made[0] if not kind.score_leaves else made

    def explain(bundle, scores, **given):
        """What makes up the scores of the most anomalous test cases."""
        left = {leaf: given.pop(leaf) for leaf in kind.score_leaves}
        return explain_cases(kind, bundle, view.make(**given), scores, left)

    nodes = [
        typed_node(
            fit,
            read | described | tuned | followed | sealed | GROUPS | {"run": run},
            [bundle[0], *(d for d, _ in left_by_fit.values())] if left_by_fit else bundle[0],
            f"{name}.fit",
        ),
        typed_node(
            score,
            read | left_by_fit | GROUPS | {"bundle": bundle},
            [scores[0], *(d for d, _ in left_by_score.values())] if left_by_score else scores[0],
            f"{name}.score",
        ),
    ]
    if kind.explains:
        of = read | left_by_score | {"bundle": bundle, "scores": scores}
        nodes.append(typed_node(explain, of, f"{name}.explanations", f"{name}.explain"))
    return Pipeline(nodes)


def fit_model(
    model: Model,
    modality: str,
    view: View,
    given: Mapping[str, Any],
    params: ModelParams | None,
    run: RunParams,
    tuned: Mapping[str, Any],
    tracking: TrackingParams | None,
    recipe: Bundle | None = None,
    group_by: str | None = None,
    min_group_size: int = 100,
) -> tuple:
    """The bundle of a model, with its card and the hash of its recipe, and what its fit leaves besides."""
    from medanomaly.tracking.wandb_runs import training_loggers

    kind = model.kind
    params = kind.params.model_validate({}) if params is None else params
    if tuned:
        params = with_tuned(kind, params, tuned, model.name)
    folder = Path(run.checkpoints) / modality / model.name if run.checkpoints and kind.by_epochs else None
    stamp = bundle_stamp(run.dataset) | ({"tuned": dict(tuned)} if tuned else {})
    if group_by is not None:
        stamp |= {"groups": {"column": group_by, "min_group_size": min_group_size}}
    stamp |= {} if recipe is None else {"recipe": recipe.bundle_hash}
    about = {"name": model.name, "group": run.dataset, "job_type": "training"}
    follow = (
        training_loggers(tracking.wandb, **about, config=params.model_dump(mode="json"))
        if tracking is not None
        else nullcontext(())
    )
    with follow as loggers:
        context = FitContext(
            name=model.name,
            modality=modality,
            seed=run.seed,
            group_by=group_by,
            folder=folder,
            stamp=stamp,
            loggers=loggers,
        )
        data = view.make(**given)
        bundle, left = kind.fit(data, params, context)
    return with_card(with_facts(bundle, data)), *(left[leaf] for leaf in kind.fit_leaves)


def with_tuned(kind: ModelKind, params: Any, tuned: Mapping[str, Any], name: str) -> Any:
    """The parameters of a model, with the options that a study found in their place."""
    from medanomaly.core.errors import ConfigurationError

    try:
        together = kind.with_options(params, tuned["options"])
    except ConfigurationError as error:
        raise ConfigurationError(
            f"tuned options {tuned['options']} do not fit '{name}': {error.problem}",
            source=f"study {tuned['study']}",
            remedy=f"Tune it again, or delete {name}.tuned.json, which lies beside its bundle.",
        ) from error
    options = ", ".join(f"{option}={value}" for option, value in tuned["options"].items())
    logger.info(
        "%s: %s from study %s, trial %d (%.4f)", name, options, tuned["study"], tuned["trial"], tuned["value"]
    )
    return together


def with_card(bundle: Bundle) -> Bundle:
    """The bundle with its model card, which has no figures yet: training never reads test.

    The card does not say when it was made, so that equal trainings give equal files; the manifest does.
    """
    from medanomaly.core.bundle import make_bundle
    from medanomaly.reporting.model_card import render_card

    timeless = {name: value for name, value in bundle.manifest.items() if name != "created"}
    return make_bundle(bundle.manifest, bundle.files | {"card.md": render_card(timeless).encode()})


def score_cases(
    kind: ModelKind,
    bundle: Bundle,
    data: Any,
    left: Mapping[str, Any],
    group_by: str | None = None,
    min_group_size: int = 100,
) -> tuple:
    """Score table of a model, which no alarm has flagged yet, and what scoring leaves besides."""
    table, made = kind.score_table(kind.open(bundle), data, left, group_by, min_group_size)
    return table, *(made[leaf] for leaf in kind.score_leaves)


def explain_cases(
    kind: ModelKind, bundle: Bundle, data: Any, scores: pd.DataFrame, left: Mapping[str, Any]
) -> pd.DataFrame:
    """Explanations of the most anomalous test cases."""
    return kind.explain(kind.open(bundle), data, kind.most_notable(data, scores, EXPLAINED_CASES), left)


def flagged_scores(modality: str, models: tuple[Model, ...], scored: tuple[str, ...] = ()) -> Pipeline:
    """One score table of all models, flagged as the alarm says.

    Args:
        modality: namespace of the tables.
        models: whose tables are gathered.
        scored: names of further score tables of the modality.
    """
    tables = [*(f"{modality}.{m.name}.scores" for m in models), *(f"{modality}.{name}" for name in scored)]
    read = ["params:alarm", *tables]
    return Pipeline([Node(gather_scores, read, f"{modality}.scores", name=f"{modality}.gather_scores")])


def sealed_alarm(modality: str) -> Pipeline:
    """The alarm, sealed beside the models: raw cases are flagged as those of the report.

    It is part of the models and of the evaluation, so that it follows the alarm whichever of them is run.
    """
    read = {"alarm": ("params:alarm", AlarmParams), "run": ("params:run", RunParams)}
    seal = typed_node(partial(seal_alpha, modality), read, f"{modality}.alarm", f"{modality}.seal_alarm")
    return Pipeline([seal])


def sealed_reference(modality: str, cases: Cases, models: tuple[Model, ...]) -> Pipeline:
    """What cases of later periods are compared with, sealed beside the models: columns and scores of calibration cases."""
    reads = "features" if "features" in cases.views else next(iter(cases.views))
    view = cases.views[reads]
    read = {"cases": (f"{modality}.cases", None), "run": ("params:run", RunParams)}
    read |= {d: (f"{modality}.{d}", None) for d in view.datasets}
    read |= {p: (f"params:{p}", of) for p, of in view.parameters.items()}
    made = {f"{model.name}__{what}": (f"{modality}.{model.name}.{what}", None)
            for model in models for what in ("bundle", "scores")}  # fmt: skip

    def seal(cases, run, **given):
        """Columns and scores of the calibration cases, which later ones are compared with."""
        from medanomaly.monitoring.drift_reference import reference_of, seal_reference

        bundles, scores = (
            {model.name: given.pop(f"{model.name}__{what}") for model in models}
            for what in ("bundle", "scores")
        )
        given |= {"run": run} if "run" in view.parameters else {}
        inputs = {reads: view.make(cases=cases, **given)}
        return seal_reference(reference_of(cases, inputs, scores, bundles), modality, run.dataset)

    return Pipeline([typed_node(seal, read | made, f"{modality}.reference", f"{modality}.seal_reference")])


def gathered(modality: str, models: tuple[Model, ...], also: tuple[str, ...] = ()) -> Pipeline:
    """One table of all models: explanations, and what else every model has.

    Args:
        modality: namespace of the tables.
        models: whose tables are gathered.
        also: names of further tables of every model.
    """
    explained = [f"{modality}.{m.name}.explanations" for m in models if m.kind.explains]
    nodes = [
        Node(
            gather_tables if explained else no_explanations,
            explained or None,
            f"{modality}.explanations",
            name=f"{modality}.gather_explanations",
        ),
    ]
    for what in also:
        tables = [f"{modality}.{m.name}.{what}" for m in models]
        nodes.append(Node(gather_tables, tables, f"{modality}.{what}", name=f"{modality}.gather_{what}"))
    return Pipeline(nodes)


def gather_scores(alarm: AlarmParams, *tables: pd.DataFrame) -> pd.DataFrame:
    """One score table of all models, flagged as the alarm says."""
    return flagged_at(check_scores(pd.concat(tables, ignore_index=True)), alarm.alpha)


def seal_alpha(modality: str, alarm: AlarmParams, run: RunParams) -> Bundle:
    """At which alpha cases of this modality are flagged."""
    return seal_alarm(alarm.alpha, modality, run.dataset)


def gather_tables(*tables: pd.DataFrame) -> pd.DataFrame:
    """One table of all models."""
    return pd.concat(tables, ignore_index=True)


def no_explanations() -> pd.DataFrame:
    """The empty table of explanations, where no model gives any."""
    from medanomaly.core.models import EXPLANATION_COLUMNS

    return pd.DataFrame(columns=list(EXPLANATION_COLUMNS))
