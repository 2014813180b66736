"""Whether new cases still come from where the calibration cases came from."""
