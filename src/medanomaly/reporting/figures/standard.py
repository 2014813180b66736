"""The figures that a report shows: which apply to the results at hand, in which order, and how to read each."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from medanomaly.core.cases import reference_cases
from medanomaly.reporting.figures.decisions import confusion_matrices, reliability_diagram
from medanomaly.reporting.figures.explanations import explanation_bars
from medanomaly.reporting.figures.groups import group_names, kind_rows, sensitivity_by_kind, subgroup_forest
from medanomaly.reporting.figures.p_values import p_value_calibration, score_distributions
from medanomaly.reporting.figures.ranking import precision_recall, roc
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.scored_cases import metric_row

EXPLAINED = "explanation_"
EXPLAINED_CASES = 3


class Caption(NamedTuple):
    """What is written above and below a figure."""

    title: str
    reading: str


CAPTIONS = {
    "roc": Caption(
        "Anomalies caught against false alarms",
        "Further up and left is better; the diagonal is a coin toss. Dots: where each model works at its threshold.",
    ),
    "precision_recall": Caption(
        "How many alarms are right",
        "Going right, more anomalies are caught and more alarms are wrong. The thin straight line is flagging at random. "
        "Precision depends on how common anomalies are among these cases.",
    ),
    "p_value_calibration": Caption(
        "Does “5 %” mean 5 %?",
        "On the diagonal a model flags exactly the share of normal cases that was asked for. A curve above the shaded "
        "band raises too many alarms, one below it is more cautious than it had to be.",
    ),
    "reliability": Caption(
        "Do probabilities come true?",
        "On the diagonal, of the cases given 30 % some 30 % were anomalous.",
    ),
    "score_distributions": Caption(
        "Where normal and anomalous cases fall",
        "Normal cases belong on the left of the threshold, anomalous ones on its right. The scale is the p-value: how "
        "many normal cases look at least as unusual.",
    ),
    "confusion": Caption(
        "Right and wrong decisions at the threshold",
        "Rows are what the label says, columns what the model decided; the share is that of the row.",
    ),
    "confusion_of_others": Caption(
        "Decisions of the other models and of the baselines",
        "Rows are what the label says, columns what the model decided; the share is that of the row.",
    ),
    "sensitivity_by_kind": Caption(
        "Caught, by kind of anomaly", "Bar and dot: share caught at the threshold. Line: 95 % interval."
    ),
    "subgroups": Caption(
        "The same model in every group",
        "Dot: the value in the group, with its 95 % interval. Diamond and line: all test cases.",
    ),
}


def standard_figures(results: ModalityResults) -> dict[str, str]:
    """Draw every figure that the results allow, baselines thin and dashed.

    The report shows those of ``CAPTIONS``. ``explanation_1`` ... are the bars of the most unusual cases, for use elsewhere:
    the report shows the same content as tables.

    Args:
        results: one modality; its ``figures`` are ignored.

    Returns:
        Name to SVG, in the order of ``CAPTIONS``; without labels only what needs none.
    """
    return {name: draw() for name, draw in _applicable(results).items()}


def _applicable(r: ModalityResults) -> dict[str, Callable[[], str]]:
    drawings: dict[str, Callable[[], str]] = {}
    # models in one order everywhere, so that a colour means one model
    order = {model: position for position, model in enumerate(r.models)}
    scores = r.scores.sort_values("model", key=lambda names: names.map(order), kind="stable")
    if r.judged:
        drawings["roc"] = partial(roc, r.cases, scores, r.metrics, r.baselines, r.alpha)
        drawings["precision_recall"] = partial(precision_recall, r.cases, scores, r.metrics, r.baselines)
    if reference_cases(r.cases, "test").any():
        drawings["p_value_calibration"] = partial(p_value_calibration, r.cases, scores, r.baselines, r.alpha)
    if r.reliability is not None and not r.reliability.empty:
        drawings["reliability"] = partial(reliability_diagram, r.reliability, r.baselines)
    drawings["score_distributions"] = partial(score_distributions, r.cases, scores, r.alpha)
    if r.judged:
        of_leading, decided = scores["model"] == r.leading, scores["flagged"].notna()
        for name, part in (("confusion", of_leading), ("confusion_of_others", ~of_leading)):
            if (part & decided).any():
                drawings[name] = partial(confusion_matrices, r.cases, scores[part])
        if not kind_rows(r.metrics, r.leading).empty:
            drawings["sensitivity_by_kind"] = partial(sensitivity_by_kind, r.metrics, r.leading)
        groups = group_names(r.metrics, r.leading)
        if any(metric_row(r.metrics, r.leading, "auroc", group) is not None for group in groups):
            drawings["subgroups"] = partial(subgroup_forest, r.metrics, r.leading, r.alpha)
    if r.explanations is not None:
        explained = set(r.explanations.loc[r.explanations["model"] == r.leading, "case_id"])
        ordered = [case for case in r.most_unusual["case_id"] if case in explained]
        for rank, case_id in enumerate(ordered[:EXPLAINED_CASES], start=1):
            drawings[f"{EXPLAINED}{rank}"] = partial(
                explanation_bars, r.explanations, case_id, r.leading, case_name=r.case_name(case_id)
            )
    return drawings
