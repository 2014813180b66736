"""Trees that LightGBM fitted, as arrays: to order a few candidates takes a fraction of the time that its own call takes."""

from collections.abc import Sequence

import numpy as np

from medanomaly.core.errors import BundleError
from medanomaly.diagnosis.ranking.kernels import walk_trees

# of ``decision_type`` in LightGBM's text: the split is on categories; what is done with missing values
CATEGORIES, ON_MISSING = 1, 12


class BoostedTrees:
    """Gradient boosting, ready to predict; several models are added up.

    Args:
        texts: LightGBM's ``model_to_string`` of each model, of numbers without missing values.

    Raises:
        BundleError: a text is no such model, or a tree points outside itself.
    """

    def __init__(self, texts: Sequence[str]):
        self.texts = tuple(texts)
        root, feature, threshold, left, right, value = [], [], [], [], [], []
        n_nodes, n_leaves = 0, 0
        try:
            for tree in _trees(self.texts):
                leaves = np.array(tree["leaf_value"].split(), dtype=np.float64)
                nodes = int(tree["num_leaves"]) - 1
                root.append(n_nodes if nodes else -1 - n_leaves)
                value.append(leaves)
                if nodes:
                    feature.append(_whole(tree["split_feature"]))
                    threshold.append(_rounded_down(np.array(tree["threshold"].split(), dtype=np.float64)))
                    kind = _whole(tree["decision_type"])
                    children = [_whole(tree[f"{side}_child"]) for side in ("left", "right")]
                    _check(nodes, leaves, feature[-1], threshold[-1], kind, children)
                    for side, child in zip((left, right), children, strict=True):
                        side.append(np.where(child >= 0, child + n_nodes, child - n_leaves))
                n_nodes, n_leaves = n_nodes + nodes, n_leaves + len(leaves)
        except (KeyError, ValueError) as error:
            raise BundleError(f"the booster cannot be read: {error}", remedy="Train again.") from error
        self.arrays = (
            np.array(root, dtype=np.int32),
            *(
                np.concatenate(parts or [np.zeros(0)]).astype(of)
                for parts, of in (
                    (feature, np.int32), (threshold, np.float32), (left, np.int32), (right, np.int32),
                    (value, np.float64),
                )
            ),
        )  # fmt: skip
        self.n_features = int(self.arrays[1].max(initial=-1)) + 1

    def predict(self, table: np.ndarray) -> np.ndarray:
        """(rows,) float64 of (rows, features) float32."""
        table = np.ascontiguousarray(table, dtype=np.float32)
        if table.shape[1] < self.n_features:
            raise BundleError(
                f"the booster reads {self.n_features} columns, and there are {table.shape[1]}",
                remedy="Train again.",
            )
        out = np.zeros(len(table))
        walk_trees(table, *self.arrays, out)
        return out


def _trees(texts: Sequence[str]):
    """The lines of each tree, as name -> value."""
    for text in texts:
        body, end, _ = text.partition("end of trees")
        if not end:
            raise ValueError("it has no end")
        for part in body.split("\nTree=")[1:]:
            yield dict(line.split("=", 1) for line in part.splitlines()[1:] if "=" in line)


def _whole(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=np.int64)


def _rounded_down(threshold: np.ndarray) -> np.ndarray:
    """float32 that divide the numbers of float32 as these float64 do."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def _check(nodes: int, leaves: np.ndarray, feature, threshold, kind, children) -> None:
    """A node's children stand behind it, so no walk goes in circles or outside the tree."""
    itself = np.arange(nodes)
    alike = all(len(a) == nodes for a in (feature, threshold, kind, *children))
    if not alike or len(leaves) != nodes + 1 or (feature < 0).any():
        raise ValueError("a tree has other sizes than it says")
    for child in children:
        if not (((child > itself) & (child < nodes)) | ((child < 0) & (-1 - child < len(leaves)))).all():
            raise ValueError("a tree points outside itself")
    if (kind & CATEGORIES).any() or (kind & ON_MISSING).any():
        raise ValueError("a split is on categories or on missing values")
