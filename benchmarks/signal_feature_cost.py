"""What features of signals cost: for a window, a record and a streamed Holter, compared with the transforms they need."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.record import Result, write
from benchmarks.signal_features import FS, N_SAMPLES, RECORDS, folder, seconds_in_turn, windows
from medanomaly.signals.features.heart_rate_variability import windowed_hrv
from medanomaly.signals.features.morphology import beat_features
from medanomaly.signals.features.windows import (
    WINDOW_FEATURES,
    feature_matrix,
    stream_windowed_features,
    windowed_features,
)

RECORD = RECORDS[0]
HOURS = (1, 6, 24)
BLOCK_S = 60
BEATS = list("NLRBAaJSVrFejnE/fQ")


def everything(x: np.ndarray, data: str) -> list[Result]:
    """All window features compared with the floor: one sort and the transforms by numpy and scipy, results unused."""
    from scipy import fft

    segments = np.zeros((len(x), 3, 360))
    feature_matrix(x[:8], FS)
    taken = seconds_in_turn(
        {
            "ours": lambda: feature_matrix(x, FS),
            "floor": lambda: (x.argsort(axis=1), fft.rfft(x, axis=1), fft.rfft(segments, axis=2)),
        },
        rounds=7,
    )
    n = len(x)
    return [
        Result(
            name=f"all {len(WINDOW_FEATURES)} features of a window",
            value=n / taken["ours"],
            unit="windows/s",
            peer="floor: one argsort and the transforms of numpy and scipy alone",
            peer_value=n / taken["floor"],
            ratio=taken["floor"] / taken["ours"],
            data=data,
        )
    ]


def record_features(signal: np.ndarray, beats: np.ndarray) -> None:
    windowed_features(signal, FS, leads=("MLII", "V1"))
    beat_features(signal, FS, beats, leads=("MLII", "V1"))
    windowed_hrv(beats, FS, len(signal) / FS)


def one_record() -> list[Result]:
    import wfdb

    path = str(folder() / RECORD)
    signal, marks = wfdb.rdrecord(path).p_signal, wfdb.rdann(path, "atr")
    beats = marks.sample[np.isin(marks.symbol, BEATS)]
    record_features(signal, beats)
    took = seconds_in_turn({"ours": lambda: record_features(signal, beats)}, rounds=5)["ours"]
    return [
        Result(
            name="30 min, 2 leads: all window, beat and heart-rate features",
            value=took,
            unit="s",
            target="< 2 s",
            reached=took < 2,
            data=f"MIT-BIH {RECORD}, {len(beats)} reference beats",
        )
    ]


def single_window(x: np.ndarray, data: str) -> list[Result]:
    """Features, isolation forest and LSTM autoencoder for one window at a time, as in a service."""
    from medanomaly.core.onnx_session import open_session
    from medanomaly.detectors.kinds.isolation_forest import IsolationForest
    from medanomaly.detectors.onnx.export import to_onnx
    from medanomaly.signals.lstm.detector import LSTMDetector
    from medanomaly.signals.lstm.params import LSTMParams
    from medanomaly.training.params import TrainingParams

    features = feature_matrix(x, FS).astype(np.float32)
    forest = open_session(to_onnx(IsolationForest(n_estimators=100, random_state=0).fit(features)))
    # the time of scoring does not depend on the training
    params = LSTMParams(training=TrainingParams(max_epochs=1, accelerator="cpu"))
    network = open_session(LSTMDetector(params).fit(x[:128, :, None].astype(np.float32)).onnx())
    alone = np.ascontiguousarray(x[:, None, :])

    def by_forest(row: np.ndarray) -> object:
        return forest.run(["score"], {"X": row.astype(np.float32)})

    def by_network(window: np.ndarray) -> object:
        return network.run(["score"], {"X": window.reshape(1, N_SAMPLES, 1).astype(np.float32)})

    clocks = {"": time.perf_counter, ", processor time": time.process_time}
    taken = {(name, clock): [] for name in ("features", "features and both models") for clock in clocks}
    for k in range(6 * len(alone)):
        window = alone[k % len(alone)]
        start = {clock: now() for clock, now in clocks.items()}
        row = feature_matrix(window, FS)
        middle = {clock: now() for clock, now in clocks.items()}
        by_forest(row)
        by_network(window)
        for clock, now in clocks.items():
            taken["features", clock].append(middle[clock] - start[clock])
            taken["features and both models", clock].append(now() - start[clock])
    limits = {
        ("features", 50): 1.0,
        ("features and both models", 50): 5.0,
        ("features and both models", 99): 15.0,
    }
    results = []
    for (name, clock), durations in taken.items():
        for level in (50, 99):
            value, limit = float(np.percentile(durations, level)) * 1e3, limits.get((name, level))
            results.append(
                Result(
                    name=f"one window of {N_SAMPLES} samples, {name}{clock}, p{level}",
                    value=value,
                    unit="ms",
                    target=f"< {limit:g} ms" if limit else None,
                    reached=value < limit if limit else None,
                    data=data + "; forest of 100 trees, LSTM of 64 units, ONNX, one thread",
                )
            )
    return results


def holter_blocks(hours: float) -> Iterator[np.ndarray]:
    """A record repeated again and again, in blocks of a minute, as float32 like that of the readers."""
    import wfdb

    signal = wfdb.rdrecord(str(folder() / RECORD)).p_signal.astype(np.float32)
    block = round(BLOCK_S * FS)
    for k in range(round(hours * 3600 / BLOCK_S)):
        yield signal.take(np.arange(k * block, (k + 1) * block), axis=0, mode="wrap")


def peak_memory() -> float:
    """Largest resident size of this process in MB; ``ru_maxrss`` would include the memory of the parent at the fork."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) / 1024


def holter_child(hours: float) -> None:
    """Stream the features of that many hours and print time and peak memory; it runs in a process of its own."""
    warmed = holter_blocks(0.1)
    list(stream_windowed_features(warmed, FS, leads=("MLII", "V1")))
    before = peak_memory()
    start = time.perf_counter()
    n = sum(len(table) for table in stream_windowed_features(holter_blocks(hours), FS, leads=("MLII", "V1")))
    took = time.perf_counter() - start
    peak = peak_memory()
    print(json.dumps({"windows": n, "seconds": took, "before": before, "peak": peak}))


def holter() -> list[Result]:
    found = {}
    for hours in HOURS:
        command = [sys.executable, "-m", "benchmarks.signal_feature_cost", "holter", str(hours)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[hours] = json.loads(printed.strip().splitlines()[-1])
    results = []
    for hours, figures in found.items():
        data = (
            f"MIT-BIH {RECORD} repeated, {figures['windows']} windows of 2 s, 2 leads, blocks of {BLOCK_S} s"
        )
        grown = figures["peak"] - found[HOURS[0]]["peak"]
        results += [
            Result(
                name=f"{hours} h, 2 leads, streamed: time",
                value=figures["seconds"],
                unit="s",
                target="minutes" if hours == 24 else None,
                reached=figures["seconds"] < 300 if hours == 24 else None,
                data=data,
            ),
            Result(
                name=f"{hours} h, 2 leads, streamed: time an hour",
                value=figures["seconds"] / hours,
                unit="s/h",
                data=data,
            ),
            Result(
                name=f"{hours} h, 2 leads, streamed: peak memory ({figures['before']:.0f} MB of it before the first block)",
                value=figures["peak"],
                unit="MB",
                target="bounded: within 20 MB of 1 h" if hours == 24 else None,
                reached=grown < 20 if hours == 24 else None,
                data=data,
            ),
        ]
    return results


def main() -> None:
    if not (folder() / f"{RECORD}.hea").exists():
        print(f"MIT-BIH is not in {folder()}, left out")
        return
    x = windows()
    data = f"{len(x)} windows of {N_SAMPLES} samples, MIT-BIH {' and '.join(RECORDS)}, one process"
    results = [*everything(x, data), *one_record(), *single_window(x, data), *holter()]
    write("signal_feature_cost", results, command="make bench NAME=signal_feature_cost")


if __name__ == "__main__":
    if sys.argv[1:2] == ["holter"]:
        holter_child(float(sys.argv[2]))
    else:
        main()
