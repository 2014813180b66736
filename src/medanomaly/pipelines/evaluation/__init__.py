"""Evaluation: metrics, audit, sections and reports, whatever the modality."""
