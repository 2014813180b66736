"""Detectors of beats: on features, on waveforms, on whole recordings."""

from medanomaly.pipelines.signal_models.pipeline import create_pipeline

__all__ = ["create_pipeline"]
