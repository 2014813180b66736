"""Log band energies: features, density model, ONNX graph."""
