"""One answer for a patient: p-values of several modalities become one that holds."""
