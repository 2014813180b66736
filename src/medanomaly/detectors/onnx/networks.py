"""ONNX graphs of the reconstructing detectors, in float64 as all others; importing this module registers them."""

import numpy as np
import onnx
from onnx import helper

from medanomaly.detectors.kinds.autoencoder import AutoencoderDetector
from medanomaly.detectors.kinds.transformer_autoencoder import _LAYER, TransformerAutoencoderDetector
from medanomaly.detectors.onnx.export import graph_of
from medanomaly.detectors.onnx.graphs import _standardised
from medanomaly.detectors.reconstruction import INPUT_LIMIT, ReconstructionDetector

Graph = tuple[list[onnx.NodeProto], dict[str, object]]
node = helper.make_node


@graph_of.register
def _(detector: AutoencoderDetector) -> Graph:
    nodes, constants, rows = [], {}, "seen"
    if not detector.weights_:
        return _scored(detector, nodes, constants)
    for layer in range(4):
        constants |= {f"{kind}_{layer}": detector.weights_[f"{kind}_{layer}"] for kind in ("weight", "bias")}
        nodes += [
            node("MatMul", [rows, f"weight_{layer}"], [f"product_{layer}"]),
            node("Add", [f"product_{layer}", f"bias_{layer}"], [f"sum_{layer}"]),
        ]
        rows = f"rectified_{layer}"
        if layer < 3:
            nodes.append(node("Relu", [f"sum_{layer}"], [rows]))
    return _scored(detector, [*nodes, node("Identity", ["sum_3"], ["told"])], constants)


@graph_of.register
def _(detector: TransformerAutoencoderDetector) -> Graph:
    if not detector.weights_:
        return _scored(detector, [], {})
    w = detector.weights_
    scale, shift = detector._tokens()
    # (n, groups, tokens, width): every group of hidden features is a pass of its own
    nodes = [
        node("Unsqueeze", ["seen", "group_and_width"], ["spread_out"]),
        node("Mul", ["spread_out", "token_scale"], ["scaled"]),
        node("Add", ["scaled", "token_shift"], ["tokens_0"]),
    ]
    size = detector.width // detector.n_heads
    constants = {
        "group_and_width": np.array([1, 3]),
        "token_scale": scale,
        "token_shift": shift,
        "heads": np.array([0, 0, 0, 3 * detector.n_heads, size]),
        "joined": np.array([0, 0, 0, detector.width]),
        "per_root": np.float64(1.0 / np.sqrt(size)),
        "last_axis": np.array([-1]),
        "group_axis": np.array([1]),
        "read": w["read"],
        "read_bias": w["bias"],
        "hidden": detector.hidden_,
    }
    for k in range(detector.n_layers):
        layer = {name: values[k] for name, values in w.items() if name.startswith(_LAYER)}
        layer_nodes, layer_constants = _encoder_layer(layer, k, detector.n_heads)
        nodes, constants = nodes + layer_nodes, constants | layer_constants
    norm_nodes, norm_constants = _normalised(
        f"tokens_{detector.n_layers}", "final", w["norm.weight"], w["norm.bias"]
    )
    nodes += [
        *norm_nodes,
        node("Mul", ["final", "read"], ["read_out"]),
        node("ReduceSum", ["read_out", "last_axis"], ["unbiased"], keepdims=0),
        node("Add", ["unbiased", "read_bias"], ["every_pass"]),
        node("Mul", ["every_pass", "hidden"], ["where_hidden"]),
        node("ReduceSum", ["where_hidden", "group_axis"], ["told"], keepdims=0),
    ]
    return _scored(detector, nodes, constants | norm_constants)


def _encoder_layer(w: dict[str, np.ndarray], k: int, n_heads: int) -> Graph:
    """Nodes from "tokens_k" to "tokens_k+1"."""
    linear_parts = ("project", "gather", "widen", "narrow")
    constants = {f"{name}.{k}": w[name] for name in w if name.startswith(linear_parts)}
    attended, attended_constants = _normalised(
        f"tokens_{k}", f"attended_{k}", w["attention_norm.weight"], w["attention_norm.bias"]
    )
    perceived, perceived_constants = _normalised(
        f"between_{k}", f"perceived_{k}", w["perceptron_norm.weight"], w["perceptron_norm.bias"]
    )

    def linear(x: str, part: str, output: str) -> list[onnx.NodeProto]:
        return [
            node("MatMul", [x, f"{part}.weight.{k}"], [f"{output}_product"]),
            node("Add", [f"{output}_product", f"{part}.bias.{k}"], [output]),
        ]

    nodes = [
        *attended,
        *linear(f"attended_{k}", "project", f"projected_{k}"),
        node("Reshape", [f"projected_{k}", "heads"], [f"by_head_{k}"]),
        # (n, groups, 3 heads, tokens, size)
        node("Transpose", [f"by_head_{k}"], [f"heads_first_{k}"], perm=[0, 1, 3, 2, 4]),
        node(
            "Split",
            [f"heads_first_{k}"],
            [f"query_{k}", f"key_{k}", f"values_{k}"],
            axis=2,
            num_outputs=3,
        ),
        node("Transpose", [f"key_{k}"], [f"key_turned_{k}"], perm=[0, 1, 2, 4, 3]),
        node("MatMul", [f"query_{k}", f"key_turned_{k}"], [f"likeness_{k}"]),
        node("Mul", [f"likeness_{k}", "per_root"], [f"scaled_likeness_{k}"]),
        node("Softmax", [f"scaled_likeness_{k}"], [f"attention_{k}"], axis=-1),
        node("MatMul", [f"attention_{k}", f"values_{k}"], [f"mixed_heads_{k}"]),
        node("Transpose", [f"mixed_heads_{k}"], [f"tokens_first_{k}"], perm=[0, 1, 3, 2, 4]),
        node("Reshape", [f"tokens_first_{k}", "joined"], [f"mixed_{k}"]),
        *linear(f"mixed_{k}", "gather", f"gathered_{k}"),
        node("Add", [f"tokens_{k}", f"gathered_{k}"], [f"between_{k}"]),
        *perceived,
        *linear(f"perceived_{k}", "widen", f"wide_{k}"),
        node("Relu", [f"wide_{k}"], [f"rectified_{k}"]),
        *linear(f"rectified_{k}", "narrow", f"narrow_{k}"),
        node("Add", [f"between_{k}", f"narrow_{k}"], [f"tokens_{k + 1}"]),
    ]
    return nodes, constants | attended_constants | perceived_constants


def _normalised(x: str, output: str, weight: np.ndarray, bias: np.ndarray) -> Graph:
    names = [f"{output}_weight", f"{output}_bias"]
    nodes = [node("LayerNormalization", [x, *names], [output], axis=-1, epsilon=1e-5)]
    return nodes, dict(zip(names, (weight, bias), strict=True))


def _scored(detector: ReconstructionDetector, nodes: list[onnx.NodeProto], constants: dict) -> Graph:
    """From the nodes that lead from "seen" (n, v) to "told" (n, v), or from none, to the score."""
    d = detector.n_features_in_
    start, start_constants = _standardised(detector.standardise_, "x", "z")
    residual = "z"
    if nodes:
        # columns that the network does not see are told to be 0
        placed = np.zeros((len(detector.varying_), d))
        placed[np.arange(len(detector.varying_)), detector.varying_] = 1.0
        start += [
            node("Gather", ["z", "varying"], ["varying_z"], axis=1),
            node("Clip", ["varying_z", "lowest_seen", "highest_seen"], ["seen"]),
        ]
        nodes = [
            *nodes,
            node("MatMul", ["told", "placed"], ["told_of_all"]),
            node("Sub", ["z", "told_of_all"], ["residual"]),
        ]
        residual = "residual"
        start_constants |= {
            "varying": detector.varying_,
            "lowest_seen": np.float64(-INPUT_LIMIT),
            "highest_seen": np.float64(INPUT_LIMIT),
            "placed": placed,
        }
    nodes = [
        *start,
        *nodes,
        node("Div", [residual, "spread"], ["in_spreads"]),
        node("Mul", ["in_spreads", "in_spreads"], ["squares"]),
        node("MatMul", ["squares", "shares"], ["score"]),
    ]
    shares = np.full(d, 1.0 / d)
    return nodes, constants | start_constants | {"spread": detector.spread_, "shares": shares}
