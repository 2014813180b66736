"""Parameters of long series and their detectors; importable without compiled code."""

from pydantic import Field

from medanomaly.core.models import ModelParams
from medanomaly.core.params import Params

SERIES_KINDS = (
    "one_liner",
    "energy",
    "window_forest",
    "window_components",
    "window_clusters",
    "matrix_profile",
    "many_scale_profile",
)


class SeriesParams(Params):
    """How series become windows.

    Attributes:
        train_share: share of the normal beginning that detectors learn from; the rest calibrates.
        periods: length of a window in periods of the series (50 to 1000 samples).
        longest: samples. The time of matrix profiles grows with the square of the length, so longer series are averaged
            by 2, 3, ...
    """

    train_share: float = Field(0.6, gt=0, lt=1)
    periods: float = Field(1.0, gt=0)
    longest: int = Field(30_000, ge=1000)


class SeriesDetectorParams(ModelParams):
    """Which detector of series, and its options."""

    kind: str
    options: dict[str, bool] = Field(default_factory=dict)
