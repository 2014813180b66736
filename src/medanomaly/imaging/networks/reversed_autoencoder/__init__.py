"""Reversed Autoencoder."""
