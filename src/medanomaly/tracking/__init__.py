"""Experiment trackers: what a run measured, sent to where its team looks."""
