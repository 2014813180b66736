"""Score tables to metrics, audit, figures and the report."""

from medanomaly.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
