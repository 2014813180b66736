"""Supervised models of images: classifier and segmenter."""
