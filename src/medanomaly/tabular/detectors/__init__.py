"""Detectors of unusual records, one a file: scikit-learn estimators that also say which feature is unusual."""
