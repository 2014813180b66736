"""R peaks and pulse peaks."""
