"""Every data set as a user runs it."""

from benchmarks.render.figures import Figure, best, having
from benchmarks.render.labels import plain
from benchmarks.render.page import Page, Section, cited
from benchmarks.render.tables import HIGHER, Column, Grid, capital

# title -> the data sets of one table
GROUPS = {
    "Tables, diseases and cohorts": ("synthetic tabular", "wdbc", "thyroid", "hcv", "appointments"),
    "Tables, ADBench and intensive care": (
        "adbench_annthyroid",
        "adbench_cardio",
        "adbench_mammography",
        "physionet2012_set-c",
        "eicu",
    ),
    "Signals": ("synthetic signals", "mitbih", "svdb", "ecg5000", "ucr"),
    "Images": ("synthetic imaging", "medmnist"),
}
METRICS = {
    "auroc": ("AUROC", HIGHER),
    "auprc": ("AUPRC", HIGHER),
    "sensitivity": ("Sensitivity", ""),
    "false_alarm_rate": ("False-alarm rate", ""),
}


def leaders(figures: dict[str, list[Figure]]) -> list[tuple[Figure, Figure]]:
    """Of each data set, the model and the baseline with the highest AUROC."""
    by_set: dict[str, tuple[list[Figure], list[Figure]]] = {}
    for f in having(figures["environments"], "metric", metric="auroc"):
        by_set.setdefault(f.part("set"), ([], []))[f.part("model").startswith("baseline")].append(f)
    return [(best(models), best(baselines)) for models, baselines in by_set.values()]


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    found = leaders(figures)
    won = sum(baseline.value > model.value for model, baseline in found)
    return [
        f"Models and trivial baselines were run on {len(found)} data sets, from raw files to the report.",
        "Models learned from normal training cases alone, thresholds come from normal calibration cases, and "
        "intervals resample patients.",
        f"A trivial baseline has a higher AUROC than every model on {won} of the {len(found)} data sets.",
    ]


def did_not_work(figures: dict[str, list[Figure]]) -> list[str]:
    said = [
        f"{capital(plain(model.part('set')))}: the baseline {plain(baseline.part('model').removeprefix('baseline: '))} has "
        f"AUROC {cited(baseline)}, and the best model, {plain(model.part('model'))}, has {cited(model)}."
        for model, baseline in leaders(figures)
        if baseline.value > model.value
    ]
    return said + [
        f"{capital(plain(f.part('set')))}: {plain(f.part('model'))} has AUROC {cited(f)}, which is below 0.5."
        for f in having(figures["environments"], "metric", metric="auroc")
        if f.value < 0.5 and not f.part("model").startswith("baseline")
    ]


def grid(group: str, sets: tuple[str, ...], metric: str) -> Grid:
    name, better = METRICS[metric]
    return Grid(
        f"{group}: {name}",
        (("Model", "model"),),
        tuple(
            Column(capital(plain(key)), "metric", better, where={"set": key, "metric": metric})
            for key in sets
        ),
        folded=metric != "auroc",
        decimals=3,
    )


def one_set(group: str, key: str) -> Grid:
    """A table of one data set: the metrics are the columns."""
    return Grid(
        f"{group}: {plain(key)}",
        (("Model", "model"),),
        tuple(
            Column(name, "metric", better, where={"set": key, "metric": metric})
            for metric, (name, better) in METRICS.items()
        ),
        decimals=3,
    )


def tables_of(group: str, sets: tuple[str, ...]) -> list[Grid]:
    return [one_set(group, *sets)] if len(sets) == 1 else [grid(group, sets, metric) for metric in METRICS]


PAGE = Page(
    "environments",
    "Every data set as a user runs it",
    summary,
    (
        Section(
            "Models and baselines",
            "environments",
            "Every column is a data set, and every row is a model. A model in one row has its default settings. "
            "Sensitivity and the false-alarm rate belong together, so neither has a best figure.",
            (
                *(table for group, sets in GROUPS.items() for table in tables_of(group, sets)),
                Grid(
                    "Data sets",
                    (("Data set", "set"),),
                    (
                        Column("Command", "metric", show="run"),
                        Column("Test cases", "metric", show="cases"),
                        Column("Anomalous", "metric", show="anomalous"),
                    ),
                ),
                Grid(
                    "How long a run takes",
                    (("Command", "run"),),
                    (Column("Wall time, s", "took"),),
                    "The synthetic cohort runs tables, signals and images together.",
                ),
            ),
        ),
        Section(
            "The first minutes",
            "first_minutes",
            "Whole runs, each in a process of its own. Processor time is what a run costs on one busy core; wall time "
            "depends on what else the machine does.",
            (
                Grid(
                    "What a run costs",
                    (("Command", "run"),),
                    (
                        Column("Processor time, s", "processor"),
                        Column("Wall time, s", "wall"),
                        Column("Memory, MB", "memory"),
                    ),
                ),
            ),
        ),
    ),
    did_not_work,
)
