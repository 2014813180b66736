"""The generator of the embedded cohort: patients, their measurements, planted anomalies."""
