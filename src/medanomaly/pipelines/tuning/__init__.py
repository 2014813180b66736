"""Search for hyper-parameters, run by name."""

from medanomaly.pipelines.tuning.pipeline import create_pipeline

__all__ = ["create_pipeline"]
