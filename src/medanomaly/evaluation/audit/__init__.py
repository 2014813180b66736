"""Audit of leaks, shortcuts and guarantees; trivial baselines."""
