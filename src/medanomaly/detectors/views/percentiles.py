"""Scores of any detector as percentiles among training scores: a continuous curve that is fixed at training."""

import numpy as np

from medanomaly.detectors.onnx.graph import INT64, Graph, node

MAX_KNOTS = 1024
# scores closer than this (relative) count as one, so that rounding cannot move a percentile
_RESOLUTION = 1e-9


class TrainingPercentiles:
    """Share of the training scores that lie below a score, in (0, 1).

    A training score v that occurs c times among n, with C scores up to and including it, has the mid-rank
    ``(C - c/2) / n``. Straight lines join the ranks. Below the smallest score the rank is constant. Above the largest,
    where ``r = 1 - c / (2 n)``, it continues as ``1 - (1 - r) / (1 + (s - v) / e)``, with e the mean excess of the upper
    twentieth of the scores, so that scores far outside still differ. Of more than 1024 scores, 1024 are kept, evenly
    spaced in rank.

    Args:
        scores: (n,) finite training scores, n >= 1.

    Attributes:
        knots: (m,) float64, ascending scores.
        ranks: (m,) float64, their mid-ranks.
        slopes: (m,) float64, rise of the rank per score behind each knot, 0 behind the last.
        tail_rate: 1 / e, 0 where all scores are equal.
    """

    def __init__(self, scores: np.ndarray):
        ordered = np.sort(np.asarray(scores, dtype=np.float64))
        n = len(ordered)
        gap = np.diff(ordered) > _RESOLUTION * np.maximum(np.abs(ordered[1:]), 1.0)
        starts = np.flatnonzero(np.concatenate([[True], gap]))
        counts = np.diff(np.concatenate([starts, [n]]))
        # the last of a run, so that no score of the run is above the largest knot
        knots, ranks = ordered[starts + counts - 1], (starts + counts / 2.0) / n
        if len(knots) > MAX_KNOTS:
            wanted = np.linspace(ranks[0], ranks[-1], MAX_KNOTS)
            kept = np.unique(np.minimum(np.searchsorted(ranks, wanted), len(ranks) - 1))
            knots, ranks = knots[kept], ranks[kept]
        self.knots, self.ranks = knots, ranks
        self.slopes = np.concatenate([np.diff(ranks) / np.diff(knots), [0.0]])
        outer = max(1, n // 20)
        excess = (ordered[-outer:] - ordered[-outer - 1]).mean() if n > outer else 0.0
        self.tail_rate = float(1.0 / excess) if excess > _RESOLUTION * max(1.0, abs(ordered[-1])) else 0.0

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """(n,) finite scores to (n,) percentiles."""
        cell = np.maximum(np.searchsorted(self.knots, scores, side="right") - 1, 0)
        inside = self.ranks[cell] + np.maximum(scores - self.knots[cell], 0.0) * self.slopes[cell]
        beyond = np.maximum(scores - self.knots[-1], 0.0) * self.tail_rate
        return inside + (1.0 - self.ranks[-1]) * (beyond / (1.0 + beyond))

    def _onnx_graph(self) -> Graph:
        """Nodes from "score" (n,) to "percentile" (n,)."""
        nodes = [
            node("Unsqueeze", ["score", "columns"], ["column"]),
            node("GreaterOrEqual", ["column", "knots"], ["reached"]),
            node("Cast", ["reached"], ["ones"], to=INT64),
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
            "knots": self.knots,
            "ranks": self.ranks,
            "slopes": self.slopes,
            "one": np.int64(1),
            "zero": np.int64(0),
            "largest": self.knots[-1],
            "tail_rate": np.float64(self.tail_rate),
            "unit": np.float64(1.0),
            "left": np.float64(1.0 - self.ranks[-1]),
        }
