"""What only signals add to a report."""
