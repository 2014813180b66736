"""Drift of columns and scores: is it fast, is it right, and how near is the AUROC that is estimated without labels?

Real data: sets of ADBench. Each is divided anew 20 times, half for training (normals alone), a fifth for calibration and the
rest as a new period, with anomalies in every part.
"""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.record import Result, write
from medanomaly.monitoring.batch_shift import check_shift
from medanomaly.monitoring.drift import ColumnReference, compare_column, compare_columns, references, shifted
from medanomaly.monitoring.params import Limits
from medanomaly.monitoring.performance import ScoreProbabilities, estimated_auroc

ROWS, COLUMNS, REFERENCE = 1_000_000, 50, 20_000
SETS = ("2_annthyroid", "6_cardio", "7_Cardiotocography", "23_mammography")
SPLITS = 20
LIMITS = Limits()
CODE = "from benchmarks.monitoring import measure; measure()"


def made(n: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Columns of different shapes, float32 but for five of levels; a tenth of the values of every fifth is missing."""
    rng, table = np.random.default_rng(seed), {}
    for i in range(COLUMNS):
        if i % 10 == 9:
            table[f"c{i}"] = pd.Categorical.from_codes(rng.integers(0, 6, n), list("abcdef"))
            continue
        values = rng.normal(shift, 1, n).astype(np.float32)
        if i % 3 == 1:
            values = np.exp(values)
        if i % 5 == 0:
            values[rng.random(n) < 0.1] = np.nan
        table[f"c{i}"] = values
    return pd.DataFrame(table)


def measure() -> None:
    """Print seconds of a comparison, and MB of the process, which made the table as well."""
    known, new = references(made(REFERENCE, 0)), made(ROWS, 1, 0.01)
    compare_columns(known, new.head(1000))
    began = time.perf_counter()
    compare_columns(known, new)
    print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def speed() -> list[Result]:
    root = Path(__file__).parents[1]
    variables = os.environ | {"PYTHONPATH": f"{root}/src:{root}"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=root, env=variables, check=True, capture_output=True, text=True
    )
    seconds, peak = (float(word) for word in done.stdout.split())
    data = f"{ROWS:,} rows, {COLUMNS} columns, reference of {REFERENCE:,} rows"
    return [
        Result("verdict on all columns", seconds, "s", target="below 10", reached=seconds < 10, data=data),
        Result("peak memory of the process, with the table", peak, "MB", target="below 1,024", reached=peak < 1024,
               data=data),
    ]  # fmt: skip


def false_alarms() -> list[Result]:
    """Tables without change in which any column is called shifted."""
    wrong, n = 0, 400
    for i in range(n):
        rng = np.random.default_rng(i)
        before, after = (pd.DataFrame(rng.normal(size=(k, 20))).add_prefix("c") for k in (500, 200))
        wrong += len(shifted(compare_columns(references(before), after), 0.02, 0.02, LIMITS.level)) > 0
    return [
        Result("tables without change in which a column is called shifted, at 1 %", wrong / n, "", target="0.02 or less",
               reached=wrong / n <= 0.02, data="20 columns, 500 and 200 rows, any size of shift counts"),
    ]  # fmt: skip


def divided(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, ...]:
    """Rows of train, calibration and new cases; anomalies are divided like all others."""
    part = np.random.default_rng(seed).choice(3, len(y), p=[0.5, 0.2, 0.3])
    return tuple(np.flatnonzero(part == i) for i in range(3))


def without_labels(folder: Path) -> list[Result]:
    """Estimated and true AUROC of the new cases, and how often an estimate under shift is said to be not valid."""
    from medanomaly.detectors.kinds.isolation_forest import IsolationForest

    rows = []
    for name in SETS:
        data = np.load(folder / f"{name}.npz")
        x, y = data["X"].astype(np.float32), data["y"].astype(bool)
        errors, inside, kept, caught = [], [], [], []
        for seed in range(SPLITS):
            train, calibration, new = divided(x, y, seed)
            normal = x[train][~y[train]]
            centre, spread = normal.mean(axis=0), normal.std(axis=0) + 1e-9
            model = IsolationForest(n_estimators=100, random_state=seed).fit((normal - centre) / spread)
            score = -model.score_samples((x - centre) / spread)
            known = ScoreProbabilities.fit(score[calibration], y[calibration])
            estimate, low, high = estimated_auroc(score[new], known, seed=seed)
            true = auroc_of(score[new], y[new])
            errors.append(estimate - true)
            inside.append(low <= true <= high)
            kept.append(valid(score, calibration, new, score[new], y))
            # as another unit of a quarter of the features would be
            moved = x[new].copy()
            moved[:, : max(1, x.shape[1] // 4)] += 2 * spread[: max(1, x.shape[1] // 4)]
            caught.append(
                not valid(score, calibration, new, -model.score_samples((moved - centre) / spread), y)
            )
        about = f"{name.split('_', 1)[1]}, {SPLITS} splits"
        mean = float(np.mean(np.abs(errors)))
        rows += [
            Result("AUROC without labels, mean absolute error", mean, "", float(np.quantile(np.abs(errors), 0.025)),
                   float(np.quantile(np.abs(errors), 0.975)), target="0.03 or less", reached=mean <= 0.03, data=about),
            Result("AUROC without labels, mean error", float(np.mean(errors)), "", data=about),
            Result("true AUROC inside the 95 % interval of the estimate", float(np.mean(inside)), "", data=about),
            Result("estimates without shift that are called valid", float(np.mean(kept)), "", target="0.95 or more",
                   reached=bool(np.mean(kept) >= 0.95), data=about),
            Result("estimates under shift that are called not valid", float(np.mean(caught)), "", target="1",
                   reached=bool(np.min(caught) == 1), data=f"{about}; a quarter of the features moved by 2 sd"),
        ]  # fmt: skip
    return rows


def auroc_of(score: np.ndarray, positive: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, score))


def valid(
    score: np.ndarray, calibration: np.ndarray, new: np.ndarray, now: np.ndarray, y: np.ndarray
) -> bool:
    """As the monitoring decides it: p-values are not broken, and scores are not shifted."""
    broken = check_shift(score[calibration][~y[calibration]], now).verdict == "broken"
    row = compare_column(ColumnReference.of("score", score[calibration]), pd.Series(now))
    return not broken and not (row["psi"] >= LIMITS.psi and row["p"] <= LIMITS.level)


def main() -> None:
    folder = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "adbench"
    if not folder.is_dir():
        sys.exit(f"{folder} is not there; MEDANOMALY_DATA names the folder of the data")
    write(
        "monitoring",
        [*speed(), *false_alarms(), *without_labels(folder)],
        command="make bench NAME=monitoring",
    )


if __name__ == "__main__":
    main()
