"""The shared vocabulary: cases, splits, scores, p-values, alarms, bundles, errors. Imports nothing of the project."""
