"""Diseases of a patient from symptoms: knowledge, patients, ranking, probabilities."""
