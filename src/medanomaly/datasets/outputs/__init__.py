"""Kedro datasets of what pipelines make: bundles, pages, arrays."""
