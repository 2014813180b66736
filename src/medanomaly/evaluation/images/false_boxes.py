"""A threshold that holds a rate of false boxes per normal image, by conformal risk control."""

import math

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, InputError


def fewest_normals(rate: float, most: int) -> int:
    """Patients with normal images that are needed before any box can be drawn at this rate."""
    return math.ceil(most / rate - 1e-9) - 1


def false_box_threshold(
    found: pd.DataFrame, images: np.ndarray, patient: np.ndarray, rate: float, most: int
) -> float:
    """The lowest score at which a new normal image gets ``rate`` false boxes or fewer on average.

    Conformal risk control (Angelopoulos et al. 2022, theorem 1): the number of boxes of a patient's normal image falls as
    the threshold rises, and it is never above ``most``. So the threshold is the lowest with
    ``(sum over n patients of their mean number of boxes + most) / (n + 1) <= rate``. The expectation is over calibration
    and new patients together, who must be exchangeable.

    Args:
        found: ``image`` and ``score`` of all boxes found on calibration images.
        images: (k,) rows of the calibration images that show nothing.
        patient: (k,) whose they are.
        rate: false boxes per normal image that are asked for.
        most: largest number of boxes that the detector gives per image.

    Returns:
        Boxes of at least this score are drawn; infinite where there are fewer patients than :func:`fewest_normals`.

    Raises:
        ConfigurationError: a rate of 0 or less. InputError: more boxes on an image than ``most``.
    """
    if not rate > 0:
        raise ConfigurationError(
            f"a rate of {rate} false boxes per image", remedy="Give a rate above 0, such as 0.1."
        )
    images, code = np.asarray(images), pd.factorize(np.asarray(patient, dtype=object))[0]
    on_normals = found[found["image"].isin(images)]
    if on_normals["image"].value_counts().max() > most:
        raise InputError(
            f"more than {most} boxes on an image", remedy="Give the limit that the boxes were drawn with."
        )
    n_patients = int(code.max(initial=-1)) + 1
    if n_patients < fewest_normals(rate, most):
        return math.inf
    share = pd.Series(1.0 / np.bincount(code)[code], index=images)
    by_score = (
        pd.DataFrame(
            {"score": on_normals["score"].to_numpy(), "share": share[on_normals["image"]].to_numpy()}
        )
        .groupby("score")["share"]
        .sum()
        .iloc[::-1]
    )
    too_many = (by_score.cumsum() + most) / (n_patients + 1) > rate + 1e-12
    # boxes of the first score that is too many are left out, and those above it are drawn
    return float(np.nextafter(by_score.index[np.argmax(too_many)], np.inf)) if too_many.any() else 0.0
