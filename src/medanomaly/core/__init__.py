"""The shared vocabulary: cases, splits, scores, p-values, alerts, bundles, errors. Imports nothing of the project."""
