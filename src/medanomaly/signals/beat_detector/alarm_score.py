"""The score that alarms are raised on: the full score or a score of shape alone; in fibrillation only the second.

Ventricular beats that come late (escape rhythm) or on time (fusion) get little from the rhythm terms. Inside atrial
fibrillation the rhythm terms are high for every beat. The score of shape counts the shape terms twice and adds the
prematurity of the whole cluster. It has about the range of the full score, so one threshold serves both.
"""

import numpy as np

from medanomaly.core.errors import InputError
from medanomaly.signals.beat_detector.fusion import CONTRIBUTIONS

CPM, SHAPE, RESID = (CONTRIBUTIONS.index(name) for name in ("cpm", "shape", "resid"))
# above it the shape of a beat says that the beat did not come from the atria
ECTOPIC_SHAPE = 3.0


def ectopic_shape(contributions: np.ndarray) -> np.ndarray:
    """(n,) bool, beats of abnormal shape, which are left out where the rhythm of the atria is judged."""
    return contributions[:, SHAPE] + contributions[:, RESID] > ECTOPIC_SHAPE


def alarm_score(contributions: np.ndarray, in_fibrillation: np.ndarray) -> np.ndarray:
    """Score that alarms are raised on.

    Args:
        contributions: (n, 7) of ``BeatDetector.explain``.
        in_fibrillation: (n,) bool, beats inside an episode of atrial fibrillation.

    Returns:
        (n,) ``max(score, shape score)``, and the shape score alone in fibrillation; it is ``cpm + 2 (shape + resid)``.

    Raises:
        InputError: lengths differ.
    """
    if len(contributions) != len(in_fibrillation):
        raise InputError(
            f"{len(contributions)} beats and {len(in_fibrillation)} flags of fibrillation",
            remedy="Give one flag per beat.",
        )
    shape = contributions[:, CPM] + 2 * (contributions[:, SHAPE] + contributions[:, RESID])
    score = np.maximum(contributions.sum(axis=1), shape)
    return np.where(in_fibrillation, shape, score)
