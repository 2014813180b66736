"""What each metric is called in a report, how it is written, and in which direction it is better."""

from typing import NamedTuple


class Metric(NamedTuple):
    """A metric as a reader meets it.

    Attributes:
        label: column heading.
        group: heading over several columns.
        share: written in percent; else with three decimals.
        better: 1 higher, -1 lower, 0 neither.
        meaning: one line in plain words.
    """

    label: str
    group: str
    share: bool
    better: int
    meaning: str


RANKING, DECISION, PROBABILITY = "Ranking", "At the threshold", "Probabilities"

METRICS = {
    "auroc": Metric("AUROC", RANKING, False, 1, "how often an anomalous case ranks above a normal one"),
    "auprc": Metric(
        "Average precision", RANKING, False, 1, "precision averaged over all recalls; chance = prevalence"
    ),
    "auroc_delong": Metric("AUROC (DeLong)", RANKING, False, 1, "AUROC with DeLong's interval"),
    "prevalence": Metric("Prevalence", RANKING, True, 0, "share of test cases that are anomalous"),
    "false_alarm_rate": Metric("False alarms", DECISION, True, -1, "share of normal cases flagged"),
    "sensitivity": Metric("Caught", DECISION, True, 1, "share of anomalous cases flagged (sensitivity)"),
    "specificity": Metric("Specificity", DECISION, True, 1, "share of normal cases not flagged"),
    "ppv": Metric("Alarms right", DECISION, True, 1, "share of alarms that are anomalous (PPV, precision)"),
    "npv": Metric("Passes right", DECISION, True, 1, "share of unflagged cases that are normal (NPV)"),
    "f1": Metric("F1", DECISION, False, 1, "harmonic mean of sensitivity and precision"),
    "flagged_share": Metric("Flagged", DECISION, True, 0, "share of all cases flagged"),
    "brier": Metric("Brier", PROBABILITY, False, -1, "mean squared error of the probability"),
    "ece": Metric("ECE", PROBABILITY, False, -1, "mean gap between probability and what came true"),
}

# said elsewhere than in the results table: the interval in a note, the prevalence in the data section
NOT_A_COLUMN = ("auroc_delong", "prevalence")


def metric_of(name: str) -> Metric:
    """The entry of ``METRICS``, or a plain one for a metric that is not listed there."""
    return METRICS.get(name, Metric(name.replace("_", " "), "Others", False, 0, ""))
