"""What a table is: its description, cleaning, units, plausibility rules, quality."""
