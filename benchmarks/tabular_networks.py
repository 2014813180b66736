"""Do reconstructing networks find more anomalies of the ADBench medical sets than an isolation forest?

The strict one-class protocol of ``tabular_oneclass``: same splits, same seeds, networks with their default settings.
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

from benchmarks.record import RESULTS, Result, write
from benchmarks.tabular_oneclass import PEER, SETS, figures, fit_and_score, paired_interval, strict_split
from medanomaly.detectors.kinds.denoising_autoencoder import AutoencoderDetector
from medanomaly.detectors.kinds.isolation_forest import IsolationForest
from medanomaly.detectors.kinds.pca import PCADetector
from medanomaly.detectors.kinds.transformer_autoencoder import TransformerAutoencoderDetector


def detectors(seed: int) -> dict[str, object]:
    return {
        PEER: IsolationForest(n_estimators=100, random_state=seed),
        "principal components": PCADetector(),
        "denoising autoencoder": AutoencoderDetector(random_state=seed),
        "masked transformer autoencoder": TransformerAutoencoderDetector(random_state=seed),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the .npz files")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=RESULTS / "tabular_networks.json")
    options = parser.parse_args(arguments or [])
    folder = options.data or Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "adbench"
    names = options.sets.split(",")
    missing = [name for name in names if not (folder / f"{name}.npz").is_file()]
    if missing:
        print(f"{missing[0]} is not in {folder}; set MEDANOMALY_DATA or give --data")
        return
    table = {name: np.empty((len(names), options.seeds, 2)) for name in detectors(0)}
    spent = dict.fromkeys(table, 0.0)
    for i, set_name in enumerate(names):
        with np.load(folder / f"{set_name}.npz") as file:
            X, y = file["X"].astype(np.float32), file["y"].astype(int).ravel()
        for seed in range(options.seeds):
            train, test = strict_split(X, y, seed)
            for name, detector in detectors(seed).items():
                started = time.perf_counter()
                score = fit_and_score(detector, X[train], X[test])
                spent[name] += time.perf_counter() - started
                table[name][i, seed] = figures(y[test], score)
    data = f"ADBench: {', '.join(names)}; {options.seeds} seeds"
    results = []
    for metric, unit in enumerate(("auroc", "auprc")):
        for name, values in table.items():
            is_peer = name == PEER
            peer_value = None if is_peer else float(table[PEER][..., metric].mean())
            results.append(
                Result(
                    f"one-class {unit}, {name}",
                    float(values[..., metric].mean()),
                    "%",
                    peer=None if is_peer else PEER,
                    peer_value=peer_value,
                    data=data,
                )
            )
            if not is_peer:
                difference = (values - table[PEER])[..., metric]
                low, high = paired_interval(difference)
                what = f"one-class {unit}, {name} minus {PEER}"
                results.append(Result(what, float(difference.mean()), "points", low, high, data=data))
            if "autoencoder" in name:
                for i, set_name in enumerate(names):
                    value = float(values[i, :, metric].mean())
                    results.append(Result(f"one-class {unit}, {name}", value, "%", data=set_name))
    for name, seconds in spent.items():
        mean = seconds / (len(names) * options.seeds)
        results.append(Result(f"fit and score one set, {name}", mean, "s", data=data))
    write("tabular_networks", results, command="make bench NAME=tabular_networks", path=options.json)


if __name__ == "__main__":
    main(sys.argv[1:])
