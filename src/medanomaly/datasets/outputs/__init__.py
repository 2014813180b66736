"""Kedro datasets for outputs of pipelines: bundles, pages, arrays."""
