"""Beats: classes, split, features, rhythm, views, comparison beat by beat."""
