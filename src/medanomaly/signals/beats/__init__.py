"""Heart beats: tables, classes, split, filters, features, what is shown, and the comparison beat by beat."""
