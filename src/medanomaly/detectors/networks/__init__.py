"""Networks that reconstructing detectors are made of."""
