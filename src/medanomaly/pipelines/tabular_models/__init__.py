"""Detectors on tables: fit, calibrate, bundle, score, explain."""

from medanomaly.pipelines.tabular_models.pipeline import create_pipeline

__all__ = ["create_pipeline"]
