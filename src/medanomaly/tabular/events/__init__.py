"""Hospital records as events: one form for OMOP, FHIR, MEDS and CSV, and one recipe that makes features of it."""
