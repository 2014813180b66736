"""Detectors as ONNX graphs."""
