"""The generator of the embedded cohort: patients, what was measured on them, planted anomalies."""
