"""ONNX graphs of the detectors beyond the first three; importing this module teaches them to ``onnx_export.to_onnx``.

As there, all arithmetic is float64. Where a rounding error could send a row another way (which side of a split, which of
two equally near neighbours, which piece of a curve) the graph does the same operations in the same order as the
detector; sums elsewhere may differ in the last bits.
"""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from medanomaly.detectors.ensembles import PercentileEnsemble
from medanomaly.detectors.kinds.extended_isolation_forest import ExtendedIsolationForest
from medanomaly.detectors.kinds.local_outlier_factor import LocalOutlierFactor
from medanomaly.detectors.kinds.one_class_svm import OneClassSVMDetector
from medanomaly.detectors.onnx.export import balanced_search, graph_of
from medanomaly.detectors.quadratic_form import QuadraticForm
from medanomaly.detectors.views.percentiles import TrainingPercentiles
from medanomaly.detectors.views.rank_gauss import RankGauss
from medanomaly.detectors.views.standardise import VIEW_LIMIT, Standardise

Graph = tuple[list[onnx.NodeProto], dict[str, object]]
node = helper.make_node


@graph_of.register
def _(detector: QuadraticForm) -> Graph:
    nodes, constants = _standardised(detector.standardise_, "x", "z")
    nodes += [
        node("MatMul", ["z", "precision"], ["product"]),
        node("Mul", ["z", "product"], ["terms"]),
        node("MatMul", ["terms", "ones"], ["score"]),
    ]
    return nodes, constants | {"precision": detector.precision_, "ones": np.ones(detector.n_features_in_)}


@graph_of.register
def _(detector: OneClassSVMDetector) -> Graph:
    nodes, constants = _squared_distances(detector.centres_)
    nodes += [
        node("Mul", ["squares", "minus_gamma"], ["exponents"]),
        node("Exp", ["exponents"], ["kernel"]),
        node("MatMul", ["kernel", "weights"], ["inside"]),
        node("Sub", ["one", "inside"], ["outside"]),
        node("Relu", ["outside"], ["score"]),
    ]
    constants |= {"minus_gamma": np.float64(-detector.gamma_), "weights": detector.weights_}
    return nodes, constants | {"one": np.float64(1.0)}


@graph_of.register
def _(detector: LocalOutlierFactor) -> Graph:
    nodes, constants = _squared_distances(detector.train_)
    nodes += [
        # of equal distances the first row wins, in ONNX as in the detector
        node("TopK", ["squares", "k"], ["nearest_squares", "nearest"], axis=1, largest=0),
        node("Sqrt", ["nearest_squares"], ["distances"]),
        node("Gather", ["k_distance", "nearest"], ["neighbour_distance"]),
        node("Max", ["neighbour_distance", "distances"], ["reach"]),
        node("MatMul", ["reach", "shares"], ["mean_reach"]),
        node("Add", ["mean_reach", "tiny"], ["thinness"]),
        node("Gather", ["density", "nearest"], ["neighbour_density"]),
        node("MatMul", ["neighbour_density", "shares"], ["mean_density"]),
        node("Mul", ["mean_density", "thinness"], ["score"]),
    ]
    return nodes, constants | {
        "k": np.array([detector.k_]),
        "k_distance": detector.k_distance_,
        "density": detector.density_,
        "shares": np.full(detector.k_, 1.0 / detector.k_),
        "tiny": np.float64(1e-10),
    }


@graph_of.register
def _(detector: ExtendedIsolationForest) -> Graph:
    if detector.normaliser_ == 0:
        nodes = [
            node("ReduceSum", ["x", "columns"], ["sums"], keepdims=0),
            node("Shape", ["sums"], ["rows"]),
            node("Expand", ["half", "rows"], ["score"]),
        ]
        return nodes, {"columns": np.array([1]), "half": np.array([0.5])}
    # all rows walk down all trees at once, a level at a time; who is at a leaf stays there
    nodes = [
        node("Shape", ["x"], ["rows"], start=0, end=1),
        node("Concat", ["rows", "n_trees"], ["walkers"], axis=0),
        node("Expand", ["roots", "walkers"], ["at_0"]),
    ]
    ndim = detector.features_.shape[1]
    constants = {
        "n_trees": np.array([len(detector.roots_)]),
        "roots": detector.roots_,
        "thresholds": detector.thresholds_,
        "children": detector.children_.ravel(),
        "two": np.int64(2),
        "lengths": detector.lengths_,
        "per_length": np.full(len(detector.roots_), -1.0 / (len(detector.roots_) * detector.normaliser_)),
        "base": np.float64(2.0),
    }
    for k in range(ndim):
        constants |= {
            f"feature_{k}": detector.features_[:, k],
            f"coefficient_{k}": detector.coefficients_[:, k],
        }
    depth = _depth(detector)
    for level in range(depth):
        at, terms = f"at_{level}", []
        for k in range(ndim):
            name = f"{level}_{k}"
            nodes += [
                node("Gather", [f"feature_{k}", at], [f"column_{name}"]),
                node("GatherElements", ["x", f"column_{name}"], [f"value_{name}"], axis=1),
                node("Gather", [f"coefficient_{k}", at], [f"times_{name}"]),
                node("Mul", [f"times_{name}", f"value_{name}"], [f"term_{name}"]),
            ]
            terms.append(f"term_{name}")
        combined = terms[0]
        for k, term in enumerate(terms[1:], start=1):
            nodes.append(node("Add", [combined, term], [f"combined_{level}_{k}"]))
            combined = f"combined_{level}_{k}"
        nodes += [
            node("Gather", ["thresholds", at], [f"threshold_{level}"]),
            node("Greater", [combined, f"threshold_{level}"], [f"above_{level}"]),
            node("Cast", [f"above_{level}"], [f"side_{level}"], to=onnx.TensorProto.INT64),
            node("Mul", [at, "two"], [f"pair_{level}"]),
            node("Add", [f"pair_{level}", f"side_{level}"], [f"child_{level}"]),
            node("Gather", ["children", f"child_{level}"], [f"at_{level + 1}"]),
        ]
    nodes += [
        node("Gather", ["lengths", f"at_{depth}"], ["path_lengths"]),
        node("MatMul", ["path_lengths", "per_length"], ["exponent"]),
        node("Pow", ["base", "exponent"], ["score"]),
    ]
    return nodes, constants


def _depth(forest: ExtendedIsolationForest) -> int:
    """Splits on the longest path of the forest."""
    at, depth = forest.roots_, 0
    while True:
        at = at[forest.children_[at, 0] != at]
        if not len(at):
            return depth
        at, depth = forest.children_[at].ravel(), depth + 1


@graph_of.register
def _(detector: PercentileEnsemble) -> Graph:
    nodes, constants = [], {}
    for name, view in detector.views_.items():
        as_graph = _standardised if isinstance(view, Standardise) else _rank_gauss
        # members cast what they are given to float32
        view_nodes, view_constants = as_graph(view, "x", "view")
        view_nodes += [
            node("Cast", ["view"], ["single"], to=onnx.TensorProto.FLOAT),
            node("Cast", ["single"], ["seen"], to=onnx.TensorProto.DOUBLE),
        ]
        nodes += _renamed(view_nodes, f"{name}.", {"x": "x"})
        constants |= {f"{name}.{key}": value for key, value in view_constants.items()}
    parts = []
    views = [name for name, _ in detector._members()]
    for i, (name, member) in enumerate(zip(views, detector.members_, strict=True)):
        member_nodes, member_constants = graph_of(member)
        percentile_nodes, percentile_constants = _percentile(detector.percentiles_[i])
        nodes += _renamed(member_nodes, f"{i}.", {"x": f"{name}.seen"})
        nodes += _renamed(percentile_nodes, f"{i}.percentile.", {"score": f"{i}.score"})
        constants |= {f"{i}.{key}": value for key, value in member_constants.items()}
        constants |= {f"{i}.percentile.{key}": value for key, value in percentile_constants.items()}
        parts.append(f"{i}.percentile.percentile")
    nodes += [node("Sum", parts, ["sum"]), node("Div", ["sum", "n_members"], ["score"])]
    return nodes, constants | {"n_members": np.float64(len(parts))}


def _renamed(nodes: Iterable[onnx.NodeProto], prefix: str, known: dict[str, str]) -> list[onnx.NodeProto]:
    """The nodes with ``prefix`` before every name of theirs, but for those that ``known`` maps to outer names."""
    renamed = []
    for old in nodes:
        new = onnx.NodeProto()
        new.CopyFrom(old)
        del new.input[:], new.output[:]
        new.input.extend(known.get(name, prefix + name) for name in old.input)
        new.output.extend(prefix + name for name in old.output)
        renamed.append(new)
    return renamed


def _standardised(view: Standardise, x: str, output: str) -> Graph:
    nodes = [
        node("Sub", [x, "mean"], ["centred"]),
        node("Div", ["centred", "scale"], ["unbounded"]),
        node("Clip", ["unbounded", "lowest", "highest"], [output]),
    ]
    limits = {"lowest": np.float64(-VIEW_LIMIT), "highest": np.float64(VIEW_LIMIT)}
    return nodes, limits | {"mean": view.mean_, "scale": view.scale_}


def _rank_gauss(view: RankGauss, x: str, output: str) -> Graph:
    """One tree a column finds the piece of its curve; the pieces of all columns lie in one table."""
    sizes = np.array([len(knots) for knots in view.knots_])
    first_knot, first_cell = np.cumsum(sizes) - sizes, np.cumsum(sizes + 1) - (sizes + 1)
    children = [[], []]
    for size, knot, cell in zip(sizes, first_knot, first_cell, strict=True):
        for side, (child, is_leaf) in zip(children, balanced_search(size), strict=True):
            side.append(np.stack([child + np.where(is_leaf, cell, knot), is_leaf.astype(int)]))
    below, above = (np.concatenate(side, axis=1) for side in children)
    # x <= the number before the knot is x < knot
    edges = np.nextafter(np.concatenate(view.knots_), np.float32(-np.inf)).astype(np.float64)
    search = node(
        "TreeEnsemble",
        [x],
        ["cell_number"],
        domain="ai.onnx.ml",
        n_targets=len(sizes),
        aggregate_function=1,
        tree_roots=first_knot + sizes // 2,
        nodes_featureids=np.repeat(np.arange(len(sizes)), sizes),
        nodes_modes=numpy_helper.from_array(np.zeros(len(edges), dtype=np.uint8)),
        nodes_splits=numpy_helper.from_array(edges),
        nodes_truenodeids=below[0],
        nodes_trueleafs=below[1],
        nodes_falsenodeids=above[0],
        nodes_falseleafs=above[1],
        leaf_targetids=np.repeat(np.arange(len(sizes)), sizes + 1),
        leaf_weights=numpy_helper.from_array(np.arange(sizes.sum() + len(sizes), dtype=np.float64)),
    )
    nodes = [
        search,
        node("Cast", ["cell_number"], ["cell"], to=onnx.TensorProto.INT64),
        node("Gather", ["anchors", "cell"], ["anchor"]),
        node("Gather", ["values", "cell"], ["value"]),
        node("Gather", ["slopes", "cell"], ["slope"]),
        node("Sub", [x, "anchor"], ["run"]),
        node("Mul", ["run", "slope"], ["rise"]),
        node("Add", ["value", "rise"], ["unbounded"]),
        node("Clip", ["unbounded", "lowest", "highest"], [output]),
    ]
    limits = {"lowest": np.float64(-VIEW_LIMIT), "highest": np.float64(VIEW_LIMIT)}
    return nodes, limits | {
        "anchors": np.concatenate(view.anchors_),
        "values": np.concatenate(view.values_),
        "slopes": np.concatenate(view.slopes_),
    }


def _percentile(percentiles: TrainingPercentiles) -> Graph:
    """Nodes from "score" (n,) to "percentile" (n,)."""
    nodes = [
        node("Unsqueeze", ["score", "columns"], ["column"]),
        node("GreaterOrEqual", ["column", "knots"], ["reached"]),
        node("Cast", ["reached"], ["ones"], to=onnx.TensorProto.INT64),
        node("ReduceSum", ["ones", "columns"], ["n_reached"], keepdims=0),
        node("Sub", ["n_reached", "one"], ["last_reached"]),
        node("Max", ["last_reached", "zero"], ["cell"]),
        node("Gather", ["ranks", "cell"], ["rank"]),
        node("Gather", ["knots", "cell"], ["knot"]),
        node("Gather", ["slopes", "cell"], ["slope"]),
        node("Sub", ["score", "knot"], ["from_knot"]),
        node("Relu", ["from_knot"], ["run"]),
        node("Mul", ["run", "slope"], ["rise"]),
        node("Add", ["rank", "rise"], ["inside"]),
        node("Sub", ["score", "largest"], ["from_largest"]),
        node("Relu", ["from_largest"], ["excess"]),
        node("Mul", ["excess", "tail_rate"], ["beyond"]),
        node("Add", ["beyond", "unit"], ["beyond_and_one"]),
        node("Div", ["beyond", "beyond_and_one"], ["share"]),
        node("Mul", ["share", "left"], ["tail"]),
        node("Add", ["inside", "tail"], ["percentile"]),
    ]
    return nodes, {
        "columns": np.array([1]),
        "knots": percentiles.knots,
        "ranks": percentiles.ranks,
        "slopes": percentiles.slopes,
        "one": np.int64(1),
        "zero": np.int64(0),
        "largest": percentiles.knots[-1],
        "tail_rate": np.float64(percentiles.tail_rate),
        "unit": np.float64(1.0),
        "left": np.float64(1.0 - percentiles.ranks[-1]),
    }


def _squared_distances(rows: np.ndarray) -> Graph:
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
