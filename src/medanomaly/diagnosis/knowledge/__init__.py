"""What is known of diseases: the Human Phenotype Ontology, its annotations of diseases, and where they lie."""
