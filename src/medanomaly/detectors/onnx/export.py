"""Detectors as ONNX models: matrix "X" (float32) in, anomaly score "score" out, equal to the estimator's.

Every graph works in float64 after the input. Detectors cast their rows to float32 when they fit and score, so the graph
gets the same numbers and takes the same branches. It differs from the estimator by rounding in the last bits of float64
at most. Forests, and the tail tables of an ECDF detector, are ``TreeEnsemble`` nodes (operator set ai.onnx.ml 5) of many
trees each, because one sub-graph per tree would cost a hundred times more for a single row.
"""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.onnx.graph import node

IR_VERSION = 10
OPSET, ML_OPSET = 21, 5


def to_onnx(detector: Any) -> bytes:
    """Export a fitted detector of :mod:`medanomaly.detectors`.

    Args:
        detector: fitted; its ``_onnx_graph()`` returns the nodes from the float64 matrix "x" to "score" and the
            constants that they use.

    Returns:
        A serialised, checked model without external data. Input ``X``: float32 (n, d). Output ``score``: float64 (n,),
        ``-detector.score_samples(X)``, higher = more anomalous. Graphs of neighbours and kernels need 8 bytes for every
        pair of an input row and a training row, so score ``BATCH_SIZE`` rows at a time.

    Raises:
        ConfigurationError: the detector has no ONNX graph.
    """
    if not hasattr(detector, "_onnx_graph"):
        raise ConfigurationError(
            f"there is no ONNX export for {type(detector).__name__}",
            remedy="Give its class a method _onnx_graph.",
        )
    nodes, constants = detector._onnx_graph()
    graph = helper.make_graph(
        [node("Cast", ["X"], ["x"], to=onnx.TensorProto.DOUBLE), *nodes],
        type(detector).__name__,
        [helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, ["n", detector.n_features_in_])],
        [helper.make_tensor_value_info("score", onnx.TensorProto.DOUBLE, ["n"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="medanomaly")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()
