"""Networks of the tabular detectors: pure modules, their losses, and the Lightning module that trains them."""
