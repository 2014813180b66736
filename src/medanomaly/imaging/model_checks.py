"""Checks of a trained image model: does it copy, does it find planted lesions, do its p-values hold?"""

from dataclasses import asdict

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.conformal import score_threshold
from medanomaly.evaluation.images.localisation import healthy_threshold, localisation
from medanomaly.evaluation.recalibration import SMALLEST_BATCH, recalibrate
from medanomaly.evaluation.resampling.ranking import auroc_between
from medanomaly.evaluation.resampling.ratio_intervals import ratio_intervals
from medanomaly.imaging.image_models import detector_of
from medanomaly.imaging.image_scorer import ImageScorer
from medanomaly.imaging.maps.lesions import paste_lesions
from medanomaly.imaging.networks.kinds import network_kinds
from medanomaly.monitoring.batch_shift import check_shift
from medanomaly.monitoring.facts import CalibrationFacts

CHECKED_IMAGES = 200
HEALTHY_MAPS = 50


def reconstructs(bundle: Bundle) -> bool:
    """Whether the model of a bundle gives back an image."""
    return (
        "spec" in bundle.manifest
        and network_kinds()[bundle.manifest["spec"]["params"]["network"]].reconstructs
    )


def planted_lesions(
    scorer: ImageScorer, healthy: np.ndarray, patient: np.ndarray, *, n_resamples: int, seed: int
) -> dict[str, float]:
    """How well scores and maps find lesions that were pasted into real normal images.

    One half of the images sets the threshold of the maps; the other half is measured.

    Args:
        scorer: the model.
        healthy: (n, size, size) normal images that it was not fitted on.
        patient: (n,) whose images they are.
        n_resamples: of patients, for the intervals.
        seed: of the lesions and the resamples.

    Returns:
        ``auroc`` of lesion against no lesion, and the figures of :func:`localisation` with ``_low`` and ``_high``.
    """
    lesions = paste_lesions(healthy, seed)
    half = len(healthy) // 2
    (normal, normal_maps), (found, maps) = scorer.look(healthy), scorer.look(lesions.images)
    threshold = healthy_threshold(normal_maps[:half])
    table = localisation(
        maps[half:], lesions.masks[half:], threshold, patient[half:], n_resamples=n_resamples, seed=seed
    )
    return {"auroc": auroc_between(normal, found)} | _flat(table)


def own_lesions(
    scorer: ImageScorer,
    healthy: np.ndarray,
    images: np.ndarray,
    masks: np.ndarray,
    patient: np.ndarray,
    *,
    n_resamples: int,
    seed: int,
) -> dict[str, float]:
    """How well maps find the lesions of abnormal images with masks, at the threshold of healthy images."""
    threshold = healthy_threshold(scorer.maps(healthy[:HEALTHY_MAPS]))
    return _flat(
        localisation(scorer.maps(images), masks, threshold, patient, n_resamples=n_resamples, seed=seed)
    )


def _flat(table: pd.DataFrame) -> dict[str, float]:
    found = {}
    for metric, row in table.set_index("metric").iterrows():
        found |= {metric: row["value"], f"{metric}_low": row["ci_low"], f"{metric}_high": row["ci_high"]}
    return {name: float(value) for name, value in found.items()}


def leak(
    bundle: Bundle, healthy: np.ndarray, patient: np.ndarray, *, n_resamples: int, seed: int
) -> dict[str, float] | None:
    """Identity leak of a model that reconstructs, with a bootstrap interval over patients; None for any other.

    ``explained`` belongs to it: a network that answers every image with the mean image has no leak and explains nothing.
    """
    from medanomaly.imaging.maps.identity_leak import explained_variance, identity_leak

    if not reconstructs(bundle):
        return None
    reconstruct = detector_of(bundle).reconstruct
    found = identity_leak(reconstruct, healthy, seed=seed)
    of_images = found.per_image[:, None]
    _, low, high = ratio_intervals(
        of_images, np.ones_like(of_images), patient, n_resamples=n_resamples, seed=seed
    )
    return {
        "value": found.leak,
        "low": float(low[0]),
        "high": float(high[0]),
        "explained": explained_variance(reconstruct, healthy),
    }


def batch_check(
    calibration: np.ndarray,
    batch: np.ndarray,
    calibration_facts: CalibrationFacts,
    batch_facts: pd.DataFrame,
    single: np.ndarray,
    alpha: float,
    labels: np.ndarray,
    seed: int,
) -> dict:
    """Whether p-values hold for a batch, and what recalibration without labels would give. Labels only measure the result.

    Args:
        calibration: (m,) scores of calibration normals; batch: (n,) of the batch.
        calibration_facts, batch_facts: how the images were taken.
        single: (n,) bool, one image per patient: independent ones, which the check reads.
        alpha: target false-alarm rate.
        labels: (n,) float, 0 normal, 1 anomalous, NaN unknown.
        seed: of the recalibration.

    Returns:
        ``verdict``, ``reason``, ``p``; ``false_alarms`` and ``sensitivity`` measured on the batch, and ``recalibrated_...``
        where the batch is large enough. A share is None where labels are missing.
    """
    check = asdict(check_shift(calibration, batch[single], calibration_facts, batch_facts[single]))
    normal, abnormal = labels == 0, labels == 1

    def shares(threshold: float, prefix: str) -> dict:
        flagged = batch > threshold
        return {
            f"{prefix}{name}": float(flagged[which].mean()) if which.any() else None
            for name, which in (("false_alarms", normal), ("sensitivity", abnormal))
        }

    found = {"verdict": check["verdict"], "reason": check["reason"], "p": _or_none(check["p"])}
    found |= shares(score_threshold(np.sort(calibration), alpha), "")
    if min(len(calibration), len(batch)) >= SMALLEST_BATCH and np.ptp(batch) > 0 and np.ptp(calibration) > 0:
        found |= shares(recalibrate(calibration, batch, seed).threshold(alpha), "recalibrated_")
    return found


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
