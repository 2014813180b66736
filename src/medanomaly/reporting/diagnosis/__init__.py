"""What a report says of rankings of diseases, and a page per case."""
