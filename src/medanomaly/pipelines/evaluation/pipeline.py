"""Wiring of the evaluation."""

from kedro.pipeline import Pipeline


def create_pipeline(**_) -> Pipeline:
    return Pipeline([])
