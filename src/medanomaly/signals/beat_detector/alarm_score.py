"""What an alarm listens to: the score, what shape alone says, and in fibrillation only that.

Ventricular beats that come late (escape rhythm) or on time (fusion) have little of the rhythm terms in their score;
inside atrial fibrillation the rhythm terms are high for every beat. Shape, counted twice, with the prematurity of the
shape's whole cluster reaches about the range of the full score, so that one threshold serves all three.
"""

import numpy as np

from medanomaly.core.errors import InputError
from medanomaly.signals.beat_detector.fusion import CONTRIBUTIONS

CPM, SHAPE, RESID = (CONTRIBUTIONS.index(name) for name in ("cpm", "shape", "resid"))
# above which a beat's shape says that its RR interval is not one of the atria
ECTOPIC_SHAPE = 3.0


def ectopic_shape(contributions: np.ndarray) -> np.ndarray:
    """(n,) bool, beats of abnormal shape, to be left out where the rhythm of the atria is judged."""
    return contributions[:, SHAPE] + contributions[:, RESID] > ECTOPIC_SHAPE


def alarm_score(contributions: np.ndarray, in_fibrillation: np.ndarray) -> np.ndarray:
    """Score that alarms are raised on.

    Args:
        contributions: (n, 7) of ``BeatDetector.explain``.
        in_fibrillation: (n,) bool, beats inside an episode of atrial fibrillation.

    Returns:
        (n,) ``max(score, shape view)``, and the shape view alone in fibrillation; it is ``cpm + 2 (shape + resid)``.

    Raises:
        InputError: lengths differ.
    """
    if len(contributions) != len(in_fibrillation):
        raise InputError(f"{len(contributions)} beats and {len(in_fibrillation)} flags of fibrillation")
    shape = contributions[:, CPM] + 2 * (contributions[:, SHAPE] + contributions[:, RESID])
    score = np.maximum(contributions.sum(axis=1), shape)
    return np.where(in_fibrillation, shape, score)
