"""Wiring of the evaluation: one template per modality, and one report of them all."""

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.environment import Environment
from medanomaly.pipelines.evaluation.nodes import (
    audit_results,
    choose_alarms,
    measure,
    score_baselines,
)
from medanomaly.pipelines.evaluation.report_nodes import (
    draw_figures,
    list_cases,
    write_cards,
    write_modality_report,
    write_report,
)
from medanomaly.pipelines.modalities import cases_of, judged_classes, leading_models
from medanomaly.pipelines.modality import Cases, typed_node
from medanomaly.pipelines.models import flagged_scores, sealed_alarm
from medanomaly.pipelines.patients.pipeline import patients

JUDGED = {
    "params": ("params:evaluation", EvaluationParams),
    "alarm": ("params:alarm", AlarmParams),
    "run": ("params:run", RunParams),
}
# what every modality brings to the report
REPORTED = (
    "cases",
    "scores",
    "baselines",
    "metrics",
    "comparisons",
    "audit",
    "explanations",
    "summary",
    "alarm_choices",
    "case_list",
    "quarantine",
    "sections",
)


def evaluation(environment: Environment) -> Pipeline:
    """Scores to flags, metrics, audit, sections, figures, one p-value per patient, reports and cards.

    The report gathers every modality of the environment. Where there are several, each has a page of its own too. A run of
    that modality alone (``--tags signals``) writes it.
    """
    parts, defaults = [], leading_models(environment)
    for modality in environment.modalities:
        cases, models = cases_of(environment, modality), environment.models[modality]
        flagged = flagged_scores(modality, models, cases.also_scored) + sealed_alarm(modality)
        listed = _listed(modality, cases, defaults.get(modality, ""))
        judged = judged_classes(environment, modality)
        made = [
            flagged,
            _measures(modality),
            listed,
            cases.sections(models),
            *judged,
            _drawn(environment, modality, defaults),
        ]
        parts.append(Pipeline(made, tags=modality))
    if len(environment.modalities) > 1:
        parts += [_page(environment, modality, defaults) for modality in environment.modalities]
    return Pipeline([*parts, patients(environment), _report(environment)])


def _measures(modality: str) -> Pipeline:
    def node(function, of: tuple[str, ...], made: list[str] | str, name: str) -> Node:
        read = {what: (f"{modality}.{what}", None) for what in of}
        return typed_node(function, read | JUDGED, made, f"{modality}.{name}")

    every = ("cases", "features", "scores", "baselines", "single_features")
    judged = ("cases", "scores", "baselines")
    made = {
        what: f"{modality}.{what}" for what in ("metrics", "comparisons", "alarm_choices", "audit", *every)
    }
    return Pipeline(
        [
            node(
                score_baselines,
                ("cases", "features"),
                [made["baselines"], made["single_features"]],
                "score_baselines",
            ),
            node(partial(measure, modality), judged, [made["metrics"], made["comparisons"]], "measure"),
            node(
                partial(choose_alarms, modality), ("cases", "scores"), made["alarm_choices"], "choose_alarms"
            ),
            node(partial(audit_results, modality), every, made["audit"], "audit"),
        ]
    )


def _listed(modality: str, cases: Cases, default: str) -> Pipeline:
    """Every test case with its score and its reasons, as a file beside the report."""
    read = (
        "cases",
        "scores",
        "baselines",
        "metrics",
        "comparisons",
        "explanations",
        "summary",
        *cases.named_by,
    )
    node = Node(
        update_wrapper(partial(list_cases, modality, cases.names, default=default), list_cases),
        [f"{modality}.{name}" for name in read],
        f"{modality}.case_list",
        name=f"{modality}.list_cases",
    )
    return Pipeline([node])


def _drawn(environment: Environment, modality: str, defaults: dict[str, str]) -> Pipeline:
    """The figures of a modality, which its own page and that of all modalities share."""
    draw = update_wrapper(partial(draw_figures, defaults=defaults), draw_figures)
    read = {"alarm": "params:alarm"} | _results(environment, modality)
    return Pipeline([Node(draw, read, f"{modality}.figures", name=f"{modality}.draw_figures")])


def _results(environment: Environment, modality: str) -> dict[str, str]:
    """Argument of a report's node -> dataset."""
    results = {f"{modality}__{what}": f"{modality}.{what}" for what in REPORTED}
    if environment.models.get(f"{modality}_classes"):
        results[f"{modality}__class_sections"] = f"{modality}_classes.sections"
    return results


def _figures(modality: str) -> dict[str, str]:
    return {f"{modality}__figures": f"{modality}.figures"}


def _settings() -> dict[str, str]:
    return {argument: dataset for argument, (dataset, _) in JUDGED.items()}


def _page(environment: Environment, modality: str, defaults: dict[str, str]) -> Pipeline:
    node = Node(
        update_wrapper(partial(write_modality_report, defaults=defaults), write_modality_report),
        _settings() | _results(environment, modality) | _figures(modality),
        f"{modality}.report",
        name=f"write_{modality}_report",
        tags=modality,
    )
    return Pipeline([node])


def _report(environment: Environment) -> Pipeline:
    modalities = environment.modalities
    results = {name: of for m in modalities for name, of in (_results(environment, m) | _figures(m)).items()}
    more = {m: cases_of(environment, m).also_measured for m in modalities}
    results |= {f"{m}__more_metrics": f"{m}.{table}" for m, table in more.items() if table}
    with_classes = [f"{m}_classes" for m in modalities if environment.models.get(f"{m}_classes")]
    results |= {
        f"{group.removesuffix('_classes')}__class_metrics": f"{group}.metrics" for group in with_classes
    }
    bundles = [
        f"{m}.{model.name}.bundle" for m in (*modalities, *with_classes) for model in environment.models[m]
    ]
    guessed = [f"{group}.membership" for group in with_classes]
    together = {"patients": "patients.sections"} if len(modalities) > 1 else {}
    return Pipeline(
        [
            Node(
                update_wrapper(partial(write_report, defaults=leading_models(environment)), write_report),
                _settings() | together | results,
                ["metrics", "comparisons", "audit", "figures", "report"],
                name="write_report",
            ),
            Node(
                write_cards,
                {"metrics": "metrics", "alarm": "params:alarm"}
                | {f"{m}__{what}": f"{m}.{what}" for m in modalities for what in ("cases", "scores")}
                | {name.replace(".", "__"): name for name in (*bundles, *guessed)},
                "cards",
                name="write_cards",
            ),
        ],
        # it needs the results of all: a run of one modality among several does not write it
        tags=modalities if len(modalities) == 1 else "together",
    )
