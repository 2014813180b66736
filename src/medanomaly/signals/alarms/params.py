"""Parameters of alarms; importable without compiled code."""

from pydantic import Field

from medanomaly.core.params import Params


class EpisodeParams(Params):
    """When beats become an alarm.

    Attributes:
        per_hour: false episodes per hour that all calibration recordings together may have.
        gap_s: alarms with at most this gap (in seconds) between them are one episode.
    """

    per_hour: float = Field(5.0, gt=0)
    gap_s: float = Field(5.0, ge=0)
