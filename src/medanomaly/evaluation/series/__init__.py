"""Metrics of events and ranges in time."""
