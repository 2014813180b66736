"""What only tables add to a report."""
