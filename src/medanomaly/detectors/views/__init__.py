"""Fitted views of a matrix: standardised, rank-Gaussian, percentiles."""
