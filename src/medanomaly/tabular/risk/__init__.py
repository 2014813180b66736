"""Supervised risk models for tables with labels: calibrated probabilities of the label, never anomaly scores."""
