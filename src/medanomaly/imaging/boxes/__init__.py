"""Boxes about what is on an image: tables of them, readers, and how they are found in the answers of networks."""
