"""Nodes that check on test images what a supervised model of images shows: its maps, its outlines."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import reference_cases
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.parameters import AlarmParams, RunParams, judged_as_flagged

# so many abnormal images are deleted and inserted, with parts of so many normal ones
CHECKED, NORMALS = 50, 200
MAP_COLUMNS = ("measure", "value", "random", "gain", "ci_low", "ci_high", "n")
OUTLINE_COLUMNS = ("measure", "value", "ci_low", "ci_high", "n")


def check_maps(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    bundle: Bundle,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> pd.DataFrame:
    """Deletion and insertion by Grad-CAM and in random order on abnormal test images; empty where there is none.

    ``gain`` is the difference of the two in the direction that is good, with its interval over patients.
    """
    from medanomaly.evaluation.resampling.ratio_intervals import mean_interval
    from medanomaly.imaging.maps.gradcam import check_grad_cam
    from medanomaly.imaging.supervised.models import ImageClassifier

    image_array, settings = ImageArray(images, manifest["row"]), judged_as_flagged(params, alarm, run)
    abnormal = np.flatnonzero((cases["split"].eq("test") & cases["label"].eq(1)).fillna(False).to_numpy(bool))
    if not len(abnormal):
        return pd.DataFrame(columns=list(MAP_COLUMNS))
    chosen = np.random.default_rng(run.seed).permutation(abnormal)[:CHECKED]
    normal = np.flatnonzero(reference_cases(cases, "calibration").to_numpy())[:NORMALS]
    model = ImageClassifier.from_weights(bundle.manifest["spec"], bundle.files["weights.safetensors"])
    areas = check_grad_cam(model, image_array[chosen], image_array[normal], run.seed)
    patient = cases["patient_id"].to_numpy()[chosen]
    rows = []
    for measure, area, random, sign in (
        ("deletion", areas.deletion, areas.random_deletion, -1),
        ("insertion", areas.insertion, areas.random_insertion, 1),
    ):
        gain = mean_interval(sign * (area - random), patient, settings)
        rows.append((measure, area.mean(), random.mean(), *gain, len(chosen)))
    return pd.DataFrame(rows, columns=list(MAP_COLUMNS))


def measure_outlines(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    masks: dict[str, np.ndarray],
    segmenters: dict[str, Bundle],
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> pd.DataFrame:
    """Dice, IoU and boundary F1 of test images with a lesion, and the share of the others on which anything is outlined.

    Empty without a segmenter.
    """
    from medanomaly.evaluation.images.segmentation import segmentation_metrics
    from medanomaly.evaluation.resampling.ratio_intervals import mean_interval
    from medanomaly.imaging.supervised.bundles import ImageRiskScorer, with_outlines

    rows = []
    for bundle in segmenters.values():
        settings = judged_as_flagged(params, alarm, run)
        chosen, true = with_outlines(cases, masks["masks"], masks["rows"], "test")
        found = ImageRiskScorer(bundle).outlines(ImageArray(images, manifest["row"])[chosen])
        shown, patient = true.any(axis=(1, 2)), cases["patient_id"].to_numpy()[chosen]
        measured = segmentation_metrics(found[shown], true[shown])
        for measure, values, who in (
            *((name, values, patient[shown]) for name, values in measured.items()),
            ("normal_outlined", found[~shown].any(axis=(1, 2)), patient[~shown]),
        ):
            if len(values):
                rows.append((measure, *mean_interval(values, who, settings), len(values)))
    return pd.DataFrame(rows, columns=list(OUTLINE_COLUMNS))
