"""Detectors of rows of features, for any kind of data: preprocessing, estimators, training, scoring."""
