"""An adversarial random forest: in its leaves, columns hardly depend on each other.

A forest learns to tell real rows from rows whose columns were drawn independently. Where a leaf holds both, it could not:
there the columns are nearly independent. New rows are drawn from such leaves, and the forest tries again, until it cannot
tell (Watson, Blesch, Kapar & Wright 2023, "Adversarial random forests for density estimation and generative modeling").
"""

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.ensemble import RandomForestClassifier

from medanomaly.tabular.synthesis.coding import CodedRows
from medanomaly.tabular.synthesis.generator import TableGenerator


class AdversarialForest(TableGenerator):
    """Leaf by the rows of the class that it holds, then each column by itself: truncated normal, or a level of the leaf.

    The class is one more column of the forest, so rows of other classes help where they look alike.

    Args:
        n_trees: trees of a round.
        rounds: at most.
        fewest: real and drawn rows that a leaf holds together, at least.
        seed: of what ``fit`` draws.
    """

    def __init__(self, n_trees: int = 20, rounds: int = 3, fewest: int = 10, seed: int = 0):
        super().__init__(seed)
        self.n_trees = n_trees
        self.rounds = rounds
        self.fewest = fewest

    def _fit(self, rows: CodedRows, rng: np.random.Generator) -> None:
        real = np.column_stack([rows.matrix, rows.classes])
        # the class is drawn like a category
        self._number = np.append(rows.is_number, False)
        drawn = rng.permuted(real, axis=0)
        for _ in range(self.rounds):
            forest = RandomForestClassifier(
                self.n_trees,
                min_samples_leaf=self.fewest,
                max_samples=0.5,
                oob_score=True,
                n_jobs=1,
                random_state=int(rng.integers(2**31)),
            ).fit(np.vstack([real, drawn]), np.repeat([1, 0], len(real)))
            self._learn_leaves(forest, real, rows.n_classes)
            if forest.oob_score_ <= 0.5:
                break
            drawn = self._from_leaves(self._leaf_size.astype(float), len(real), rng)

    def _learn_leaves(self, forest: RandomForestClassifier, real: np.ndarray, n_classes: int) -> None:
        """Size, mean, spread and limits of every column in every leaf, over all trees at once."""
        leaf = forest.apply(real).astype(np.int64)
        leaf += np.cumsum([0, *(tree.tree_.node_count for tree in forest.estimators_[:-1])])
        order = np.argsort(leaf.ravel(), kind="stable")
        _, start, self._leaf_size = np.unique(leaf.ravel()[order], return_index=True, return_counts=True)
        row = order // leaf.shape[1]
        self._values, self._start = real[row], start
        size = self._leaf_size[:, None]
        mean = np.add.reduceat(self._values, start) / size
        square = np.add.reduceat((self._values - np.repeat(mean, self._leaf_size, axis=0)) ** 2, start)
        self._mean, self._sd = mean, np.sqrt(square / np.maximum(size - 1, 1))
        self._leaf_low = np.minimum.reduceat(self._values, start)
        self._leaf_high = np.maximum.reduceat(self._values, start)
        of_class = self._values[:, -1:] == np.arange(n_classes)
        self._of_class = np.add.reduceat(of_class.astype(float), start)

    def _from_leaves(self, weight: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n, d + 1) rows from leaves drawn by weight; a leaf with one real row would give that row again."""
        several = np.where(self._leaf_size > 1, weight, 0.0)
        weight = several if several.any() else weight
        leaf = rng.choice(len(weight), n, p=weight / weight.sum())
        pick = self._start[leaf, None] + (
            rng.random((n, len(self._number))) * self._leaf_size[leaf, None]
        ).astype(np.int64)
        drawn = np.take_along_axis(self._values, pick, axis=0)
        mean, sd = self._mean[leaf], self._sd[leaf]
        spread = self._number & (sd > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = ndtr((self._leaf_low[leaf] - mean) / sd), ndtr((self._leaf_high[leaf] - mean) / sd)
            normal = mean + sd * ndtri(a + rng.random(drawn.shape) * (b - a))
        return np.where(spread & np.isfinite(normal), normal, drawn)

    def _draw(self, n: int, code: int, rng: np.random.Generator) -> np.ndarray:
        return self._from_leaves(self._of_class[:, code], n, rng)[:, :-1]
