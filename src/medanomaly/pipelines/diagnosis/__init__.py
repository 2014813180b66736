"""Symptoms of patients: phenopackets, FHIR bundles, tables of symptoms."""
