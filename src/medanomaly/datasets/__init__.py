"""Kedro datasets: read raw data, read and write bundles and figures."""
