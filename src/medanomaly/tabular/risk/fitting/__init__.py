"""How risk models are fitted: encoding, folds, selection, probability calibration, label noise."""
