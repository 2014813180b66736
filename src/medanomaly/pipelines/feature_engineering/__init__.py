"""Clean records to features."""

from medanomaly.pipelines.feature_engineering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
