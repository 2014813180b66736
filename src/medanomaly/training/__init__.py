"""Training of networks of every modality: one loop that can be resumed, checkpoints, weights and ONNX export."""
