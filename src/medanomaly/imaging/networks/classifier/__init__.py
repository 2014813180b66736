"""Residual networks that classify images."""
