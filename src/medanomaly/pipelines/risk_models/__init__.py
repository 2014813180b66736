"""Probabilities of the label for tables and films with labels; apart from the anomaly scores, and run by name."""

from medanomaly.pipelines.risk_models.pipeline import create_pipeline

__all__ = ["create_pipeline"]
