"""Which signal models there are, and whether the environment's cases are beats or windows of long series."""

from medanomaly.modalities import active_models

# model -> what it looks at
BEAT_MODELS = {
    "isolation_forest": "features",
    "pca": "features",
    "lstm_autoencoder": "waveforms",
    "beat_detector": "recordings",
}
SERIES_MODELS = {"one_liner": "series", "matrix_profile": "series", "many_scale_profile": "series"}
MODELS = BEAT_MODELS | SERIES_MODELS


def signal_models() -> tuple[str, ...]:
    """Models that the environment names, else those of beats."""
    return active_models("signals", tuple(MODELS), tuple(BEAT_MODELS))


def cases_are_windows() -> bool:
    """Whether cases are windows of series rather than beats."""
    return any(model in SERIES_MODELS for model in signal_models())
