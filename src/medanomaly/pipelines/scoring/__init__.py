"""Scoring: answers of trained models to raw cases of a file or a folder."""
