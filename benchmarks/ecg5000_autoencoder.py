"""Does an LSTM autoencoder of normal heart beats find abnormal ones better than principal components or a mean beat?

ECG5000, the 500 beats of the file called TRAIN, in repeated 5-fold cross-validation over the normal beats. A fold learns
from four fifths of them and scores the rest and all abnormal beats. Intervals come from resampling beats, with the same
resamples in all folds and methods. The data set names no patients, so they may be too narrow.
"""

import argparse
import os
import sys
import time
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).parents[1]))

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import RepeatedKFold

from benchmarks.record import RESULTS, Result, write

LSTM, COMPONENTS = "LSTM autoencoder", "8 principal components, reconstruction error"
MEAN, STEP = "squared distance to the mean beat", "largest step |diff|"
DRAWS = 500


def scores(train: np.ndarray, rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """(n,) scores of (n, 140) beats by each method fitted on ``train``."""
    import torch

    from medanomaly.signals.lstm.detector import LSTMDetector

    torch.set_num_threads(1)
    components = PCA(8).fit(train)
    residual = rows - components.inverse_transform(components.transform(rows))
    return {
        LSTM: LSTMDetector(seed=seed).fit(train[:, :, None]).score(rows[:, :, None]),
        COMPONENTS: (residual**2).mean(axis=1),
        MEAN: ((rows - train.mean(axis=0)) ** 2).mean(axis=1),
        STEP: np.abs(np.diff(rows, axis=1)).max(axis=1),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="ECG5000_TRAIN.txt")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, default=RESULTS / "ecg5000_autoencoder.json")
    options = parser.parse_args(arguments or [])
    root = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw"))
    path = options.data or root / "ecg5000" / "ECG5000_TRAIN.txt"
    if not path.is_file():
        print(f"{path} is absent; set MEDANOMALY_DATA or give --data")
        return
    table = np.loadtxt(path)
    beats, is_abnormal = table[:, 1:].astype(np.float32), table[:, 0] != 1
    normal, abnormal = np.flatnonzero(~is_abnormal), np.flatnonzero(is_abnormal)
    started = time.perf_counter()
    random = np.random.default_rng(0)
    # how often each beat is drawn: all folds share the draws, because the abnormal beats are in each of them
    times_normal, times_abnormal = (
        random.multinomial(n, np.full(n, 1.0 / n), DRAWS) for n in (len(normal), len(abnormal))
    )
    point: dict[str, list] = {}
    drawn: dict[str, list] = {}
    folds = RepeatedKFold(n_splits=5, n_repeats=options.repeats, random_state=0)
    for fold, (train, held_out) in enumerate(folds.split(normal)):
        test = np.concatenate([normal[held_out], abnormal])
        labels = is_abnormal[test]
        for name, score in scores(beats[normal[train]], beats[test], fold).items():
            figures = roc_auc_score(labels, score), average_precision_score(labels, score)
            point.setdefault(name, []).append(figures)
            weights = np.concatenate([times_normal[:, held_out], times_abnormal], axis=1)
            aurocs = [roc_auc_score(labels, score, sample_weight=weight) for weight in weights]
            drawn.setdefault(name, []).append(aurocs)
    data = f"ECG5000 TRAIN, {len(normal)} normal and {len(abnormal)} abnormal beats"
    results = []
    for name, values in point.items():
        auroc, auprc = np.mean(values, axis=0)
        low, high = np.quantile(np.mean(drawn[name], axis=0), [0.025, 0.975])
        results.append(Result(f"auroc, {name}", auroc, "", low, high, data=data))
        results.append(Result(f"auprc (prevalence about .78), {name}", auprc, "", data=data))
    for other in (COMPONENTS, MEAN):
        difference = np.mean(drawn[LSTM], axis=0) - np.mean(drawn[other], axis=0)
        low, high = np.quantile(difference, [0.025, 0.975])
        gap = float(np.mean(point[LSTM], axis=0)[0] - np.mean(point[other], axis=0)[0])
        results.append(Result(f"auroc, {LSTM} minus {other}", gap, "", low, high, data=data))
    results.append(Result("time of this benchmark", time.perf_counter() - started, "s"))
    write("ecg5000_autoencoder", results, command="make bench NAME=ecg5000_autoencoder", path=options.json)


if __name__ == "__main__":
    main(sys.argv[1:])
