"""Raw tables to clean records, quarantine and the case table with its split."""

from medanomaly.pipelines.data_processing.pipeline import create_pipeline

__all__ = ["create_pipeline"]
