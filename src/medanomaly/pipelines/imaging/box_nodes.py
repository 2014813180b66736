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
    states: pd.DataFrame,
    bundle: Bundle,
) -> pd.DataFrame:
    """Boxes on the test images that are known, of the detector and of the map that is its baseline."""
    from medanomaly.imaging.supervised.box_results import found_boxes

    return found_boxes(ImageArray(images, manifest["row"]), cases, states, bundle)


def measure_boxes(
    cases: pd.DataFrame,
    boxes: pd.DataFrame,
    states: pd.DataFrame,
    found: pd.DataFrame,
    bundle: Bundle,
    params: EvaluationParams,
    run: RunParams,
) -> pd.DataFrame:
    """A metrics table of the detector and of its baseline, on the test images that are known."""
    from medanomaly.imaging.supervised.box_results import box_metrics

    how = {"n_resamples": params.n_resamples, "confidence": params.confidence, "seed": run.seed}
    return box_metrics(cases, boxes, states, found, bundle, **how)


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
