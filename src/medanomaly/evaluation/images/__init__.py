"""Metrics of maps and outlines; metrics within strata."""
