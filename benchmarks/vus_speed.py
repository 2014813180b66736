"""How fast are VUS-ROC and VUS-PR, and do they equal the definition and the authors' program?

The comparisons run in the same process and take turns: a plain version of the definition, and the package ``vus``
(0.0.6) where it is installed. It is not a dependency, because it pins old libraries; ``pip install --no-deps vus`` into
a folder on PYTHONPATH is enough.
"""

import os
import time
from pathlib import Path

import numpy as np

from benchmarks.record import Result, write
from medanomaly.evaluation.series.vus import volume_under_surface

WIDTH, THRESHOLDS = 100, 250


def plain_vus(truth: np.ndarray, score: np.ndarray, width: int, n_thresholds: int) -> tuple[float, float]:
    """The definition, sample by sample: every width, every threshold, whole series."""
    truth, n = np.asarray(truth, dtype=bool), len(truth)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], truth.astype(int), [0]]))).reshape(-1, 2)
    thresholds = np.sort(score)[::-1][np.linspace(0, n - 1, n_thresholds).astype(int)]
    at = np.arange(n)
    rocs, prs = [], []
    for w in range(width + 1):
        label, cover = truth.astype(float), truth.copy()
        for start, end in edges:
            distance = np.maximum(start - at, at - (end - 1))
            near = (distance >= 1) & (distance <= w // 2)
            label[near] += np.sqrt(1 - distance[near] / w)
            cover |= near
        label = np.minimum(label, 1)
        # buffers that touch without a sample between them are two groups, those that share a sample one
        groups = []
        for start, end in edges:
            low, high = max(start - w // 2, 0), min(end - 1 + w // 2, n - 1)
            if groups and groups[-1][2] >= start - w // 2:
                groups[-1][1:] = [high, end - 1 + w // 2]
            else:
                groups.append([low, high, end - 1 + w // 2])
        points, precision = [(0.0, 0.0)], []
        for threshold in thresholds:
            alarm = score >= threshold
            counted = np.where(truth, 1.0, label * alarm)
            true = (counted * alarm).sum()
            usual = (truth.sum() + counted.sum()) / 2
            met = np.mean([alarm[low : high + 1].any() for low, high, _ in groups])
            points.append((min(true / usual, 1) * met, (alarm.sum() - true) / (n - usual)))
            precision.append(true / alarm.sum())
        recall, false = np.array([*points, (1.0, 1.0)]).T
        rocs.append(float((np.diff(false) * (recall[1:] + recall[:-1]) / 2).sum()))
        prs.append(float((np.diff(recall[:-1]) * precision).sum()))
    return float(np.mean(rocs)), float(np.mean(prs))


def series() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    truth = np.zeros(20_000, dtype=bool)
    for start in range(900, 20_000, 2000):
        truth[start : start + 100] = True
    found = {
        "20,000 samples, 10 events of 100": (truth, rng.random(20_000) + 0.3 * truth),
        "the same, score rounded to 2 decimals": (truth, np.round(rng.random(20_000) + 0.3 * truth, 2)),
    }
    folder = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "ucr"
    name = "119_UCR_Anomaly_ECG1_10000_11800_12100.txt"
    if (folder / name).exists():
        values = np.loadtxt(folder / name)[10_000:]
        truth = np.zeros(len(values), dtype=bool)
        truth[1800:2101] = True
        found["UCR 119, |diff|"] = truth, np.abs(np.diff(values, prepend=values[0]))
    else:
        print(f"{folder / name} is absent, left out")
    return found


def authors_program():
    try:
        from vus.utils.metrics import metricor
    except ImportError:
        print("the package vus is absent, left out")
        return None
    return lambda truth, score: metricor().RangeAUC_volume_opt(truth.astype(float), score, WIDTH, THRESHOLDS)[
        4:
    ]


def taken(call) -> tuple[float, tuple[float, float]]:
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def main() -> None:
    peers = {"plain version of the definition": lambda t, s: plain_vus(t, s, WIDTH, THRESHOLDS)}
    if (program := authors_program()) is not None:
        peers["the authors' program (vus 0.0.6, RangeAUC_volume_opt)"] = program
    volume_under_surface(np.array([True, False]), np.array([1.0, 0.0]), 2)
    results = []
    for name, (truth, score) in series().items():
        for peer, call in peers.items():
            ours, theirs = [], []
            for _ in range(2):
                seconds, expected = taken(lambda c=call, t=truth, s=score: c(t, s))
                theirs.append(seconds)
                for _ in range(5):
                    seconds, found = taken(lambda t=truth, s=score: volume_under_surface(t, s, WIDTH))
                    ours.append(seconds)
            ratio = min(theirs) / min(ours)
            off = max(abs(found.roc - expected[0]), abs(found.pr - expected[1]))
            results += [
                Result(
                    f"VUS-ROC and VUS-PR, {len(truth):,} samples, {WIDTH + 1} widths",
                    min(ours),
                    "s",
                    peer=peer,
                    peer_value=min(theirs),
                    ratio=ratio,
                    target=">= 10x",
                    reached=bool(ratio >= 10),
                    data=name,
                ),
                Result(
                    f"largest difference from {peer}",
                    off,
                    "",
                    target="<= 1e-6",
                    reached=bool(off <= 1e-6),
                    data=name,
                ),
            ]
    write("vus_speed", results, command="make bench NAME=vus_speed")


if __name__ == "__main__":
    main()
