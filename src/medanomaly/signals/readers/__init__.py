"""Readers of recordings: WFDB, EDF, CSV, npz."""
