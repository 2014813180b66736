"""Sections about a detector of boxes, from plain tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.scores import BASELINE
from medanomaly.reporting.figures.images import image_grid
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.sections import Figure, Section, Table
from medanomaly.reporting.wording import counted, number

SHOWN, PER_ROW = 8, 4
TRUE, FOUND = (0.25, 0.85, 0.45), (1.0, 0.55, 0.1)
MEASURES = {
    "ap50": "Average precision at an overlap of .5",
    "ap50_95": "Average precision, mean over overlaps of .5 to .95",
    "sensitivity_at_0.125": "Lesions found at 1/8 false box per image",
    "sensitivity_at_0.5": "Lesions found at 1/2 false box per image",
    "sensitivity_at_2": "Lesions found at 2 false boxes per image",
}


def _value(metrics: pd.DataFrame, model: str, metric: str) -> pd.Series | None:
    rows = metrics[metrics["model"].eq(model) & metrics["metric"].eq(metric) & metrics["value"].notna()]
    return rows.iloc[0] if len(rows) else None


def _with_interval(row: pd.Series | None) -> str:
    if row is None:
        return "–"
    span = "" if pd.isna(row["ci_low"]) else f" ({number(row['ci_low'])} to {number(row['ci_high'])})"
    return number(row["value"]) + span


def box_lead(metrics: pd.DataFrame, model: str) -> str:
    """The finding in one sentence."""
    precision, found = _value(metrics, model, "ap50"), _value(metrics, model, "sensitivity_at_0.5")
    if precision is None:
        return "No test image has a box, so nothing says how well boxes are found."
    return (
        f"Average precision is {_with_interval(precision)} on {counted(int(precision['n']), 'test image')}; "
        f"{_with_interval(found)} of the lesions are found at half a false box per image."
    )


def measures_section(metrics: pd.DataFrame, model: str) -> Section:
    """What the detector is worth beside boxes of an anomaly map.

    Args:
        metrics: metrics table of the detector and of its baseline.
        model: the detector's name.
    """
    baselines = [str(name) for name in pd.unique(metrics.loc[metrics["role"].eq(BASELINE), "model"])]
    rows = [
        (label, *(_with_interval(_value(metrics, name, metric)) for name in (model, *baselines)))
        for metric, label in MEASURES.items()
    ]
    columns = ("Measure", model_label(model), *(model_label(name, True) for name in baselines))
    note = (
        "A box is right if it overlaps a true box of its label by half or more (intersection over union); a second box "
        "about one lesion is false. In brackets: 95 % intervals, by resampling patients."
    )
    text = "The detector learned from boxes; the baseline knows normal images alone." if baselines else ""
    return Section("How well boxes are found", text, tables=[Table("Test images", columns, rows, note)])


def threshold_section(threshold: Mapping[str, Any], metrics: pd.DataFrame, model: str) -> Section:
    """Which boxes are drawn, and whether normal images have as few as were asked for.

    Args:
        threshold: ``box_threshold`` of the bundle's manifest.
        metrics: metrics table of the detector.
        model: its name.
    """
    asked, n = threshold["false_boxes_per_image"], threshold["n_patients"]
    title = "Which boxes are drawn"
    if threshold["score"] is None:
        return Section(
            title,
            f"None: calibration has normal images of {counted(n, 'patient')}, and {threshold['n_patients_needed']} are "
            f"needed for {asked:g} false boxes per normal image. Boxes still have scores and p-values.",
        )
    rows = [
        (label, _with_interval(_value(metrics, model, metric)))
        for metric, label in (
            ("false_boxes_per_normal_image", f"False boxes per normal image ({asked:g} asked)"),
            ("sensitivity", "Lesions found"),
            ("precision", "Boxes that are right"),
        )
    ]
    return Section(
        title,
        f"Boxes with a score of {number(threshold['score'])} or more. The threshold was chosen on normal calibration images "
        f"of {counted(n, 'patient')}, so that normal images of new patients get {asked:g} false boxes or fewer on average "
        "(conformal risk control). It holds while new patients come from where these came from.",
        tables=[Table("Test images at the threshold", ("Measure", "Value"), rows)],
    )


def boxes_section(summary: Mapping[str, Any], figures: Sequence[Figure]) -> Section:
    """Where boxes come from, which were refused, and images with boxes.

    Args:
        summary: counts of boxes, refused boxes and images.
        figures: of some test images.
    """
    states = summary["states"]
    text = (
        f"{summary['n_boxes']:,} boxes on {counted(states.get('boxes', 0), 'image')}, "
        f"{'about the regions of masks' if summary['from_masks'] else 'from the file of boxes'}. "
        f"{counted(states.get('normal', 0), 'image')} without any lesion."
    )
    if unknown := states.get("not known", 0):
        text += f" {counted(unknown, 'image')} of which nothing is known, which were not used."
    tables = []
    if summary["n_refused"]:
        rows = [(reason, n) for reason, n in summary["reasons"].items()]
        note = "An image whose only boxes were refused is not used."
        tables.append(Table("Boxes that were refused", ("Reason", "Boxes"), rows, note))
    return Section("Boxes", text, figures, tables, cautions=list(summary["notes"]))


def box_figure(
    images: np.ndarray, true: Sequence[pd.DataFrame], found: Sequence[pd.DataFrame]
) -> Figure | None:
    """Images with true and found boxes; None without any image.

    Args:
        images: (n, H, W) in [0, 1].
        true, found: of each image, a table with ``x0, y0, x1, y1`` in px.
    """
    if not len(images):
        return None
    tiles = [
        outlined(outlined(image, of, TRUE), drawn, FOUND)
        for image, of, drawn in zip(images, true, found, strict=True)
    ]
    rows = [tiles[start : start + PER_ROW] for start in range(0, len(tiles), PER_ROW)]
    return Figure(
        "Test images",
        "Green: true boxes. Orange: boxes that the detector draws.",
        image_grid(
            rows,
            [""] * PER_ROW,
            [""] * len(rows),
            f"{counted(len(tiles), 'test image')} with true boxes and those that are drawn.",
        ),
    )


def outlined(image: np.ndarray, boxes: pd.DataFrame, colour: tuple[float, float, float]) -> np.ndarray:
    """(H, W, 3) image in [0, 1] with the borders of boxes, which lie inside of the boxes.

    Args:
        image: (H, W) or (H, W, 3) in [0, 1].
        boxes: ``x0, y0, x1, y1`` in px.
        colour: red, green, blue.
    """
    tile = np.array(image if image.ndim == 3 else np.repeat(np.clip(image, 0, 1)[..., None], 3, axis=2))
    height, width = tile.shape[:2]
    for x0, y0, x1, y1 in boxes[["x0", "y0", "x1", "y1"]].to_numpy(dtype=np.float64):
        left, top = min(int(x0), width - 1), min(int(y0), height - 1)
        right, bottom = max(left, min(round(x1), width) - 1), max(top, min(round(y1), height) - 1)
        tile[[top, bottom], left : right + 1] = colour
        tile[top : bottom + 1, [left, right]] = colour
    return tile
