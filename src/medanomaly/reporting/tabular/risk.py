"""The sections of the risk report: how good the probabilities are, what they rest on, and what they are not."""

import pandas as pd

from medanomaly.core.scores import BASELINE
from medanomaly.evaluation.known_metrics import metric_of
from medanomaly.reporting.figures.decisions import reliability_diagram
from medanomaly.reporting.figures.explanations import shown_unit
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.scored_cases import metric_row
from medanomaly.reporting.sections import Figure, Section, Table
from medanomaly.reporting.wording import DASH, counted, interval, number, percent, signed, written

SHOWN_METRICS = {
    "Ranking and probabilities": ("auroc", "auprc", "brier", "ece"),
    "At the threshold": ("sensitivity", "specificity", "ppv", "flagged_share"),
}
TOP_FEATURES, TOP_CASES, TOP_LABELS, REASONS = 15, 10, 20, 4


def best_model(metrics: pd.DataFrame) -> str:
    """The model of highest test AUROC."""
    whole = _whole(metrics)
    auroc = whole[whole["metric"] == "auroc"]
    return str(auroc["model"].iloc[int(auroc["value"].to_numpy().argmax())])


def risk_lead(metrics: pd.DataFrame, anomaly_metrics: pd.DataFrame, noun: str = "record") -> str:
    """How well the best risk model ranks, compared with the best anomaly score, judged by the same label."""
    scores = anomaly_metrics[anomaly_metrics["role"] != BASELINE]
    best, other = best_model(metrics), best_model(scores)
    risk, anomaly = (
        with_interval(table, model, "auroc") for table, model in ((metrics, best), (anomaly_metrics, other))
    )
    return (
        f"Ranked by risk ({model_label(best)}), the test {noun}s reach an AUROC of {risk}. Judged by the same label, the "
        f"anomaly score {model_label(other)} reaches {anomaly}: an anomaly score is not a risk score."
    )


def risk_sections(
    metrics: pd.DataFrame,
    reliability: pd.DataFrame,
    explanations: pd.DataFrame,
    probabilities: pd.DataFrame,
    importance: pd.DataFrame,
    suspicious: pd.DataFrame,
    anomaly_metrics: pd.DataFrame,
    differences: pd.DataFrame,
    outcome: str,
) -> list[Section]:
    """Everything that the risk report says, in order.

    Args:
        metrics: metrics table of the risk models.
        reliability: reliability table with a ``model`` column.
        explanations: contributions to the log-odds of the cases at highest risk.
        probabilities: ``case_id, model, probability, low, high`` of the test cases.
        importance: ``feature, auroc_loss, auroc_loss_sd, log_loss_rise, log_loss_rise_sd``, largest first.
        suspicious: labels to look at, most suspicious first.
        anomaly_metrics: metrics table of anomaly scores on the same test cases.
        differences: comparisons table of the best risk model with the anomaly scores.
        outcome: what label 1 is, in words.
    """
    best = best_model(metrics)
    return [
        not_an_anomaly_score(metrics, anomaly_metrics, differences, best, outcome),
        figures_of_merit(metrics, reliability),
        _features(importance, best),
        _cases(explanations, probabilities, best),
        _labels(suspicious),
    ]


def _whole(metrics: pd.DataFrame) -> pd.DataFrame:
    return metrics[
        (metrics["split"] == "test") & (metrics["subgroup"].fillna("") == "") & metrics["value"].notna()
    ]


def with_interval(metrics: pd.DataFrame, model: str, metric: str, group: str = "") -> str:
    """A test figure of a model, whole or of a group, with its interval in brackets; a dash where there is none."""
    row = metric_row(metrics, model, metric, group)
    if row is None:
        return DASH
    span = interval(metric, row["ci_low"], row["ci_high"])
    return written(metric, row["value"]) + (f" ({span})" if span else "")


def not_an_anomaly_score(
    metrics: pd.DataFrame,
    anomaly: pd.DataFrame,
    differences: pd.DataFrame,
    best: str,
    outcome: str,
    noun: str = "record",
) -> Section:
    """The best risk model compared with anomaly scores and baselines, all judged by the label.

    Args:
        metrics, anomaly: metrics tables of the risk models and of the anomaly scores.
        differences: comparisons table of both.
        best: the risk model that is shown.
        outcome: what label 1 is, in words.
        noun: what a case is called.
    """
    rows = [
        (
            f"Risk: {model_label(best)}",
            with_interval(metrics, best, "auroc"),
            with_interval(metrics, best, "auprc"),
            DASH,
        )
    ]
    known = anomaly.loc[anomaly["model"] != "", ["model", "role"]].drop_duplicates()
    for model, role in known.itertuples(index=False):
        found = differences[
            differences["metric"].eq("auroc")
            & differences["model_a"].eq(best)
            & differences["model_b"].eq(model)
        ]
        gain = DASH
        if len(found):
            row = found.iloc[0]
            gain = f"{signed(row['difference'])} ({signed(row['ci_low'])} to {signed(row['ci_high'])})"
        rows.append(
            (
                f"{'Baseline' if role == BASELINE else 'Anomaly score'}: {model_label(model)}",
                with_interval(anomaly, model, "auroc"),
                with_interval(anomaly, model, "auprc"),
                gain,
            )
        )
    return Section(
        "An anomaly score is not a risk score",
        f"A risk is the probability of a label ({outcome}) and was learned from labels. An anomaly score says how unusual a "
        f"{noun} is and knows nothing of the label. Both are judged here by how well they rank the same test {noun}s by "
        "that label; neither may replace the other.",
        tables=[
            Table(
                f"Both on the same {noun}s, judged by the label",
                ("Score", "AUROC", "Average precision", "Risk minus anomaly score, AUROC"),
                rows,
                "In brackets: 95 % intervals, of the difference by paired resampling of patients. The anomaly scores are "
                f"trained here on the normal train {noun}s, as in the main report.",
            )
        ],
    )


def figures_of_merit(
    metrics: pd.DataFrame,
    reliability: pd.DataFrame,
    noun: str = "record",
    chosen_on: str = "out-of-fold predictions outside test",
) -> Section:
    """Ranking, calibration and what the threshold does, each with its interval.

    Args:
        metrics: of the risk models.
        reliability: reliability table with a ``model`` column.
        noun: what a case is called.
        chosen_on: where calibration and threshold come from.
    """
    whole = _whole(metrics)
    first = whole.iloc[0]
    note = (
        f"{counted(int(first['n']), f'test {noun}')} of known label, {int(first['n_positive']):,} with the outcome. "
        f"Calibration and threshold come from {chosen_on}. Brier and ECE: 0 is best. In brackets: "
        "95 % intervals."
    )
    figures = []
    if len(reliability):
        figures = [
            Figure(
                "Do probabilities come true?",
                f"On the diagonal, of the {noun}s given 30 % some 30 % had the outcome. Lines: 95 % intervals of each bin.",
                reliability_diagram(reliability),
            )
        ]
    shown = []
    for title, metrics_of in SHOWN_METRICS.items():
        names = [metric for metric in metrics_of if (whole["metric"] == metric).any()]
        rows = [
            (model_label(model), *(with_interval(metrics, model, metric) for metric in names))
            for model in pd.unique(whole["model"])
        ]
        columns = ("Model", *(metric_of(metric).label for metric in names))
        shown.append(Table(title, columns, rows, note if title == [*SHOWN_METRICS][-1] else ""))
    return Section("How good are the probabilities?", "", figures, shown)


def _features(importance: pd.DataFrame, best: str) -> Section:
    rows = [
        (
            str(row.feature).replace("_", " "),
            f"{signed(row.auroc_loss, 4)} ± {number(row.auroc_loss_sd)}",
            f"{signed(row.log_loss_rise, 4)} ± {number(row.log_loss_rise_sd)}",
        )
        for row in importance.head(TOP_FEATURES).itertuples()
    ]
    return Section(
        "What the probabilities rest on",
        f"How much worse {model_label(best)} gets on the test records when a value is replaced by that of another patient. "
        "Values that say the same hide each other, and a loss says what the model uses, not what causes the outcome.",
        tables=[
            Table("", ("Value", "AUROC lost", "Log-loss gained"), rows, "± is the spread over the shuffles.")
        ],
    )


def _cases(explanations: pd.DataFrame, probabilities: pd.DataFrame, best: str) -> Section:
    of_best = probabilities[probabilities["model"] == best].sort_values(
        "probability", ascending=False, kind="stable"
    )
    rows = []
    for case in of_best.head(TOP_CASES).itertuples():
        why = explanations[(explanations["case_id"] == case.case_id) & (explanations["model"] == best)]
        rows.append((f"{case.case_id}", percent(case.probability), _reasons(why.head(REASONS))))
    return Section(
        "Highest risk",
        f"The test records that {model_label(best)} puts at highest risk, and the values that move their log-odds most.",
        tables=[Table("", ("Record", "Probability", "Because of (log-odds)"), rows)],
    )


def _reasons(rows: pd.DataFrame) -> str:
    parts = []
    for row in rows.itertuples():
        unit = shown_unit(row.value, row.unit)
        value = f"{row.value} {unit}".strip()
        parts.append(f"{str(row.feature).replace('_', ' ')} {value} ({signed(row.contribution, 2)})")
    return "; ".join(parts)


def _labels(suspicious: pd.DataFrame) -> Section:
    words = {0: "normal", 1: "outcome"}
    rows = [
        (
            str(row.case_id),
            words[int(row.label)],
            words[int(row.suggested)],
            percent(row.probability_of_label),
        )
        for row in suspicious.head(TOP_LABELS).itertuples()
    ]
    text = (
        f"{counted(len(suspicious), 'label')} outside test: so much at odds with a model that has not seen the record that "
        "somebody should look. Nothing was changed. Where the label is an outcome rather than a judgement, this is a "
        "surprising patient more often than a wrong label."
        if len(suspicious)
        else "No label disagrees strongly with a model that has not seen its record."
    )
    tables = [Table("", ("Record", "Label", "Model says", "Probability of the label"), rows)] if rows else []
    return Section("Suspicious labels", text, tables=tables)
