"""What the ONNX graphs of several detectors are made of.

A graph is a list of nodes and the constants that they use. It leads from "x", the float64 matrix, to "score". All
arithmetic is float64. Where a rounding error could change a branch (the side of a split, the nearer of two almost
equal neighbours, the piece of a curve), the graph does the same operations in the same order as the detector. Sums
elsewhere may differ in the last bits.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

# an onnx.NodeProto; only an export needs the package, detectors that score and explain do not
Node = Any
Graph = tuple[list[Node], dict[str, object]]
# 64 rows against 4,000 training rows make 2 MB per matrix of the graph, which stays in the cache: 500 rows take ensembles
# twice as long
BATCH_SIZE = 64
# codes of the types of tensors
FLOAT, INT64, DOUBLE = 1, 7, 11
# codes of ai.onnx.ml.TreeEnsemble
_SUM, _BRANCH_LEQ = 1, 0


def node(operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Node:
    """One node of a graph, as ``onnx.helper.make_node`` makes it."""
    from onnx import helper

    return helper.make_node(operator, inputs, outputs, **attributes)


def tree_ensemble(
    output: str,
    *,
    roots: np.ndarray,
    feature: np.ndarray,
    split: np.ndarray,
    below: tuple[np.ndarray, np.ndarray],
    above: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    missing_below: np.ndarray | None = None,
    targets: np.ndarray | None = None,
) -> Node:
    """One node "x" to ``output`` (n, n_targets): the weights of the leaves that a row reaches, summed over all trees.

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
        targets: (L,) column of the result that a leaf adds to; None for a single column.
    """
    from onnx import numpy_helper

    targets = np.zeros(len(weights), dtype=int) if targets is None else targets
    missing = {} if missing_below is None else {"nodes_missing_value_tracks_true": missing_below.astype(int)}
    return node(
        "TreeEnsemble",
        ["x"],
        [output],
        domain="ai.onnx.ml",
        n_targets=int(targets.max()) + 1,
        aggregate_function=_SUM,
        tree_roots=roots,
        nodes_featureids=feature,
        nodes_modes=numpy_helper.from_array(np.full(len(split), _BRANCH_LEQ, dtype=np.uint8)),
        nodes_splits=numpy_helper.from_array(split.astype(np.float64)),
        nodes_truenodeids=below[0],
        nodes_trueleafs=below[1].astype(int),
        nodes_falsenodeids=above[0],
        nodes_falseleafs=above[1].astype(int),
        leaf_targetids=targets,
        leaf_weights=numpy_helper.from_array(weights.astype(np.float64)),
        **missing,
    )


def cell_search(output: str, edges: list[np.ndarray], weights: np.ndarray, per_column: bool = False) -> Node:
    """One node "x" to ``output``: a binary search, as one tree per column, for the cell ``#{edges < x}`` of each value.

    Args:
        output: name of the result.
        edges: for each of d columns, ascending edges.
        weights: the weights of the cells of all columns, one after the other; a column has one cell more than edges.
        per_column: whether the result is (n, d), the weight of each column's cell, or (n, 1), the sum of them.
    """
    sizes = np.array([len(column) for column in edges])
    first_edge, first_cell = np.cumsum(sizes) - sizes, np.cumsum(sizes + 1) - (sizes + 1)
    children = ([], [])
    for size, edge, cell in zip(sizes, first_edge, first_cell, strict=True):
        for side, (child, is_leaf) in zip(children, _balanced_search(size), strict=True):
            side.append((child + np.where(is_leaf, cell, edge), is_leaf))
    below, above = (tuple(np.concatenate(part) for part in zip(*side, strict=True)) for side in children)
    return tree_ensemble(
        output,
        roots=first_edge + sizes // 2,
        feature=np.repeat(np.arange(len(sizes)), sizes),
        split=np.concatenate(edges),
        below=below,
        above=above,
        weights=weights,
        targets=np.repeat(np.arange(len(sizes)), sizes + 1) if per_column else None,
    )


def _balanced_search(n_edges: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
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


def renamed(nodes: Iterable[Node], prefix: str, known: dict[str, str]) -> list[Node]:
    """The nodes with ``prefix`` before every name, except for inputs that ``known`` maps to outer names."""
    from onnx import NodeProto

    renamed = []
    for old in nodes:
        new = NodeProto()
        new.CopyFrom(old)
        del new.input[:], new.output[:]
        new.input.extend(known.get(name, prefix + name) for name in old.input)
        new.output.extend(prefix + name for name in old.output)
        renamed.append(new)
    return renamed


def squared_distances(rows: np.ndarray) -> Graph:
    """Nodes from "x" (n, d) to "squares" (n, m), added column by column as the detectors do.

    A matrix product would be faster and lose the order of near ties to cancellation.
    """
    d = rows.shape[1]
    constants = {f"rows_{j}": np.ascontiguousarray(rows[:, j]) for j in range(d)}
    nodes = [node("Split", ["x"], [f"x_{j}" for j in range(d)], axis=1, num_outputs=d)]
    total = "zero_square"
    constants[total] = np.zeros(1)
    for j in range(d):
        added = "squares" if j == d - 1 else f"sum_{j}"
        nodes += [
            node("Sub", [f"x_{j}", f"rows_{j}"], [f"difference_{j}"]),
            node("Mul", [f"difference_{j}", f"difference_{j}"], [f"square_{j}"]),
            node("Add", [total, f"square_{j}"], [added]),
        ]
        total = added
    return nodes, constants
