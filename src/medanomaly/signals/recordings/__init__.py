"""A recording, its leads, units, time axis and annotations."""
