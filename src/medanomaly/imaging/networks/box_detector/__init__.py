"""Centre-point detector: boxes about lesions."""
