"""Nodes of the supervised models of images: the segmenter, what a risk is compared with, and its measures."""

import numpy as np
import pandas as pd

from medanomaly.evaluation.params import EvaluationParams
from medanomaly.imaging.image_models import LBEParams
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.parameters import AlarmParams, RunParams, judged_as_flagged

# what a classifier has to beat without looking at the lungs
BASELINES = ("aspect ratio", "mean intensity", "sharpness")
# images that are scored at once
BATCH = 1024


def score_compared(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    alarm: AlarmParams,
    params: LBEParams | None = None,
) -> pd.DataFrame:
    """Score table of LBE and of what needs no model, to be compared with the risk; fitted as in imaging_models."""
    from medanomaly.core.cases import reference_cases
    from medanomaly.core.scores import BASELINE, MODEL, score_table
    from medanomaly.imaging.baselines import baselines
    from medanomaly.imaging.image_models import fitted_lbe

    images, aspect = ImageArray(images, manifest["row"]), manifest["aspect"].to_numpy()
    normal = np.flatnonzero(reference_cases(cases, "train").to_numpy())
    lbe = fitted_lbe(images[normal], cases["patient_id"].to_numpy()[normal], params or LBEParams())
    views = {"lbe": (lambda x, _: lbe.score(x), MODEL)}
    views |= {name: (baselines()[name].score, BASELINE) for name in BASELINES}
    starts = range(0, len(images), BATCH)
    tables = []
    for name, (view, role) in views.items():
        parts = [view(images[i : i + BATCH], aspect[i : i + BATCH]) for i in starts]
        score, groups = np.concatenate(parts), (alarm.group_by, alarm.min_group_size)
        tables.append(score_table(cases, score, name, alarm.alpha, *groups, role))
    return pd.concat(tables, ignore_index=True)


def measure_images(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    probabilities: pd.DataFrame,
    compared: pd.DataFrame,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics, with brier and ece, and paired differences from what it is compared with."""
    from medanomaly.evaluation.comparison import compare_models
    from medanomaly.evaluation.metrics import evaluate

    settings = judged_as_flagged(params, alarm, run)
    together = pd.concat([scores, compared], ignore_index=True)
    return (
        evaluate(cases, scores, "imaging_risk", settings, probabilities),
        compare_models(cases, together, "imaging_risk", settings),
    )
