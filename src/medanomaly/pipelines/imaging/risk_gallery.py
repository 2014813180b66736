"""Images that the page about supervised models shows: with maps of Grad-CAM, with outlines."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.evaluation.images.segmentation import outline
from medanomaly.imaging.maps.gradcam import grad_cam
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.imaging.supervised.bundles import ImageRiskScorer, with_outlines
from medanomaly.imaging.supervised.models import ImageClassifier
from medanomaly.reporting.figures.images import image_grid, overlay
from medanomaly.reporting.imaging.risk import shown_kind
from medanomaly.reporting.sections import Figure
from medanomaly.reporting.wording import counted, percent

SURE, WRONG, OUTLINED = 4, 3, 6
TRUE, FOUND = (0.25, 0.85, 0.45), (1.0, 0.55, 0.1)


def map_figures(
    image_array: ImageArray, cases: pd.DataFrame, scores: pd.DataFrame, bundle: Bundle
) -> list[Figure]:
    """The test images of highest probability, false alarms and misses, each next to its Grad-CAM map.

    Args:
        image_array: (n, size, size); cases: case table of n rows.
        scores: of the classifier, one row per test image.
        bundle: of the classifier.
    """
    model = ImageClassifier.from_weights(bundle.manifest["spec"], bundle.files["weights.safetensors"])
    threshold = percent(bundle.manifest["risk_threshold"]["probability"])
    ranked = cases.assign(place=np.arange(len(cases))).merge(scores, on="case_id", validate="one_to_one")
    ranked = ranked.sort_values("score", ascending=False, kind="stable")
    flagged = ranked["flagged"].fillna(False).astype(bool)
    normal, abnormal = (ranked["label"].eq(v).fillna(False).astype(bool) for v in (0, 1))
    groups = (
        (
            "Highest probability",
            "Colour: Grad-CAM (Selvaraju et al. 2017), scaled to the maximum of each image; it says where, not how much.",
            ranked.head(SURE),
        ),
        (
            "False alarms",
            f"Normal images given {threshold} or more, from the highest on.",
            ranked[normal & flagged].head(WRONG),
        ),
        (
            "Misses",
            f"Anomalous images given less than {threshold}, from the lowest on.",
            ranked[abnormal & ~flagged].tail(WRONG).iloc[::-1],
        ),
    )
    figures = []
    for title, reading, chosen in groups:
        if chosen.empty:
            continue
        images = image_array[chosen["place"].to_numpy()]
        rows = [
            [image, overlay(image, heat, 0.2, 1.0)]
            for image, heat in zip(images, grad_cam(model, images), strict=True)
        ]
        labels = [f"{shown_kind(case)}\n{percent(case.score)}" for case in chosen.itertuples()]
        about = f"{title}: {counted(len(rows), 'test image')} with what speaks for an anomaly."
        figures.append(Figure(title, reading, image_grid(rows, ["image", "Grad-CAM"], labels, about)))
    return figures


def outline_figure(
    image_array: ImageArray, cases: pd.DataFrame, masks: dict[str, np.ndarray], bundle: Bundle
) -> Figure | None:
    """Test images with the mask that they came with and what the segmenter outlines; None where no test image has one.

    Args:
        image_array, cases: as of :func:`map_figures`.
        masks: ``masks`` and ``rows`` of the images that came with one.
        bundle: of the segmenter.
    """
    rows, true = with_outlines(cases, masks["masks"], masks["rows"], "test")
    shown = np.flatnonzero(true.any(axis=(1, 2)))[:OUTLINED]
    if not len(shown):
        return None
    images = image_array[rows[shown]]
    found = ImageRiskScorer(bundle).outlines(images)
    tiles = [
        [image, _drawn(image, mask, TRUE), _drawn(image, guess, FOUND)]
        for image, mask, guess in zip(images, true[shown], found, strict=True)
    ]
    return Figure(
        "Outlines",
        "Green: the mask that the image came with. Orange: what the segmenter outlines.",
        image_grid(
            tiles,
            ["image", "mask", "outlined"],
            [shown_kind(case) for case in cases.iloc[rows[shown]].itertuples()],
            f"{counted(len(tiles), 'test image')} with true and found outlines.",
        ),
    )


def _drawn(image: np.ndarray, mask: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    tile = np.repeat(np.clip(image, 0, 1)[..., None], 3, axis=2)
    tile[outline(mask)] = colour
    return tile
