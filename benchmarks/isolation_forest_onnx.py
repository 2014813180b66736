"""How much faster is the exported isolation forest than scikit-learn's own scoring, one row and a batch, one thread?"""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.record import Result, write
from medanomaly.core.onnx_session import open_session
from medanomaly.detectors.kinds.isolation_forest import IsolationForest
from medanomaly.detectors.onnx.export import to_onnx

N_FEATURES = 30
BATCH = 20_000
PEER = "scikit-learn score_samples, same forest, same process"


def seconds_in_turn(*calls: tuple[Callable[[], object], int], rounds: int) -> list[np.ndarray]:
    """Durations of each call; the calls alternate, so a slow moment of the machine affects all of them."""
    durations = [[] for _ in calls]
    for _ in range(rounds):
        for (call, repeats), taken in zip(calls, durations, strict=True):
            for _ in range(repeats):
                start = time.perf_counter()
                call()
                taken.append(time.perf_counter() - start)
    return [np.array(taken) for taken in durations]


def main() -> None:
    rows = np.random.default_rng(0).standard_normal((BATCH, N_FEATURES)).astype(np.float32)
    one, data, results = rows[:1], f"{BATCH} rows x {N_FEATURES} standard normal features, seed 0", []
    for n_trees in (100, 300):
        forest = IsolationForest(n_estimators=n_trees, random_state=0).fit(rows)
        session = open_session(to_onnx(forest))
        ours, theirs = lambda x, s=session: s.run(None, {"X": x})[0], forest.score_samples

        difference = float(np.abs(ours(rows) + theirs(rows)).max())
        fast, slow = seconds_in_turn((lambda f=ours: f(one), 100), (lambda f=theirs: f(one), 5), rounds=60)
        for quantile, target in ((0.5, 100), (0.99, None)):
            mine, peer = np.quantile(fast, quantile) * 1e6, np.quantile(slow, quantile) * 1e6
            results.append(
                Result(
                    name=f"one row, {n_trees} trees, p{quantile * 100:.0f}",
                    value=float(mine),
                    unit="us",
                    peer=PEER,
                    peer_value=float(peer),
                    ratio=float(peer / mine),
                    target=f"ratio >= {target}" if target else None,
                    reached=bool(peer / mine >= target) if target else None,
                    data=data,
                )
            )
        fast, slow = seconds_in_turn((lambda f=ours: f(rows), 1), (lambda f=theirs: f(rows), 1), rounds=15)
        mine, peer = np.median(fast) * 1e3, np.median(slow) * 1e3
        results += [
            Result(
                name=f"batch of {BATCH}, {n_trees} trees, median",
                value=float(mine),
                unit="ms",
                peer=PEER,
                peer_value=float(peer),
                ratio=float(peer / mine),
                target="ratio >= 1",
                reached=bool(peer / mine >= 1),
                data=data,
            ),
            Result(
                name=f"largest difference from scikit-learn, {n_trees} trees",
                value=difference,
                unit="",
                target="<= 1e-6",
                reached=difference <= 1e-6,
                data=data,
            ),
        ]
    write("isolation_forest_onnx", results, command="make bench NAME=isolation_forest_onnx")


if __name__ == "__main__":
    main()
