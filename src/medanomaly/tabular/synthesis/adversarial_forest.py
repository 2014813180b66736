"""An adversarial random forest: in its leaves, columns hardly depend on each other.

A forest learns to tell real rows from rows whose columns were drawn independently. Where a leaf holds both, it could not:
there the columns are nearly independent. New rows are drawn from such leaves, and the forest tries again, until it cannot
tell (Watson, Blesch, Kapar & Wright 2023, "Adversarial random forests for density estimation and generative modeling").
"""

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from medanomaly.tabular.synthesis.coding import CodedRows
from medanomaly.tabular.synthesis.generator import TableGenerator

# with two rows, each value would lie between those of two patients
FEWEST_TOGETHER = 3


class AdversarialForest(TableGenerator):
    """A leaf by the rows of the class that it holds, then each column by itself from these rows.

    A number is drawn between two neighbouring values, which keeps values that occur often; the paper's truncated normal
    would spread them. A category is drawn from the rows. The class is one more column of the forest, so rows of all classes
    say where columns are independent.

    Args:
        n_trees: trees of a round.
        rounds: at most.
        fewest: real and drawn rows that a leaf holds together, at least.
        seed: of what ``fit`` draws.
    """

    def __init__(self, n_trees: int = 30, rounds: int = 3, fewest: int = 10, seed: int = 0):
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
            drawn = self._from_leaves(np.ones(len(self._size), dtype=bool), len(real), rng)

    def _learn_leaves(self, forest: RandomForestClassifier, real: np.ndarray, n_classes: int) -> None:
        """Values of each column in each leaf and class in order, over all trees at once."""
        leaf = forest.apply(real).astype(np.int64)
        leaf += np.cumsum([0, *(tree.tree_.node_count for tree in forest.estimators_[:-1])])
        group = (leaf * n_classes + real[:, -1:].astype(np.int64)).ravel()
        row = np.repeat(np.arange(len(real)), leaf.shape[1])
        _, self._start, self._size = np.unique(np.sort(group), return_index=True, return_counts=True)
        self._values = np.column_stack([column[row][np.lexsort((column[row], group))] for column in real.T])

    def _from_leaves(self, usable: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n, d + 1) rows; a leaf counts by its rows, and one with too few of them only where there are no others."""
        weight = np.where(usable, self._size, 0)
        several = np.where(self._size >= FEWEST_TOGETHER, weight, 0)
        weight = several if several.any() else weight
        leaf = rng.choice(len(weight), n, p=weight / weight.sum())
        start, size = self._start[leaf, None], self._size[leaf, None]
        u = rng.random((n, len(self._number)))
        place = np.where(self._number, u * (size - 1), np.floor(u * size))
        low = place.astype(np.int64)
        a = np.take_along_axis(self._values, start + low, axis=0)
        b = np.take_along_axis(self._values, start + np.minimum(low + 1, size - 1), axis=0)
        return np.where(self._number, a + (place - low) * (b - a), a)

    def _draw(self, n: int, code: int, rng: np.random.Generator) -> np.ndarray:
        return self._from_leaves(self._values[self._start, -1] == code, n, rng)[:, :-1]
