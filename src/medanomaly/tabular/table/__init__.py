"""Raw tables: their description, cleaning, units, plausibility rules and quality."""
