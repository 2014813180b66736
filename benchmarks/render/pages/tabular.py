"""Detectors and risk models of tables."""

from benchmarks.render.figures import Figure, best, having
from benchmarks.render.labels import plain
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import HIGHER, LOWER, Column, Grid, Listing

FOREST = "isolation forest (scikit-learn, 100 trees)"
MODEL = (("Model", "model"),)


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    mean = having(figures["tabular_oneclass"], "mean", metric="auroc")
    first = best(mean)
    forest = having(mean, "mean", model=FOREST)[0]
    risk = best(having(figures["physionet_mortality"], "metric", metric="auroc"))
    anomaly = having(
        figures["physionet_mortality"], "metric", metric="auroc", model="isolation forest (anomaly score)"
    )[0]
    return [
        f"{len(mean)} detectors were compared on seven medical ADBench data sets, and risk models on deaths in hospital.",
        f"The highest mean AUROC of a detector is {cited(first)} ({plain(first.part('model'))}); the baseline, an "
        f"isolation forest, has {cited(forest)}.",
        f"The highest AUROC of a risk model is {cited(risk)}, and an anomaly score that is read as a risk has "
        f"{cited(anomaly)}.",
        verdict(figures),
    ]


def means(*columns: Column, note: str = "") -> Grid:
    return Grid(
        "Mean over seven data sets",
        MODEL,
        (
            Column("AUROC, %", "mean", HIGHER, where={"metric": "auroc"}),
            Column(
                "Minus isolation forest, AUROC points",
                "difference",
                where={"metric": "auroc", "against": FOREST},
            ),
            Column("AUPRC, %", "mean", HIGHER, where={"metric": "auprc"}),
            Column(
                "Minus isolation forest, AUPRC points",
                "difference",
                where={"metric": "auprc", "against": FOREST},
            ),
            *columns,
        ),
        note,
    )


def by_set(metric: str) -> Grid:
    name = metric.upper()
    return Grid(
        f"{name} on each data set, %",
        MODEL,
        (Column("{}", "set", HIGHER, each="set", where={"metric": metric}),),
        f"Every column is a data set; figures are {name} in %.",
        folded=True,
    )


def both(kind: str) -> tuple[Column, Column]:
    return (
        Column("AUROC, %", kind, HIGHER, where={"metric": "auroc"}),
        Column("AUPRC, %", kind, HIGHER, where={"metric": "auprc"}),
    )


ONE_CLASS = Section(
    "Detectors without labels",
    "tabular_oneclass",
    "Detectors learn from half of the normal records and score the other half together with all anomalies, in 5 "
    "splits per data set. Equal rows of normal records stay on one side of a split. The baseline is the isolation "
    "forest of scikit-learn. Differences are paired: the same splits, with intervals that resample data sets and "
    "splits.",
    (
        means(),
        Grid(
            "Two-view ensemble minus four-member ensemble",
            (("Model", "model"), ("Minus", "against")),
            tuple(
                Column(
                    f"{m.upper()}, points",
                    "difference",
                    where={"metric": m, "against": "four-member ensemble"},
                )
                for m in ("auroc", "auprc")
            ),
            "A positive difference favours the first model.",
        ),
        by_set("auroc"),
        by_set("auprc"),
        Grid(
            "All records for fitting and for scoring",
            MODEL,
            both("unsupervised"),
            "Here the detectors see the anomalies while they are fitted (the unsupervised protocol).",
        ),
        Grid(
            "How often an explanation names the planted cause",
            MODEL,
            (Column("{}, %", "cause", HIGHER, each="test"),),
            "One value of a record is changed. The explanation should name it first, or among the first two values.",
        ),
        Listing(
            "What a leak adds",
            ("leak",),
            "A published comparison resamples small data sets to 1,000 rows before the split. Copies of training rows "
            "then stand in the test part.",
        ),
    ),
)

NETWORKS = Section(
    "Networks that reconstruct a record",
    "tabular_networks",
    "Two networks with their default settings are compared with the isolation forest and principal components, on the "
    "same splits as above.",
    (
        means(Column("Fit and score one data set, s", "seconds", LOWER)),
        by_set("auroc"),
        by_set("auprc"),
    ),
)

EXPLANATIONS = Section(
    "Explanations of a record",
    "tabular_explanations",
    "Normal test records get one wrong value. The explanation that a user sees should name this value. A second "
    "question is the smallest change of the record that would make it usual.",
    (
        Grid(
            "How often the wrong value is named, by the rule that chose it",
            (("Rule", "rule"),),
            (
                Column("Named first, %", "cause", where={"rank": "first"}),
                Column("Named among the first two, %", "cause", where={"rank": "in the first two"}),
                Column("Data sets", "cause", show="sets"),
            ),
            "The rules plant different errors, so no row is better than another.",
        ),
        Grid(
            "The same on each data set: named among the first two, %",
            (("Rule", "rule"),),
            (Column("{}", "cause_set", each="set"),),
            folded=True,
        ),
        Grid(
            "Smallest change that makes a record usual, 20 records",
            MODEL,
            (
                Column("Time, s", "seconds", LOWER),
                Column("Flagged of 20", "alone", show="flagged"),
                Column("Smallest change is the wrong value alone, % of the flagged", "alone", HIGHER),
            ),
            "One value of each record is shifted by 6 standard deviations.",
        ),
    ),
)

MORTALITY_METRICS = (
    Column("AUROC", "metric", HIGHER, where={"metric": "auroc"}),
    Column("AUPRC", "metric", HIGHER, where={"metric": "auprc"}),
    Column("Brier score", "metric", LOWER, where={"metric": "brier"}),
    Column("Calibration error (ECE)", "metric", LOWER, where={"metric": "ece"}),
)

MORTALITY = Section(
    "Risk of death in hospital",
    "physionet_mortality",
    "Models learn from the first 48 hours of intensive care whether a patient dies in hospital (PhysioNet 2012 "
    "challenge). Baselines are the SAPS-I score, the winner of the challenge, and an anomaly score that is read as a "
    "risk. Cross-validation uses 5 folds; probabilities and thresholds come from inside the training part.",
    (
        Grid(
            "Models",
            MODEL,
            (*MORTALITY_METRICS, Column("One fit and prediction, s", "seconds", LOWER)),
        ),
        Grid(
            "Score of the challenge: the smaller of sensitivity and positive predictive value",
            MODEL,
            (Column("min(sensitivity, PPV)", "event", HIGHER),),
            "The winner and the official SAPS-I figure were measured by the challenge on its hidden part.",
            baseline_rows=True,
        ),
        Grid(
            "The two blends and an earlier run on all 4,000 stays",
            (("Model", "model"),),
            tuple(
                Column(f"{name}, {what}", "metric", show=show, where={"metric": metric})
                for metric, name in (
                    ("auroc", "AUROC"),
                    ("auprc", "AUPRC"),
                    ("ece", "ECE"),
                    ("brier", "Brier"),
                )
                for what, show in (("2,000 stays", "value"), ("4,000 stays", "baseline"))
                if (metric, show) != ("brier", "value")
            ),
            "The run on all 4,000 stays used other features.",
            folded=True,
            keep={"baseline_name": "a run on all 4,000 stays, other features"},
        ),
        Grid(
            "Age bands",
            (("Model", "model"), ("Age, years", "age")),
            (
                Column("AUROC", "age", where={"metric": "auroc"}),
                Column("Calibration error (ECE)", "age", where={"metric": "ece"}),
            ),
        ),
        Grid(
            "Blend of three models minus mean of two",
            (("Model", "model"), ("Minus", "against")),
            (Column("{}", "paired", each="metric"),),
            "The interval of a difference that includes 0 does not tell the models apart.",
        ),
        Grid(
            "Calibration error (ECE) by way of calibration",
            (("Calibration", "way"),),
            (Column("{}", "calibration", LOWER, each="model"),),
            "Class weights and SMOTE change probabilities, so their figures show what a way of calibration repairs.",
        ),
        Listing("Groups of risk that lie within their interval", ("bayes",)),
        Listing("What a leak adds to the score of the challenge", ("leak",)),
    ),
)

GROUPS = Section(
    "False alarms by sex and age",
    "group_calibration",
    "Thresholds are calibrated once for all records, or once per group. A gap is the largest false-alarm rate of a "
    "group minus the smallest. One gap compares rates averaged over ten splits. The other one is the gap that a "
    "single split shows; chance alone makes such a gap even where the calibration is right.",
    (
        Grid(
            "Gap between groups",
            (("Data set", "set"), ("Groups by", "by")),
            (
                Column("Records", "means", show="records"),
                Column("Groups", "means", show="groups"),
                Column("Gap of means, one calibration", "means", LOWER, show="baseline"),
                Column("Gap of means, calibrated per group", "means", LOWER),
                Column("Gap in one split, calibrated per group", "split"),
                Column("Gap in one split, chance alone", "split", show="baseline"),
            ),
            across=True,
        ),
    ),
)

LATENCY = Section(
    "Time for one record",
    "detector_latency",
    "The exported graph scores one record at a time. The baseline is `score_samples` of the same fitted model.",
    (
        Grid(
            "One record, one thread",
            MODEL,
            (
                Column("Median, µs", "p50", LOWER),
                Column("99th percentile, µs", "p50", show="p99"),
                Column("Baseline, median, µs", "p50", show="baseline"),
                Column("Times as fast", "p50", show="ratio"),
            ),
        ),
    ),
)

PAGE = Page(
    "tabular",
    "Tables: detectors and risk models",
    summary,
    (ONE_CLASS, NETWORKS, EXPLANATIONS, MORTALITY, GROUPS, LATENCY),
)
