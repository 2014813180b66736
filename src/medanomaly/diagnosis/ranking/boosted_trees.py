"""Trees that LightGBM fitted, as arrays: to order a few candidates takes a fraction of the time that its own call takes."""

from collections.abc import Sequence

import numpy as np

from medanomaly.core.errors import BundleError
from medanomaly.diagnosis.ranking.kernels import add_trees

# of ``decision_type`` in LightGBM's text: the split is on categories; what is done with missing values
CATEGORIES, ON_MISSING = 1, 12
# of a tree: as many as there are bits
MOST_LEAVES = 64


class BoostedTrees:
    """Gradient boosting, ready to predict; several models are added up.

    Args:
        texts: LightGBM's ``model_to_string`` of each model, of numbers without missing values.

    Raises:
        BundleError: a text is no such model, or a tree points outside itself.
    """

    def __init__(self, texts: Sequence[str]):
        self.texts = tuple(texts)
        feature, threshold, kept, value = [], [], [], []
        try:
            columns = {int(_line(text, "max_feature_idx")) + 1 for text in self.texts}
            if len(columns) != 1:
                raise ValueError("its models read different numbers of columns")
            self.n_features = columns.pop()
            for tree in _trees(self.texts):
                leaves = np.array(tree["leaf_value"].split(), dtype=np.float64)
                nodes = len(leaves) - 1
                # a tree of one leaf has no further lines
                names = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
                of_feature, of_threshold, kind, *children = (
                    np.array((tree[name] if nodes else "").split(), dtype=np.float64) for name in names
                )
                _check(self.n_features, leaves, of_feature, kind, children)
                order, left = _from_the_left(*(child.astype(np.int64) for child in children))
                feature.append(of_feature.astype(np.int32))
                threshold.append(_rounded_down(of_threshold))
                kept.append(~left)
                value.append(leaves[order])
            self.arrays = (
                np.cumsum([0, *map(len, feature)]),
                np.concatenate(feature),
                np.concatenate(threshold),
                np.concatenate(kept),
                np.cumsum([0, *map(len, value)])[:-1],
                np.concatenate(value),
            )
        except (KeyError, ValueError, StopIteration) as error:
            raise BundleError(f"the booster cannot be read: {error}", remedy="Train again.") from error

    def predict(self, table: np.ndarray) -> np.ndarray:
        """(rows,) float64 of (rows, features) float32."""
        if table.shape[1] != self.n_features:
            raise BundleError(
                f"the booster reads {self.n_features} columns, and there are {table.shape[1]}",
                remedy="Train again.",
            )
        out = np.zeros(len(table))
        add_trees(np.ascontiguousarray(table.T, dtype=np.float32), *self.arrays, out)
        return out


def _line(text: str, name: str) -> str:
    """The value of the first line of this name."""
    return next(line.split("=", 1)[1] for line in text.splitlines() if line.startswith(f"{name}="))


def _trees(texts: Sequence[str]):
    """The lines of each tree, as name -> value."""
    for text in texts:
        body, end, _ = text.partition("end of trees")
        if not end:
            raise ValueError("it has no end")
        for part in body.split("\nTree=")[1:]:
            yield dict(line.split("=", 1) for line in part.splitlines()[1:] if "=" in line)


def _rounded_down(threshold: np.ndarray) -> np.ndarray:
    """float32 that divide the numbers of float32 as these float64 do."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def _check(n_features: int, leaves: np.ndarray, feature, kind, children) -> None:
    """A node's children stand behind it, so no walk goes in circles or outside the tree."""
    nodes = len(leaves) - 1
    itself = np.arange(nodes)
    if not 0 <= nodes < MOST_LEAVES or any(len(a) != nodes for a in (feature, kind, *children)):
        raise ValueError("a tree has other sizes than it says")
    if not ((feature >= 0) & (feature < n_features)).all():
        raise ValueError("a split is on a column that there is not")
    for child in children:
        if not (((child > itself) & (child < nodes)) | ((child < 0) & (child >= -len(leaves)))).all():
            raise ValueError("a tree points outside itself")
    kind = kind.astype(np.int64)
    if (kind & CATEGORIES).any() or (kind & ON_MISSING).any():
        raise ValueError("a split is on categories or on missing values")


def _from_the_left(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(leaves,) numbers of the leaves from the left, and (nodes,) uint64 with the bits of those on the left of each node.

    Raises:
        ValueError: a leaf or node has no place, or two.
    """
    order: list[int] = []
    below = np.zeros(len(left), dtype=np.uint64)
    # a node comes by twice: to go left, and with the leaves that were met there to go right
    path = [(0, -1)] if len(left) else [(-1, -1)]
    seen = 0
    while path:
        node, met = path.pop()
        if node < 0:
            order.append(-1 - node)
        elif met < 0:
            seen += 1
            path += [(node, len(order)), (int(left[node]), -1)]
        else:
            below[node] = sum(1 << bit for bit in range(met, len(order)))
            path.append((int(right[node]), -1))
        if seen > len(left) or len(order) > len(left) + 1:
            raise ValueError("a tree points at a part of itself twice")
    if sorted(order) != list(range(len(left) + 1)):
        raise ValueError("a tree points at a part of itself twice")
    return np.array(order, dtype=np.int64), below
