"""Nodes of the detector of boxes: which boxes are known, which are found, how well, and the page about it."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.imaging.boxes.table import BoxTable
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.imaging.sources.image_cases import ImageParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.provenance import run_facts

BASELINE_NAME = "boxes_of_residual_map"
# share of the pixels of normal images above the threshold of the baseline's map
MAP_PIXELS = 0.003


def known_boxes_of_images(
    cases: pd.DataFrame,
    manifest: pd.DataFrame,
    masks: dict[str, np.ndarray],
    table: BoxTable | None,
    params: ImageParams,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]:
    """Boxes on prepared images, of which images they are known, refused boxes with reasons, and counts."""
    from medanomaly.imaging.supervised.box_bundles import known_boxes

    boxes, states, refused, notes = known_boxes(cases, manifest, masks, table, params.contract)
    summary = {
        "n_boxes": len(boxes),
        "n_refused": len(refused),
        "reasons": {str(reason): int(n) for reason, n in refused["reason"].value_counts().items()},
        "states": {str(state): int(n) for state, n in states["state"].value_counts().items()},
        "from_masks": table is None,
        "notes": list(notes),
    }
    return boxes, states, refused, summary


def draw_boxes(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    boxes: pd.DataFrame,
    states: pd.DataFrame,
    bundle: Bundle,
) -> pd.DataFrame:
    """Boxes on the test images that are known, of the detector and of the map that is its baseline.

    Returns:
        ``case_id, model, role, label, x0, y0, x1, y1`` (px of the prepared image), ``score, p_value, drawn``.
    """
    from medanomaly.core.scores import BASELINE, MODEL
    from medanomaly.imaging.supervised.box_bundles import BOXES, NORMAL, BoxScorer, rows_of

    image_array, scorer = ImageArray(images, manifest["row"]), BoxScorer(bundle)
    test = rows_of(cases, states, "test", BOXES, NORMAL)
    given = image_array[test]
    found = [scorer.boxes(given).assign(model=bundle.manifest.name, role=MODEL)]
    normal = {part: rows_of(cases, states, part, NORMAL) for part in ("train", "calibration")}
    mapped = _boxes_of_residual_map(image_array, normal, given, bundle)
    if mapped is not None:
        found.append(mapped.assign(model=BASELINE_NAME, role=BASELINE, p_value=np.nan, drawn=False))
    together = pd.concat(found, ignore_index=True)
    case = cases["case_id"].to_numpy()[test][together["image"].to_numpy(dtype=np.int64)]
    columns = ["case_id", "model", "role", "label", "x0", "y0", "x1", "y1", "score", "p_value", "drawn"]
    return together.assign(case_id=case)[columns]


def _boxes_of_residual_map(
    image_array: ImageArray, normal: dict[str, np.ndarray], given: np.ndarray, bundle: Bundle
) -> pd.DataFrame | None:
    """Boxes of what principal components of normal train images do not explain; None where there are too few of these."""
    from medanomaly.evaluation.images.localisation import healthy_threshold
    from medanomaly.imaging.boxes.of_maps import ResidualMap, boxes_of_maps
    from medanomaly.imaging.supervised.box_bundles import ONE_LABEL

    components = min(32, len(normal["train"]) // 4)
    if components < 2 or len(normal["calibration"]) < 2 or len(bundle.manifest["spec"]["labels"]) > 1:
        return None
    healthy = image_array[normal["calibration"]]
    model = ResidualMap(components).fit(image_array[normal["train"]], healthy)
    threshold = healthy_threshold(model.maps(healthy), MAP_PIXELS)
    most = bundle.manifest["decoding"]["most"]
    return boxes_of_maps(model.maps(given), threshold, most=most, name=ONE_LABEL)


def measure_boxes(
    cases: pd.DataFrame,
    boxes: pd.DataFrame,
    states: pd.DataFrame,
    found: pd.DataFrame,
    bundle: Bundle,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> pd.DataFrame:
    """A metrics table of the detector and of its baseline, on the test images that are known."""
    from medanomaly.core.scores import BASELINE
    from medanomaly.evaluation.images.boxes import detection_metrics
    from medanomaly.evaluation.metrics import METRIC_COLUMNS
    from medanomaly.imaging.supervised.box_bundles import (
        BOXES,
        MODALITY,
        NORMAL,
        BoxScorer,
        boxes_in,
        rows_of,
    )

    scorer = BoxScorer(bundle)
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
            threshold=np.inf if role == BASELINE else scorer.threshold,
            n_resamples=params.n_resamples,
            seed=run.seed,
            confidence=params.confidence,
        )
        at_threshold = measured["metric"].isin(["sensitivity", "precision", "false_boxes_per_normal_image"])
        tables.append(measured[~at_threshold | (role != BASELINE)].assign(model=model, role=role))
    table = pd.concat(tables, ignore_index=True).assign(
        modality=MODALITY, split="test", subgroup="", n=len(test), n_positive=int(true["image"].nunique())
    )
    text = dict.fromkeys(("modality", "model", "role", "split", "subgroup", "metric"), "string")
    return table[list(METRIC_COLUMNS)].astype(text | {"n": "Int64", "n_positive": "Int64"})


def write_box_report(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    boxes: pd.DataFrame,
    states: pd.DataFrame,
    summary: dict,
    found: pd.DataFrame,
    bundle: Bundle,
    metrics: pd.DataFrame,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> str:
    """How well boxes are found, what the threshold holds, and test images with true and found boxes."""
    from medanomaly.imaging.supervised.box_bundles import BOXES, NORMAL, rows_of
    from medanomaly.reporting.imaging import boxes as box_report
    from medanomaly.reporting.report import render_page

    image_array, name = ImageArray(images, manifest["row"]), bundle.manifest.name
    shown = {state: rows_of(cases, states, "test", state)[: box_report.SHOWN] for state in (BOXES, NORMAL)}
    rows = np.concatenate([shown[BOXES], shown[NORMAL]])
    drawn = found[found["model"].eq(name) & found["drawn"].astype(bool)]
    figure = box_report.box_figure(
        image_array[rows],
        [boxes[boxes["image"] == row] for row in rows],
        [drawn[drawn["case_id"] == case] for case in cases["case_id"].to_numpy()[rows]],
    )
    sections = [
        box_report.measures_section(metrics, name),
        box_report.threshold_section(bundle.manifest["box_threshold"], metrics, name),
        box_report.boxes_section(summary, [figure] if figure else []),
    ]
    facts = run_facts(params, alarm, run, [cases])
    return render_page(
        facts, "box report", "Lesions, with boxes about them,", box_report.box_lead(metrics, name), sections
    )
