"""Experiment trackers: send the results of a run to where its team looks."""
