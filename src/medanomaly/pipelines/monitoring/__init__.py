"""Monitoring: what changed in a period of predictions."""
