"""Free text to symptoms: which terms of the ontology a note names, of whom, and whether they are there."""
