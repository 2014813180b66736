"""Tables of clinical records: cleaning, preprocessing, detectors, scoring."""
