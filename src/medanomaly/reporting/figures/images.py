"""Images side by side, maps over images, paired differences of models: arrays in, SVG with a raster inside out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps

from medanomaly.core.errors import InputError
from medanomaly.reporting.figures.style import (
    ANOMALOUS,
    FULL_WIDTH,
    INK,
    MODEL_COLOURS,
    MUTED,
    Drawing,
    canvas,
    model_label,
    svg_figure,
)

GAP = 3  # white pixels between images
MAP_COLOURS = "inferno"
STRONGEST = 0.75  # opacity of a map where it is highest
TILE_INCHES = 1.25
ROW_LABEL_INCHES = 1.9


def overlay(image: np.ndarray, score_map: np.ndarray, low: float, high: float) -> np.ndarray:
    """A map in colour over an image in grey; below ``low`` the image shows unchanged.

    Args:
        image: (H, W) in [0, 1].
        score_map: (H, W).
        low, high: values at which colour begins, and is strongest.

    Returns:
        (H, W, 3) in [0, 1].
    """
    strength = np.clip((score_map - low) / max(high - low, 1e-12), 0, 1)
    colour = colormaps[MAP_COLOURS](0.25 + 0.75 * strength)[..., :3]
    opacity = STRONGEST * strength[..., None]
    return (1 - opacity) * np.clip(image, 0, 1)[..., None] + opacity * colour


def mosaic(rows: Sequence[Sequence[np.ndarray | None]]) -> np.ndarray:
    """Images of one size in rows and columns, white between them and where there is none.

    Args:
        rows: each as long as the longest or shorter; (H, W) or (H, W, 3) in [0, 1], or None.

    Returns:
        (n (H + 3) - 3, m (W + 3) - 3, 3) float in [0, 1].

    Raises:
        InputError: there is no image, or their sizes differ.
    """
    given = [tile for row in rows for tile in row if tile is not None]
    if not given or any(tile.shape[:2] != given[0].shape[:2] for tile in given):
        raise InputError("no images, or images of several sizes", remedy="Give images of one size.")
    height, width = given[0].shape[:2]
    columns = max(len(row) for row in rows)
    sheet = np.ones((len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3))
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            if tile is not None:
                top, left = i * (height + GAP), j * (width + GAP)
                shown = np.clip(tile, 0, 1)
                sheet[top : top + height, left : left + width] = shown if tile.ndim == 3 else shown[..., None]
    return sheet


@svg_figure
def image_grid(
    rows: Sequence[Sequence[np.ndarray | None]],
    columns: Sequence[str],
    labels: Sequence[str],
    description: str,
) -> Drawing:
    """Images in rows and columns with a heading per column and a label per row.

    Args:
        rows: as of :func:`mosaic`.
        columns: headings.
        labels: of the rows; lines are broken at ``\\n``.
        description: what the figure shows, for somebody who cannot see it.
    """
    sheet = mosaic(rows)
    height, width = next(tile.shape[:2] for row in rows for tile in row if tile is not None)
    room = ROW_LABEL_INCHES if any(labels) else 0.1
    tile = min(TILE_INCHES, (FULL_WIDTH - room) / len(columns))
    heading = 0.18 * max(name.count("\n") + 1 for name in columns) + 0.06
    across, down = tile * len(columns), tile * len(rows) * height / width
    figure, axes = canvas(room + across, heading + down)
    figure.set_layout_engine("none")
    axes.set_position([room / (room + across), 0, across / (room + across), down / (heading + down)])
    # the pixels themselves go into the file; the viewer makes them as large as the page
    axes.imshow(sheet, interpolation="none", aspect="auto")
    axes.axis("off")
    for j, name in enumerate(columns):
        middle = j * (width + GAP) + width / 2
        axes.annotate(name, (middle, -0.5), (0, 4), textcoords="offset points", ha="center", va="bottom",
                      color=MUTED, fontsize=8, annotation_clip=False)  # fmt: skip
    for i, label in enumerate(labels):
        middle = i * (height + GAP) + height / 2
        axes.annotate(label, (-0.5, middle), (-6, 0), textcoords="offset points", ha="right", va="center",
                      color=INK, fontsize=8, annotation_clip=False)  # fmt: skip
    return Drawing(figure, description)


@svg_figure
def contact_sheet_figure(sheet: np.ndarray, description: str) -> Drawing:
    """One raster as it is.

    Args:
        sheet: (H, W) in [0, 1].
        description: what it shows.
    """
    height, width = sheet.shape
    figure, axes = canvas(FULL_WIDTH * 0.8, FULL_WIDTH * 0.8 * height / width)
    figure.set_layout_engine("none")
    axes.set_position([0, 0, 1, 1])
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="none", aspect="auto")
    axes.axis("off")
    return Drawing(figure, description)


@svg_figure
def paired_differences(differences: pd.DataFrame) -> Drawing:
    """AUROC of one model minus that of others, on the same resamples, with intervals.

    Args:
        differences: ``model``, ``other``, ``difference``, ``ci_low``, ``ci_high``; one row per line, the first on top.

    Raises:
        InputError: there is none.
    """
    if differences.empty:
        raise InputError("no pair of models was compared", remedy="It takes labels of both kinds in test.")
    figure, axes = canvas(FULL_WIDTH * 0.75, 0.9 + 0.32 * len(differences))
    for y, row in enumerate(differences.itertuples()):
        decided = row.ci_low > 0 or row.ci_high < 0
        colour = (MODEL_COLOURS[0] if row.difference > 0 else ANOMALOUS) if decided else MUTED
        axes.plot([row.ci_low, row.ci_high], [y, y], color=colour, lw=2)
        axes.plot([row.difference], [y], "o", color=colour, ms=5)
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_yticks(
        range(len(differences)),
        [f"{model_label(r.model)} − {model_label(r.other)}" for r in differences.itertuples()],
    )
    axes.set_ylim(len(differences) - 0.5, -0.5)
    axes.set_xlabel("difference in AUROC, 95 % interval (paired, by patient)")
    axes.grid(axis="y", visible=False)
    ahead = int((differences["ci_low"] > 0).sum())
    behind = int((differences["ci_high"] < 0).sum())
    return Drawing(
        figure,
        f"{len(differences)} paired differences in AUROC: {ahead} with their interval above zero, {behind} below.",
    )
