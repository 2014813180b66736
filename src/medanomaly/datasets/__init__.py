"""Kedro datasets: how raw files, bundles and figures get in and out."""
