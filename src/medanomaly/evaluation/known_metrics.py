"""Every metric in one list: how it is computed, where its interval comes from, and how a report shows it.

To add a metric, add a record: the metrics table, comparisons, reports and trackers read this list.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from medanomaly.evaluation.resampling.bootstrap import Resamples

Needs = Literal["scores", "labels", "flags", "probabilities"]
Interval = Literal["ranking", "delong", "proportion", "f1", "recentred"]
Fraction = Callable[["Resamples"], tuple[np.ndarray, np.ndarray]]
# mask of the cases in the denominator, of (n,) labels and (n,) flags
Behind = Callable[[np.ndarray, np.ndarray], np.ndarray]

RANKING, DECISION, PROBABILITY = "Ranking", "At the threshold", "Probabilities"


def everybody(positive: np.ndarray, flagged: np.ndarray) -> np.ndarray:
    """All cases."""
    return np.ones_like(positive)


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: as in the metrics table.
        label: column heading of a report.
        group: heading over several columns.
        meaning: one line in plain words.
        fraction: sums over a resample to numerator and denominator, (1 + resamples, models) each; undefined where the
            denominator is 0.
        needs: what has to be known of the cases.
        interval: ``delong`` comes from theory. The others come from the bootstrap, and say which interval is given where it
            collapses (:mod:`medanomaly.evaluation.metrics`).
        behind: cases whose patients are the trials of a proportion.
        share: written in percent; otherwise with three decimals.
        better: 1 higher, -1 lower, 0 neither.
        of_kinds: also measured for each kind of anomaly against the normal cases.
        without_labels: measured where no label is known.
        column: a column of the results table; others are said elsewhere.
    """

    name: str
    label: str
    group: str
    meaning: str
    fraction: Fraction
    needs: Needs
    interval: Interval = "proportion"
    behind: Behind = everybody
    share: bool = False
    better: int = 1
    of_kinds: bool = False
    without_labels: bool = False
    column: bool = True


def _auroc(r: "Resamples") -> tuple[np.ndarray, np.ndarray]:
    return r.u2, 2.0 * r.p * r.n


def _auprc(r: "Resamples") -> tuple[np.ndarray, np.ndarray]:
    # scikit-learn calls the average precision of a sample without negatives 1; it says nothing about a model
    return r.ap, np.where(r.n > 0, r.p, 0.0)


_ALL = (
    Metric(
        "auroc",
        "AUROC",
        RANKING,
        "how often an anomalous case ranks above a normal one",
        _auroc,
        "scores",
        "ranking",
        of_kinds=True,
    ),
    Metric(
        "auprc",
        "Average precision",
        RANKING,
        "precision averaged over all recalls; chance = prevalence",
        _auprc,
        "scores",
        "ranking",
    ),
    Metric(
        "auroc_delong",
        "AUROC (DeLong)",
        RANKING,
        "AUROC with DeLong's interval",
        _auroc,
        "scores",
        "delong",
        column=False,
    ),
    Metric(
        "prevalence",
        "Prevalence",
        RANKING,
        "share of test cases that are anomalous",
        lambda r: (r.p + 0.0 * r.tp, r.p + r.n),
        "labels",
        share=True,
        better=0,
        column=False,
    ),
    Metric(
        "false_alarm_rate",
        "False alarms",
        DECISION,
        "share of normal cases flagged",
        lambda r: (r.fp, r.n),
        "flags",
        behind=lambda positive, flagged: ~positive,
        share=True,
        better=-1,
    ),
    Metric(
        "sensitivity",
        "Caught",
        DECISION,
        "share of anomalous cases flagged (sensitivity)",
        lambda r: (r.tp, r.p),
        "flags",
        behind=lambda positive, flagged: positive,
        share=True,
        of_kinds=True,
    ),
    Metric(
        "specificity",
        "Specificity",
        DECISION,
        "share of normal cases not flagged",
        lambda r: (r.n - r.fp, r.n),
        "flags",
        behind=lambda positive, flagged: ~positive,
        share=True,
    ),
    Metric(
        "ppv",
        "Alarms right",
        DECISION,
        "share of alarms that are anomalous (PPV, precision)",
        lambda r: (r.tp, r.tp + r.fp),
        "flags",
        behind=lambda positive, flagged: flagged,
        share=True,
    ),
    Metric(
        "npv",
        "Passes right",
        DECISION,
        "share of unflagged cases that are normal (NPV)",
        lambda r: (r.n - r.fp, r.n - r.fp + r.p - r.tp),
        "flags",
        behind=lambda positive, flagged: ~flagged,
        share=True,
    ),
    Metric(
        "f1",
        "F1",
        DECISION,
        "harmonic mean of sensitivity and precision",
        lambda r: (2.0 * r.tp, r.tp + r.fp + r.p),
        "flags",
        "f1",
        behind=lambda positive, flagged: flagged | positive,
    ),
    Metric(
        "flagged_share",
        "Flagged",
        DECISION,
        "share of all cases flagged",
        lambda r: (r.tp + r.fp, r.p + r.n),
        "flags",
        share=True,
        better=0,
        without_labels=True,
    ),
    Metric(
        "brier",
        "Brier",
        PROBABILITY,
        "mean squared error of the probability",
        lambda r: (r.brier, np.ones_like(r.brier)),
        "probabilities",
        better=-1,
    ),
    Metric(
        "ece",
        "ECE",
        PROBABILITY,
        "mean gap between probability and what came true",
        lambda r: (r.ece, np.ones_like(r.ece)),
        "probabilities",
        "recentred",
        better=-1,
    ),
)
# by name, in the order of a report's columns
METRICS = {metric.name: metric for metric in _ALL}
# those that two models are compared by
COMPARED = tuple(metric.name for metric in _ALL if metric.interval == "ranking")


def metric_of(name: str) -> Metric:
    """The record of ``METRICS``; for a metric of another list one with its name alone."""
    return METRICS.get(name) or Metric(
        name, name.replace("_", " "), "Others", "", lambda r: (r.p, np.zeros_like(r.p)), "scores", better=0
    )
