"""Long series: windows, and detectors that learn from the series' own beginning."""
