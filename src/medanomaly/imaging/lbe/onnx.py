"""LBE as one ONNX graph from an image to its score and contributions, computed in float64."""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from medanomaly.imaging.lbe.band_energies import SMALLEST_ENERGY
from medanomaly.imaging.lbe.detector import LBEDetector

OPSET = 17
IR_VERSION = 8


class _Graph:
    """Nodes and constants, each with its own name."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, value: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, *inputs: str | np.ndarray, output: str | None = None, n: int = 1, **attributes):
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        outputs = [output] if output else [f"{kind.lower()}{len(self.nodes)}_{j}" for j in range(n)]
        self.nodes.append(helper.make_node(kind, names, outputs, **attributes))
        return outputs[0] if n == 1 else outputs


def lbe_onnx(detector: LBEDetector) -> bytes:
    """Export a fitted detector.

    The graph has input ``image`` (batch, 1, size, size) float32 in [0, 1], and outputs ``score`` (batch,) float64 and
    ``contributions`` (batch, bands, grid, grid) float64, whose sum over an image is its score. Distances to the training
    images are taken from differences, not from products, so a training image is found at distance 0.

    Args:
        detector: fitted; its arrays go into the file.

    Returns:
        The model, checked by ONNX's own checker.
    """
    arrays, energies = detector.to_arrays(), detector.energies
    bands, grid, inner, size = len(energies.sigmas), energies.grid, energies.inner, energies.size
    k, d = detector.density_.k, energies.n_features
    one, zero = np.array([1], dtype=np.int64), np.array([0], dtype=np.int64)
    g = _Graph()

    image = g.add("Cast", "image", to=TensorProto.DOUBLE)
    rows = g.add("MatMul", energies.smoothing.reshape(1, 1, bands * inner, size), image)
    rows = g.add("Reshape", rows, np.array([-1, bands, inner, size], dtype=np.int64))
    low = g.add("MatMul", rows, energies.smoothing.transpose(0, 2, 1)[None])
    edge = np.array([energies.margin] * 2, dtype=np.int64)
    inside = g.add("Slice", image, edge, edge + inner, np.array([2, 3], dtype=np.int64))
    above = g.add("Slice", low, zero, np.array([bands - 1], dtype=np.int64), one)
    band = g.add("Abs", g.add("Sub", g.add("Concat", inside, above, axis=1), low))
    energy = g.add(
        "MatMul", g.add("MatMul", energies.pooling[None, None], band), energies.pooling.T[None, None]
    )
    log = g.add("Log", g.add("Max", energy, np.array(SMALLEST_ENERGY)))
    features = g.add("Reshape", log, np.array([-1, d], dtype=np.int64))
    z = g.add("Div", g.add("Sub", features, arrays["mean"]), arrays["sd"])

    # squared distances from products find the neighbours; their terms are then computed from differences
    train = g.constant(arrays["train"])
    norms = (arrays["train"] ** 2).sum(axis=1)[None]
    product = g.add("MatMul", z, g.constant(arrays["train"].T))
    order = g.add("Sub", norms, g.add("Mul", product, np.array(2.0)))
    _, nearest = g.add("TopK", order, np.array([k], dtype=np.int64), n=2, axis=1, largest=0)
    gap = g.add("Sub", g.add("Unsqueeze", z, one), g.add("Gather", train, nearest, axis=0))
    squares = g.add("Mul", gap, gap)
    distance = g.add("Sqrt", g.add("ReduceSum", squares, np.array([2], dtype=np.int64), keepdims=1))
    share = g.add("Div", squares, g.add("Max", distance, np.array(1e-300)))
    near = g.add("ReduceMean", share, axes=[1], keepdims=0)

    centred = g.add("Sub", z, arrays["centre"])
    white = g.add("MatMul", centred, g.constant(arrays["whitening"].T))
    parts = [
        g.add("Div", g.add("Sub", terms, arrays["reference"][i]), arrays["scale"][i])
        for i, terms in enumerate((near, g.add("Mul", white, white)))
    ]
    total = g.add("Add", *parts)
    g.add("ReduceSum", total, one, output="score", keepdims=0)
    g.add("Reshape", total, np.array([-1, bands, grid, grid], dtype=np.int64), output="contributions")

    graph = helper.make_graph(
        g.nodes,
        "lbe",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, size, size])],
        [
            helper.make_tensor_value_info("score", TensorProto.DOUBLE, ["batch"]),
            helper.make_tensor_value_info("contributions", TensorProto.DOUBLE, ["batch", bands, grid, grid]),
        ],
        g.constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="medanomaly",
    )
    checker.check_model(model, full_check=True)
    return model.SerializeToString()
