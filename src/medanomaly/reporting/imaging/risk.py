"""Sections of the supervised models of images, from plain tables."""

from collections.abc import Sequence

import pandas as pd

from medanomaly.evaluation.known_metrics import metric_of
from medanomaly.reporting.figures.groups import subgroup_parts
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.scored_cases import metric_row
from medanomaly.reporting.sections import Figure, Section, Table
from medanomaly.reporting.tabular.risk import with_interval
from medanomaly.reporting.wording import counted, interval, number, percent, signed

SEGMENTATION = {
    "dice": "Dice",
    "iou": "Intersection over union",
    "boundary_f1": "Boundary F1 (within 2 px)",
    "normal_outlined": "Images without a lesion on which something is outlined",
}
GROUP_METRICS = ("auroc", "sensitivity", "specificity")


def shown_kind(case) -> str:
    """What an image shows, as the data set says."""
    if pd.notna(case.kind):
        return str(case.kind)
    return {0: "normal", 1: "anomalous"}.get(case.label, "no label") if pd.notna(case.label) else "no label"


def groups_section(metrics: pd.DataFrame, stratified: pd.DataFrame, best: str) -> Section:
    """The classifier by kind of anomaly and by group, and everything among images of about one shape.

    Args:
        metrics: metrics table of the classifier.
        stratified: ``model, value, ci_low, ci_high`` of classifier, LBE and baselines.
        best: the classifier's name.
    """
    kinds, groups = [], []
    for name in pd.unique(metrics.loc[metrics["subgroup"].fillna("").ne(""), "subgroup"]):
        column, group = subgroup_parts(name)
        cells = {metric: with_interval(metrics, best, metric, name) for metric in GROUP_METRICS}
        rows = [
            row for metric in GROUP_METRICS if (row := metric_row(metrics, best, metric, name)) is not None
        ]
        if not rows:
            continue
        if column == "kind":
            kinds.append((group, f"{int(rows[0]['n_positive']):,}", cells["auroc"], cells["sensitivity"]))
        else:
            n = f"{int(rows[0]['n']):,}", f"{int(rows[0]['n_positive']):,}"
            groups.append((f"{column.replace('_', ' ')} {group}", *n, *cells.values()))
    tables = []
    if kinds:
        columns = ("Kind", "Test images", "AUROC against normal images", metric_of("sensitivity").label)
        tables.append(Table("By kind", columns, kinds))
    if groups:
        columns = (
            "Group",
            "Test images",
            "Anomalous",
            *(metric_of(metric).label for metric in GROUP_METRICS),
        )
        tables.append(Table("By group", columns, groups, "In brackets: 95 % intervals."))
    shape = [
        (model_label(row.model), f"{number(row.value)} ({interval('auroc', row.ci_low, row.ci_high)})")
        for row in stratified.dropna(subset=["value"]).sort_values("value", ascending=False).itertuples()
    ]
    if shape:
        note = "AUROC within strata of width over height: what ranks by the shape of an image alone ranks nothing here."
        tables.append(
            Table("Among images of about one shape", ("Score", "AUROC at equal image shape"), shape, note)
        )
    return Section(
        "Which images, and is it their shape?",
        "A classifier learns whatever tells the two labels apart, and that includes how images were taken.",
        tables=tables,
    )


def map_section(figures: Sequence[Figure], check: pd.DataFrame) -> Section:
    """Grad-CAM, and whether to believe it.

    Args:
        figures: images with their maps.
        check: ``measure, value, random, gain, ci_low, ci_high, n``, one row each for deletion and insertion; empty without
            abnormal test images.
    """
    if check.empty:
        return Section("Where the classifier looks", "No anomalous test image to check the maps on.", figures)
    found = [
        "better" if low > 0 else "worse" if high < 0 else "no better"
        for low, high in check[["ci_low", "ci_high"]].to_numpy()
    ]
    said = [f"{measure} is {how}" for measure, how in zip(check["measure"], found, strict=True)]
    if set(found) == {"better"}:
        text = "Highlighted pixels matter more to the probability than others: both checks are better than a random order."
    else:
        text = f"Do not read these maps as reasons: against a random order, {' and '.join(said)}."
    rows = [
        (
            row.measure.capitalize(),
            number(row.value),
            number(row.random),
            f"{signed(row.gain)} ({signed(row.ci_low)} to {signed(row.ci_high)})",
        )
        for row in check.itertuples()
    ]
    note = (
        f"{counted(int(check['n'].iloc[0]), 'anomalous test image')}. Area under the probability as highlighted pixels "
        "become those of a normal image (deletion, low is good), or come back into one (insertion, high is good). Gain: "
        "difference from the random order in the direction that is good, paired, with its 95 % interval by resampling "
        "patients."
    )
    columns = ("Check", "Grad-CAM first", "Random order", "Gain")
    return Section(
        "Where the classifier looks", text, figures, [Table("Deletion and insertion", columns, rows, note)]
    )


def outline_section(outlines: pd.DataFrame, threshold: float, figures: Sequence[Figure]) -> Section:
    """How well outlines agree with the masks of test images.

    Args:
        outlines: ``measure, value, ci_low, ci_high, n``.
        threshold: probability from which a pixel is outlined.
        figures: of some images.
    """
    rows = []
    for row in outlines.itertuples():
        write = percent if row.measure == "normal_outlined" else number
        span = interval("sensitivity" if write is percent else "auroc", row.ci_low, row.ci_high)
        rows.append(
            (SEGMENTATION[row.measure], write(row.value) + (f" ({span})" if span else ""), int(row.n))
        )
    return Section(
        "Outlines",
        f"A segmenter learned from the masks of train images. It outlines what it gives {percent(threshold)} or more, the "
        "value of best Dice on calibration images.",
        figures,
        [
            Table(
                "Test images",
                ("Measure", "Mean", "Images"),
                rows,
                "Overlap and outlines: images with a lesion. In brackets: 95 % intervals, by resampling patients.",
            )
        ],
    )


def no_outlines_section() -> Section:
    """Said where there are too few masks."""
    return Section(
        "Outlines",
        "Fewer than five images of train, or of calibration, came with a mask of a lesion, so no segmenter was trained.",
    )
