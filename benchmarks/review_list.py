"""Does the list of alarms get better by reviews? A simulated reviewer, who is always right, on public tables.

A forest is fitted on one half of the records, anomalies among them, without labels. 50 records of this half are reviewed,
each time the most unusual one that is left. The other half was never seen: how many of its 20 most unusual records are
anomalies, before and after the reviews? Sets are those of ADBench with at least 100 anomalies that are less than 30 % of the
records.
"""

import os
from pathlib import Path

import numpy as np

from benchmarks.record import Result
from medanomaly.detectors.feedback import RATE, ReviewedForest
from medanomaly.detectors.kinds.isolation_forest import IsolationForest

SETS = ("2_annthyroid", "6_cardio", "7_Cardiotocography", "23_mammography")
SEEDS, REVIEWS, LISTED, MOST_RECORDS = 10, 50, 20, 4000
DATA = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "adbench"


def precisions(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, float]:
    """Share of anomalies among the listed records of the second half, before and after the reviews of the first."""
    order = np.random.default_rng(seed).permutation(len(x))[:MOST_RECORDS]
    first, second = np.array_split(order, 2)
    forest = IsolationForest(n_estimators=100, random_state=seed).fit(x[first])
    reviewed = ReviewedForest(forest)
    known, new = reviewed.leaves(x[first]), reviewed.leaves(x[second])

    def listed() -> float:
        return float(y[second][np.argsort(-reviewed.score(new), kind="stable")[:LISTED]].mean())

    before, left = listed(), np.ones(len(first), dtype=bool)
    for _ in range(REVIEWS):
        at = int(np.argmax(np.where(left, reviewed.score(known), -np.inf)))
        left[at] = False
        reviewed.review(known[at : at + 1], y[first][at : at + 1])
    return before, listed()


def review_rows() -> list[Result]:
    """Precision before and after, and their ratio, on each set."""
    rows = []
    for name in SETS:
        path = DATA / f"{name}.npz"
        if not path.is_file():
            print(f"{name}: not in {DATA}, left out")
            continue
        with np.load(path) as archive:
            x, y = archive["X"].astype(np.float32), archive["y"].ravel().astype(bool)
        before, after = np.array([precisions(x, y, seed) for seed in range(SEEDS)]).T
        data = (
            f"adbench/{path.name}, {SEEDS} random halves of at most {MOST_RECORDS:,} records; rate {RATE:g}; limits: "
            "smallest and largest"
        )
        what, ratio = (
            f"reviews, {name}: anomalies among {LISTED} alarms",
            after.mean() / max(before.mean(), 1e-9),
        )
        rows += [
            Result(f"{what}, before", before.mean(), "", before.min(), before.max(), data=data),
            Result(f"{what}, after {REVIEWS} reviews", after.mean(), "", after.min(), after.max(), data=data),
            Result(f"{what}, after as a multiple of before", ratio, "times", data=data, target=">= 2",
                   reached=bool(ratio >= 2)),
            Result(f"{what}, false ones after as a share of those before",
                   (1 - after.mean()) / max(1 - before.mean(), 1e-9), "", data=data),
        ]  # fmt: skip
    return rows
