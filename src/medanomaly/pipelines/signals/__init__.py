"""Signals: beats of recordings, beats that were cut out, windows of long series."""
