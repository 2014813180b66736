"""From beat scores to alarms and episodes."""
