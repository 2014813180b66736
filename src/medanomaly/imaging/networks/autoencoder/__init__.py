"""Convolutional autoencoder."""
