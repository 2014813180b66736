"""Figures, the report, model cards and the terminal summary. Knows case and score tables, not modalities."""
