"""``python -m benchmarks.serving_peer PORT MODEL NAME...``: LitServe around the ONNX model of a bundle, in its own process.

The class stands in a module of its own, because LitServe sends it to its worker.
"""

import sys

import litserve
import numpy as np


class Forest(litserve.LitAPI):
    """Takes a record, gives the score."""

    def __init__(self, model: str, names: list[str]):
        # as many as ask at a time
        super().__init__(max_batch_size=16, batch_timeout=0.002, api_path="/score")
        self.model, self.names = model, names

    def setup(self, device):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])

    def decode_request(self, request):
        return np.array([request[name] for name in self.names], dtype=np.float32)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, x):
        return self.session.run(None, {self.session.get_inputs()[0].name: x})[0].ravel()

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"score": float(output)}


if __name__ == "__main__":
    server = litserve.LitServer(Forest(sys.argv[2], sys.argv[3:]), accelerator="cpu", workers_per_device=1)
    server.run(
        port=int(sys.argv[1]),
        host="127.0.0.1",
        num_api_servers=1,
        generate_client_file=False,
        log_level="error",
    )
