"""Boxes on test images: those of a detector, those of the map that is its baseline, and how good both are."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.scores import BASELINE, MODEL
from medanomaly.evaluation.images.boxes import detection_metrics
from medanomaly.evaluation.images.localisation import healthy_threshold
from medanomaly.evaluation.metrics import metric_table
from medanomaly.imaging.boxes.of_maps import ResidualMap, boxes_of_maps
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.imaging.supervised.box_bundles import (
    BOXES,
    MODALITY,
    NORMAL,
    ONE_LABEL,
    BoxScorer,
    boxes_in,
    rows_of,
    score_threshold,
)

BASELINE_NAME = "boxes_of_residual_map"
# share of the pixels of normal images above the threshold of the baseline's map
MAP_PIXELS = 0.003
RESULT_COLUMNS = (
    "case_id", "model", "role", "label", "x0", "y0", "x1", "y1", "score", "p_value", "drawn",
)  # fmt: skip


def found_boxes(
    images: ImageArray, cases: pd.DataFrame, states: pd.DataFrame, bundle: Bundle
) -> pd.DataFrame:
    """Boxes on the test images that are known, of the detector and of its baseline.

    Args:
        images: image i is case i.
        cases: case table.
        states: of :func:`medanomaly.imaging.supervised.box_bundles.known_boxes`.
        bundle: of the detector.

    Returns:
        :data:`RESULT_COLUMNS`; corners in px of the prepared image.
    """
    test = rows_of(cases, states, "test", BOXES, NORMAL)
    given = images[test]
    found = [BoxScorer(bundle).boxes(given).assign(model=bundle.manifest.name, role=MODEL)]
    normal = {part: rows_of(cases, states, part, NORMAL) for part in ("train", "calibration")}
    mapped = _boxes_of_residual_map(images, normal, given, bundle)
    if mapped is not None:
        found.append(mapped.assign(model=BASELINE_NAME, role=BASELINE, p_value=np.nan, drawn=False))
    together = pd.concat(found, ignore_index=True)
    case = cases["case_id"].to_numpy()[test][together["image"].to_numpy(dtype=np.int64)]
    return together.assign(case_id=case)[list(RESULT_COLUMNS)]


def _boxes_of_residual_map(
    images: ImageArray, normal: dict[str, np.ndarray], given: np.ndarray, bundle: Bundle
) -> pd.DataFrame | None:
    """Boxes of what principal components of normal train images do not explain; None where there are too few of these."""
    components = min(32, len(normal["train"]) // 4)
    if components < 2 or len(normal["calibration"]) < 2 or len(bundle.manifest["spec"]["labels"]) > 1:
        return None
    healthy = images[normal["calibration"]]
    model = ResidualMap(components).fit(images[normal["train"]], healthy)
    threshold = healthy_threshold(model.maps(healthy), MAP_PIXELS)
    most = bundle.manifest["decoding"]["most"]
    return boxes_of_maps(model.maps(given), threshold, most=most, name=ONE_LABEL)


def box_metrics(
    cases: pd.DataFrame,
    boxes: pd.DataFrame,
    states: pd.DataFrame,
    found: pd.DataFrame,
    bundle: Bundle,
    *,
    n_resamples: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Metrics table of the detector and of its baseline, on the test images that are known.

    Args:
        cases: case table; boxes, states: of :func:`medanomaly.imaging.supervised.box_bundles.known_boxes`.
        found: of :func:`found_boxes`.
        bundle: of the detector.
        n_resamples, confidence, seed: of the intervals.
    """
    test = rows_of(cases, states, "test", BOXES, NORMAL)
    true = boxes_in(boxes, test, bundle.manifest["options"]["one_label"])
    place = pd.Series(np.arange(len(test)), index=cases["case_id"].to_numpy()[test])
    tables = []
    for (model, role), of in found.groupby(["model", "role"], sort=False):
        measured = detection_metrics(
            of.assign(image=place[of["case_id"]].to_numpy()),
            true,
            cases["patient_id"].to_numpy()[test],
            # no rate of false boxes was asked of the baseline
            threshold=np.inf if role == BASELINE else score_threshold(bundle),
            n_resamples=n_resamples,
            seed=seed,
            confidence=confidence,
        )
        at_threshold = measured["metric"].isin(["sensitivity", "precision", "false_boxes_per_normal_image"])
        tables.append(measured[~at_threshold | (role != BASELINE)].assign(model=model, role=role))
    return metric_table(
        pd.concat(tables, ignore_index=True).assign(
            modality=MODALITY, split="test", subgroup="", n=len(test), n_positive=int(true["image"].nunique())
        )
    )
