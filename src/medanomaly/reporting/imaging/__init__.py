"""What only images add to a report."""
