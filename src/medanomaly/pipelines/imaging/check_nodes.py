"""Nodes that check models of images, and score what they are compared with."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import reference_cases
from medanomaly.core.scores import BASELINE, MODEL, score_table
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.imaging.image_models import normal_rows
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.monitoring.facts import CalibrationFacts
from medanomaly.parameters import AlarmParams, RunParams

# images that are scored at once
BATCH = 1024


def check_model(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    masks: dict[str, np.ndarray],
    bundle: Bundle,
    params: EvaluationParams,
    run: RunParams,
) -> dict:
    """Identity leak, planted lesions, and own lesions where there are masks."""
    from medanomaly.imaging import model_checks
    from medanomaly.imaging.image_scorer import ImageScorer

    images, scorer = ImageArray(images, manifest["row"]), ImageScorer(bundle)
    rows, patient = normal_rows(cases), cases["patient_id"].to_numpy()
    healthy, resampling = images[rows], {"n_resamples": params.n_resamples, "seed": run.seed}
    found = {
        "leak": model_checks.leak(bundle, healthy, patient[rows], **resampling),
        "planted": model_checks.planted_lesions(scorer, healthy, patient[rows], **resampling),
    }
    test = (cases["split"] == "test").to_numpy()
    shown = masks["masks"].any(axis=(1, 2)) & test[masks["rows"]] if len(masks["rows"]) else np.zeros(0, bool)
    if shown.any():
        rows = masks["rows"][shown]
        found["own"] = model_checks.own_lesions(
            scorer, healthy, images[rows], masks["masks"][shown], patient[rows], **resampling
        )
    return found


def check_batches(
    cases: pd.DataFrame, features: pd.DataFrame, scores: pd.DataFrame, alarm: AlarmParams, run: RunParams
) -> dict[str, dict]:
    """Model to whether its p-values hold for the test images."""
    from medanomaly.imaging.model_checks import batch_check

    calibration = reference_cases(cases, "calibration").to_numpy()
    test, numbers = (cases["split"] == "test").to_numpy(), features.drop(columns="case_id")
    labels = cases["label"][test].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    abnormal = (cases["split"].eq("calibration") & cases["label"].eq(1).fillna(False)).to_numpy(dtype=bool)
    single = ~cases["patient_id"].duplicated().to_numpy()
    facts = CalibrationFacts(numbers[calibration & single], numbers[abnormal & single])
    found = {}
    for name, of_model in scores[scores["role"] == MODEL].groupby("model", sort=False):
        score = of_model["score"].to_numpy()
        found[str(name)] = batch_check(
            score[calibration], score[test], facts, numbers[test], single[test], alarm.alpha, labels, run.seed
        )
    return found


def score_baselines(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    group_by: str | None = None,
    min_group_size: int = 100,
) -> pd.DataFrame:
    """Score table of what every model has to beat: shape, brightness, sharpness, PCA, nearest image, local norm."""
    from medanomaly.imaging.baselines import baselines

    images, aspect = ImageArray(images, manifest["row"]), manifest["aspect"].to_numpy()
    fitted = np.flatnonzero(reference_cases(cases, "train").to_numpy())
    tables = []
    for name, baseline in baselines().items():
        baseline.fit(images[fitted], aspect[fitted])
        parts = [
            baseline.score(images[i : i + BATCH], aspect[i : i + BATCH]) for i in range(0, len(images), BATCH)
        ]
        score = np.concatenate(parts)
        tables.append(score_table(cases, score, name, None, group_by, min_group_size, BASELINE))
    return pd.concat(tables, ignore_index=True)
