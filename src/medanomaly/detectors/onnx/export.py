"""Detectors as ONNX graphs: matrix "X" (float32) in, anomaly score "score" out, equal to the estimator's.

Every graph works in float64 after the input. Detectors cast their rows to float32 when they fit and score, so the graph
meets the same numbers, takes the same branches and differs from the estimator by rounding in the last bits of float64 at
most. Forests, and the tail tables of an ECDF detector, are ``TreeEnsemble`` nodes (operator set ai.onnx.ml 5) of many
trees each: a sub-graph for every tree would cost a hundred times more for a single row.
"""

from functools import singledispatch

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.base import BaseDetector
from medanomaly.detectors.kinds.ecdf import ECDFDetector
from medanomaly.detectors.kinds.isolation_forest import LEAF, FlatForest, IsolationForest, flat_forest
from medanomaly.detectors.kinds.nearest_neighbours import NearestNeighbours

IR_VERSION = 10
OPSET, ML_OPSET = 21, 5
# so few trees stay in the processor's cache through a batch, and so many keep a single row at a few nodes
TREES_A_NODE = 20
# 500 rows against 10,000 training rows are 40 MB a matrix of the graph
ROWS_AT_ONCE = 500
# codes of ai.onnx.ml.TreeEnsemble
_SUM, _BRANCH_LEQ = 1, 0


def to_onnx(detector: BaseDetector | IsolationForest) -> bytes:
    """Export a fitted detector of :mod:`medanomaly.detectors`.

    Returns:
        A serialised, checked model without external data. Input ``X``: float32 (n, d). Output ``score``: float64 (n,),
        ``-detector.score_samples(X)``, higher = more anomalous. Graphs of neighbours and kernels
        need 8 bytes for every pair of an input row and a training row: :func:`run_session` scores in parts.

    Raises:
        ConfigurationError: there is no export for this kind of detector.
    """
    # registers the graphs of the other detectors, which are built from the pieces of this module
    import medanomaly.detectors.onnx.graphs
    import medanomaly.detectors.onnx.networks  # noqa: F401

    nodes, constants = graph_of(detector)
    graph = helper.make_graph(
        [helper.make_node("Cast", ["X"], ["x"], to=onnx.TensorProto.DOUBLE), *nodes],
        type(detector).__name__,
        [helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, ["n", detector.n_features_in_])],
        [helper.make_tensor_value_info("score", onnx.TensorProto.DOUBLE, ["n"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="medanomaly")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def load_session(model: bytes) -> onnxruntime.InferenceSession:
    """An inference session on one CPU thread: a record takes microseconds, so threads would only cost time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_session(session: onnxruntime.InferenceSession, matrix: np.ndarray) -> np.ndarray:
    """Scores of a matrix, some rows at a time: graphs of neighbours and kernels hold every pair with a training row.

    Args:
        session: of :func:`load_session`.
        matrix: (n, d) float32.

    Returns:
        (n,) float64.
    """
    parts = [
        session.run(None, {"X": matrix[start : start + ROWS_AT_ONCE]})[0]
        for start in range(0, len(matrix), ROWS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


@singledispatch
def graph_of(detector: object) -> tuple[list[onnx.NodeProto], dict[str, object]]:
    """Nodes from the float64 matrix "x" to "score", and the constants that they use."""
    raise ConfigurationError(
        f"there is no ONNX export for {type(detector).__name__}",
        remedy="Register one with graph_of.register.",
    )


@graph_of.register
def _(detector: IsolationForest) -> tuple[list[onnx.NodeProto], dict[str, object]]:
    n_trees = len(detector.estimators_)
    starts = range(0, n_trees, TREES_A_NODE)
    blocks = [flat_forest(detector, slice(start, start + TREES_A_NODE)) for start in starts]
    # grown on single rows the normaliser is 0, and scikit-learn fixes the score at 1/2: as if all lengths were 1
    normaliser = blocks[0].normaliser
    sums = [f"sum_{start}" for start in starts]
    nodes = [
        *(_forest_node(block, normaliser == 0, name) for block, name in zip(blocks, sums, strict=True)),
        helper.make_node("Sum", sums, ["lengths"]),
        helper.make_node("Mul", ["lengths", "per_length"], ["exponent"]),
        helper.make_node("Pow", ["two", "exponent"], ["powers"]),
        helper.make_node("Squeeze", ["powers", "columns"], ["score"]),
    ]
    per_length = np.float64(-1.0 / (n_trees * (normaliser or 1.0)))
    return nodes, {"per_length": per_length, "two": np.float64(2.0), "columns": np.array([1])}


def _forest_node(forest: FlatForest, single_rows: bool, output: str) -> onnx.NodeProto:
    is_leaf = forest.feature == LEAF
    # the operator knows no bare leaf: a tree of one node becomes a split with that leaf on both sides
    is_inner = ~is_leaf
    is_inner[forest.roots] = True
    leaf_rank, inner_rank = np.cumsum(is_leaf) - 1, np.cumsum(is_inner) - 1

    def children(child: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        child = child[is_inner]
        return np.where(is_leaf[child], leaf_rank[child], inner_rank[child]), is_leaf[child]

    return _tree_ensemble(
        output,
        roots=inner_rank[forest.roots],
        feature=np.maximum(forest.feature[is_inner], 0),
        split=forest.threshold[is_inner],
        below=children(forest.left),
        above=children(forest.right),
        weights=np.ones(is_leaf.sum()) if single_rows else forest.length[is_leaf],
        missing_below=forest.missing_left[is_inner],
    )


@graph_of.register
def _(detector: ECDFDetector) -> tuple[list[onnx.NodeProto], dict[str, object]]:
    sizes = np.array([len(edges) for edges in detector.edges_])
    first_edge, first_cell = np.cumsum(sizes) - sizes, np.cumsum(sizes + 1) - (sizes + 1)
    roots, below, above = [], [], []
    for size, edge, cell in zip(sizes, first_edge, first_cell, strict=True):
        roots.append(edge + size // 2)
        for side, (child, is_leaf) in zip((below, above), balanced_search(size), strict=True):
            side.append((child + np.where(is_leaf, cell, edge), is_leaf))
    trees = _tree_ensemble(
        "sum",
        roots=np.array(roots),
        feature=np.repeat(np.arange(len(sizes)), sizes),
        split=np.concatenate(detector.edges_),
        below=tuple(np.concatenate(parts) for parts in zip(*below, strict=True)),
        above=tuple(np.concatenate(parts) for parts in zip(*above, strict=True)),
        weights=np.concatenate(detector.cells_),
    )
    (low, high), (below_rate, above_rate) = detector.extremes_, detector.rates_
    nodes = [
        trees,
        helper.make_node("Squeeze", ["sum", "columns"], ["inside"]),
        helper.make_node("Sub", ["low", "x"], ["short"]),
        helper.make_node("Relu", ["short"], ["shortfall"]),
        helper.make_node("MatMul", ["shortfall", "below_rate"], ["below"]),
        helper.make_node("Sub", ["x", "high"], ["over"]),
        helper.make_node("Relu", ["over"], ["excess"]),
        helper.make_node("MatMul", ["excess", "above_rate"], ["above"]),
        helper.make_node("Sum", ["inside", "below", "above"], ["score"]),
    ]
    constants = {"low": low, "high": high, "below_rate": below_rate, "above_rate": above_rate}
    return nodes, constants | {"columns": np.array([1])}


@graph_of.register
def _(detector: NearestNeighbours) -> tuple[list[onnx.NodeProto], dict[str, object]]:
    train = detector.train_
    nodes = [
        # |t|^2 - 2 x.t orders the training rows t as |x - t|^2 does; it only chooses the neighbours, because the
        # distance itself would lose half of its digits to cancellation
        helper.make_node("Gemm", ["x", "train", "squares"], ["order"], alpha=-2.0, transB=1),
        helper.make_node("TopK", ["order", "k"], ["nearest_order", "nearest"], axis=1, largest=0),
        helper.make_node("Gather", ["train", "nearest"], ["neighbours"]),
        helper.make_node("Unsqueeze", ["x", "columns"], ["row"]),
        helper.make_node("Sub", ["row", "neighbours"], ["differences"]),
        helper.make_node("ReduceSumSquare", ["differences", "features"], ["squared"], keepdims=0),
        helper.make_node("Sqrt", ["squared"], ["distances"]),
        # a row's ReduceMean would differ in its last bit with its place in the batch
        helper.make_node("MatMul", ["distances", "shares"], ["score"]),
    ]
    constants = {"train": train, "squares": (train**2).sum(axis=1), "k": np.array([detector.k_])}
    shares = np.full(detector.k_, 1.0 / detector.k_)
    return nodes, constants | {"shares": shares, "columns": np.array([1]), "features": np.array([2])}


def _tree_ensemble(
    output: str,
    *,
    roots: np.ndarray,
    feature: np.ndarray,
    split: np.ndarray,
    below: tuple[np.ndarray, np.ndarray],
    above: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    missing_below: np.ndarray | None = None,
) -> onnx.NodeProto:
    """One node "x" to ``output`` (n, 1): the weights of the leaves that a row falls into, added up over all trees.

    Args:
        output: name of the result.
        roots: (T,) index of each root among the N inner nodes.
        feature: (N,) column that is split on.
        split: (N,) ``x <= split`` goes below.
        below: for each inner node, (N,) index of the child among the inner nodes or the leaves, and (N,) bool, whether
            it is a leaf.
        above: likewise.
        weights: (L,) weight of each leaf.
        missing_below: (N,) bool, whether NaN goes below; None sends it above.
    """
    missing = {} if missing_below is None else {"nodes_missing_value_tracks_true": missing_below.astype(int)}
    return helper.make_node(
        "TreeEnsemble",
        ["x"],
        [output],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function=_SUM,
        tree_roots=roots,
        nodes_featureids=feature,
        nodes_modes=numpy_helper.from_array(np.full(len(split), _BRANCH_LEQ, dtype=np.uint8)),
        nodes_splits=numpy_helper.from_array(split.astype(np.float64)),
        nodes_truenodeids=below[0],
        nodes_trueleafs=below[1].astype(int),
        nodes_falsenodeids=above[0],
        nodes_falseleafs=above[1].astype(int),
        leaf_targetids=np.zeros(len(weights), dtype=int),
        leaf_weights=numpy_helper.from_array(weights.astype(np.float64)),
        **missing,
    )


def balanced_search(n_edges: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Binary search among ``n_edges`` sorted edges as a tree: node i asks ``x <= edge i``, leaf i is the cell below it.

    Returns:
        For the answers yes and no: (n_edges,) index of the child, and whether it is a leaf. The root is the node
        ``n_edges // 2``.
    """
    yes, no = np.empty((2, n_edges), dtype=np.int64), np.empty((2, n_edges), dtype=np.int64)
    first, last = np.array([0]), np.array([n_edges])  # the cells still possible, level by level
    while first.size:
        middle = (first + last) // 2
        yes[:, middle] = (first + middle) // 2, first == middle
        no[:, middle] = (middle + 1 + last) // 2, middle + 1 == last
        first, last = np.concatenate([first, middle + 1]), np.concatenate([middle, last])
        first, last = first[first < last], last[first < last]
    return (yes[0], yes[1].astype(bool)), (no[0], no[1].astype(bool))
