"""Ranking metrics, resamples of patients, intervals."""
