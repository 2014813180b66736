"""Nodes that write what people read: the list of cases, figures, reports and cards, whatever the modality."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.provenance import run_facts

# what is said of the patients of all modalities together
PATIENTS = "patients"


def list_cases(
    modality: str,
    names: Callable[..., Mapping[str, str]],
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    baselines: pd.DataFrame,
    metrics: pd.DataFrame,
    comparisons: pd.DataFrame,
    explanations: pd.DataFrame,
    summary: dict,
    *named_by: pd.DataFrame,
    default: str = "",
) -> pd.DataFrame:
    """Every test case with the leading model's score and its reasons, the most unusual first.

    ``default`` leads where no label says which model is best.
    """
    from medanomaly.reporting.results import ModalityResults
    from medanomaly.reporting.unusual_cases import case_table

    results = ModalityResults(
        name=modality,
        cases=cases,
        scores=pd.concat([scores, baselines], ignore_index=True),
        metrics=metrics,
        comparisons=comparisons,
        explanations=explanations,
        noun=summary["noun"],
        case_names=names(*named_by),
        default=default,
    )
    return case_table(results)


def draw_figures(
    alarm: AlarmParams, defaults: Mapping[str, str] = MappingProxyType({}), **parts: object
) -> dict[str, str]:
    """The standard figures of one modality; defaults and parts as of :func:`write_report`."""
    from medanomaly.reporting.figures.standard import standard_figures

    (results,) = _results(alarm, defaults, parts)
    return standard_figures(results)


def write_report(
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
    defaults: Mapping[str, str] = MappingProxyType({}),
    patients: Sequence[Mapping[str, object]] = (),
    **parts: object,
) -> tuple[pd.DataFrame, pd.DataFrame, dict, dict, str]:
    """Metrics, comparisons, audit, figures and the report of every modality.

    Args:
        params: settings of the evaluation.
        alarm: when a case was flagged.
        run: what was run.
        defaults: modality -> the model that leads where no label says which is best.
        patients: sections about patients, where there are several modalities.
        parts: ``<modality>__<what>``, where what is a part of :class:`~medanomaly.reporting.results.ModalityResults` or
            baselines.
    """
    from dataclasses import replace

    from medanomaly.evaluation.audit.leaks import patients_across_modalities
    from medanomaly.reporting.report import render_report
    from medanomaly.reporting.sections import from_above, from_json

    results = _results(alarm, defaults, parts)
    across = []
    if len(results) > 1:
        check = patients_across_modalities({r.name: r.cases for r in results})
        across = [{"modality": PATIENTS, **check.as_dict()}]
        # each has a page of its own, which holds the details
        results = [replace(r, page=f"{r.name}/report.html") for r in results]
    else:
        results = [replace(r, sections=from_above(r.sections, r.name)) for r in results]
    # the list lies in the folder of the modality, which is where a page of one modality among several lies too
    results = [replace(r, cases_file=f"{r.name}/cases.csv") for r in results]
    checks = [{"modality": r.name, **check} for r in results for check in r.audit["checks"]] + across
    return (
        pd.concat(
            [
                table
                for r in results
                for table in (r.metrics, r.more_metrics, r.class_metrics)
                if table is not None
            ],
            ignore_index=True,
        ),
        pd.concat([r.comparisons for r in results], ignore_index=True),
        {"dataset": run.dataset, "checks": checks},
        {f"{r.name}_{name}": svg for r in results for name, svg in r.figures.items()},
        render_report(_facts(params, alarm, run, results), results, from_json(patients)),
    )


def write_modality_report(
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
    defaults: Mapping[str, str] = MappingProxyType({}),
    **parts: object,
) -> str:
    """The report of one modality among several; arguments as of :func:`write_report`."""
    from dataclasses import replace

    from medanomaly.reporting.report import render_report

    results = _results(alarm, defaults, parts)
    results = [replace(r, cases_file="cases.csv") for r in results]
    return render_report(_facts(params, alarm, run, results), results)


def _results(alarm: AlarmParams, defaults: Mapping[str, str], parts: dict[str, object]) -> list:
    from medanomaly.reporting.report import ModalityResults
    from medanomaly.reporting.sections import from_json

    grouped: dict[str, dict] = {}
    for name, part in parts.items():
        modality, _, what = name.partition("__")
        grouped.setdefault(modality, {})[what] = part
    results = []
    for modality, of in grouped.items():
        of["scores"] = pd.concat([of["scores"], of.pop("baselines")], ignore_index=True)
        of["sections"] = [*from_json(of.pop("class_sections", [])), *from_json(of["sections"])]
        noun = of["summary"]["noun"]
        listed = of.pop("case_list")
        of["case_names"] = dict(zip(listed["case_id"], listed["case"], strict=True))
        of["default"] = defaults.get(modality, "")
        results.append(ModalityResults(name=modality, alpha=alarm.alpha, noun=noun, **of))
    return results


def _facts(params: EvaluationParams, alarm: AlarmParams, run: RunParams, results: list) -> dict:
    return run_facts(params, alarm, run, [result.cases for result in results])


def write_cards(metrics: pd.DataFrame, alarm: AlarmParams, **given: Any) -> dict[str, str]:
    """Model cards with the measured figures and the alarm; the card inside a bundle has neither.

    Training never reads test, and a bundle knows no alarm.

    Args:
        metrics: of all models.
        alarm: alpha.
        given: ``<modality>__cases`` and ``<modality>__scores`` of each modality, ``<modality>__membership`` of models that
            learned from labels; every other one is a bundle.
    """
    from medanomaly.core.sealed_alarm import alarm_threshold
    from medanomaly.evaluation.membership import membership
    from medanomaly.reporting.model_card import render_card

    told = {}
    for name, table in given.items():
        modality, _, what = name.rpartition("__")
        if what == "scores":
            told[modality] = membership(given[f"{modality}__cases"], table).set_index("model")
        elif what == "membership":
            told[modality] = table.set_index("model")
    cards = {}
    for bundle in (value for value in given.values() if isinstance(value, Bundle)):
        about = bundle.manifest | {"thresholds": alarm_threshold(bundle, alarm.alpha)}
        of = told.get(bundle.manifest.modality)
        if of is not None and bundle.manifest.name in of.index:
            (about["membership"],) = of.loc[[bundle.manifest.name]].to_dict("records")
        cards[f"{bundle.manifest.modality}_{bundle.manifest.name}"] = render_card(about, metrics)
    return cards
