"""Does "flag at 5 %" mean 5 %? Realised false-alarm rate on real normals, ten seeds, one third each."""

import os
from pathlib import Path

import numpy as np
from sklearn.ensemble import IsolationForest

from benchmarks.record import Result, write
from medanomaly.core.conformal import p_values

SETS = ("annthyroid", "mammography", "cardio", "Cardiotocography")
SEEDS = 10
ALPHA = 0.05


def realised_rates(normal: np.ndarray) -> np.ndarray:
    """(seeds,) share of test normals with p <= alpha; train, calibration and test are drawn anew for each seed."""
    rates = []
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(normal))
        train, calibration, test = np.array_split(order, 3)
        forest = IsolationForest(n_estimators=100, random_state=seed).fit(normal[train])
        p = p_values(-forest.score_samples(normal[test]), -forest.score_samples(normal[calibration]))
        rates.append((p <= ALPHA).mean())
    return np.array(rates)


def main() -> None:
    root = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "adbench"
    results = []
    for name in SETS:
        files = list(root.glob(f"*_{name}.npz"))
        if not files:
            print(f"{name}: not in {root}, left out")
            continue
        with np.load(files[0]) as data:
            normal = data["X"][data["y"].ravel() == 0]
        rates = realised_rates(normal)
        half = 2.262 * rates.std(ddof=1) / np.sqrt(SEEDS)  # t quantile, 9 degrees of freedom
        results.append(
            Result(
                name=f"realised false-alarm rate at alpha = {ALPHA}, {name}",
                value=float(rates.mean()),
                unit="",
                ci_low=float(rates.mean() - half),
                ci_high=float(rates.mean() + half),
                target="0.04 to 0.06",
                reached=bool(0.04 <= rates.mean() <= 0.06),
                data=f"adbench/{files[0].name}, {len(normal)} normals, Isolation Forest, {SEEDS} seeds",
            )
        )
    if results:
        write("conformal_validity", results, command="make bench NAME=conformal_validity")


if __name__ == "__main__":
    main()
