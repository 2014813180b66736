"""Networks of the detectors that reconstruct rows, and their training."""
