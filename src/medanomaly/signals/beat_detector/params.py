"""Parameters of the beat detector; importable without compiled code."""

from collections.abc import Iterable

from pydantic import Field

from medanomaly.core.models import ModelParams


class BeatDetectorParams(ModelParams):
    """Parameters of :class:`medanomaly.signals.beat_detector.detector.BeatDetector`.

    Attributes:
        variant: ``either``, ``A`` or ``B`` (:data:`medanomaly.signals.beat_detector.fusion.VARIANTS`).
        causal: True uses nothing that comes later than 0.86 s after the R peak.
        learn_s: learning time of a recording in seconds; a third of the shortest recording is a good upper limit.
    """

    variant: str = "either"
    causal: bool = True
    learn_s: float = Field(300.0, gt=0)


def fitting_learn_s(lengths_s: Iterable[float]) -> str:
    """What to set where a learning time leaves nothing: a third of the shortest of these recordings, in seconds."""
    lengths = sorted(lengths_s)
    if not lengths:
        return "Bring recordings with good signal."
    return (
        f"These recordings last {lengths[0]:.0f} to {lengths[-1]:.0f} s: set models.signals.beat_detector.learn_s to "
        f"{max(1, int(lengths[0] // 3))} or less, and look at the quality of their signal."
    )
