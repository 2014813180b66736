"""Parameters of alarms; importable without compiled code."""

from pydantic import Field

from medanomaly.core.params import Params


class EpisodeParams(Params):
    """When beats become an alarm.

    Attributes:
        per_hour: false episodes per hour that a new patient is expected to have at most.
        most: the rate of one patient counts as at most so many times ``per_hour``. With fewer than ``most - 1``
            calibration patients nothing can be promised of a new one, and all of them together have ``per_hour``.
        gap_s: alarms with at most this gap (in seconds) between them are one episode.
    """

    per_hour: float = Field(5.0, gt=0)
    most: float = Field(4.0, gt=1)
    gap_s: float = Field(5.0, ge=0)
