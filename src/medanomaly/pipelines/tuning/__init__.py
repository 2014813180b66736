"""Tuning: a study of the options of one model."""
