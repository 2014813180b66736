"""Biosignals: recordings, quality, features, beats and detectors."""
