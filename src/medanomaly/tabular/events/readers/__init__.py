"""Readers: one hospital format each, all to the same events."""
