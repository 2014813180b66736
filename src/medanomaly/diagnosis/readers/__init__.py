"""Readers of patients' symptoms, one per format."""
