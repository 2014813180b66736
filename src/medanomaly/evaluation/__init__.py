"""Score tables to honest figures: metrics with intervals, comparisons, calibration, trivial baselines, audit."""
