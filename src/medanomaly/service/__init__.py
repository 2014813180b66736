"""The models of a run behind HTTP: scores, reasons, live ECG and a page. It imports neither Kedro nor torch."""
