"""Rows a second of the ECDF detector with contributions, one core, against ranking with the training rows and a copy."""

import os
import time
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from benchmarks.record import Result, write
from medanomaly.detectors.kinds.ecdf import ECDFDetector

N_SCORED = 200_000
ROUNDS = 7
TARGET = 1e6


def by_ranking(train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The flat contributions by ranking train and scored rows together, column by column, as ECOD programs do.

    Ranks among the scored rows are subtracted, so the result depends only on train and can be compared.
    """
    n, terms = len(train), np.empty(rows.shape)
    for j in range(rows.shape[1]):
        together = np.concatenate([train[:, j], rows[:, j]])
        at_most = (rankdata(together, "max")[n:] - rankdata(rows[:, j], "max")).astype(int)
        below = (rankdata(together, "min")[n:] - rankdata(rows[:, j], "min")).astype(int)
        terms[:, j] = -np.log((np.minimum(at_most, n - below) + 0.5) / (n + 1))
    return terms


def tables() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Training and scored rows: real values with ties where they are at hand, and all-distinct ones of that size."""
    rng = np.random.default_rng(0)
    found = {
        "distinct values": (
            rng.standard_normal((3333, 6)).astype(np.float32),
            rng.standard_normal((N_SCORED, 6)).astype(np.float32),
        )
    }
    path = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "adbench" / "2_annthyroid.npz"
    if path.exists():
        with np.load(path) as stored:
            x, y = stored["X"].astype(np.float32), stored["y"].ravel()
        normal = rng.permutation(x[y == 0])
        found["annthyroid"] = normal[: len(normal) // 2], x[rng.integers(len(x), size=N_SCORED)]
    else:
        print(f"{path} is absent, left out")
    return found


def main() -> None:
    results = []
    for name, (train, rows) in tables().items():
        flat, detector = ECDFDetector(tail="flat").fit(train), ECDFDetector().fit(train)
        difference = np.abs(flat.explain(rows) - by_ranking(train, rows)).max()
        mine, peer, copy = [], [], []
        for _ in range(ROUNDS):
            for call, taken in (
                (lambda d=detector, x=rows: d.explain(x).sum(axis=1), mine),
                (lambda t=train, x=rows: by_ranking(t, x).sum(axis=1), peer),
                # the lower limit: read every value and write a float64 for it
                (lambda x=rows: x.astype(np.float64), copy),
            ):
                start = time.perf_counter()
                call()
                taken.append(time.perf_counter() - start)
        ours, theirs, floor = (len(rows) / np.median(taken) for taken in (mine, peer, copy))
        data = f"{name}: {len(train)} training rows, {len(rows)} scored rows, {rows.shape[1]} features"
        moved = rows.shape[1] * (4 + 8)
        results += [
            Result(
                name=f"score and contributions, {name}",
                value=float(ours),
                unit="rows/s",
                peer="scipy rankdata column by column (numpy, same process)",
                peer_value=float(theirs),
                ratio=float(ours / theirs),
                target=f">= {TARGET:.0f} rows/s",
                reached=bool(ours >= TARGET),
                data=data,
            ),
            Result(
                name=f"share of the floor, {name}: reading float32, writing float64, {moved} bytes a row",
                value=float(ours / floor),
                unit="",
                peer="numpy astype",
                peer_value=float(floor),
                data=data,
            ),
            Result(
                name=f"largest difference from ranking, {name}", value=float(difference), unit="", data=data
            ),
        ]
    write("ecdf_speed", results, command="make bench NAME=ecdf_speed")


if __name__ == "__main__":
    main()
