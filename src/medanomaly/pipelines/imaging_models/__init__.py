"""Models of films: a density, networks that learn what is normal, and what every one of them has to beat."""

from medanomaly.pipelines.imaging_models.pipeline import create_pipeline

__all__ = ["create_pipeline"]
