"""Models of several classes for tables: which of the diagnoses a record has, rare ones among them."""
