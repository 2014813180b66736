"""What does a live ECG cost: time per sample and per beat, and delay of a score? Are the scores those of a batch?

One real record of half an hour arrives in chunks of one sample to ten seconds; R peaks are found in the stream.
"""

import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np

from benchmarks.mitbih_beats import load
from benchmarks.record import Result, write
from medanomaly.signals.beat_detector.detector import BeatDetector
from medanomaly.signals.beat_detector.fusion import VARIANTS
from medanomaly.signals.beat_detector.series import BeatSeries
from medanomaly.signals.beat_detector.streaming import StreamingBeatScorer
from medanomaly.signals.peaks.r_peaks import detect_r_peaks

TRAIN, SCORED = ("101", "106", "112", "205", "220"), "119"
CHUNKS_S = {"one sample": 0.0, "0.1 s": 0.1, "1 s": 1.0, "10 s": 10.0}
TARGET_MS = 1.0


def stream(detector: BeatDetector, series: BeatSeries, size: int) -> tuple[float, np.ndarray, list[float]]:
    """Total seconds, scores, and the seconds of every push that returned exactly one beat."""
    scorer = StreamingBeatScorer(detector, series.fs, series.signal.shape[1])
    scores, single = [], []
    began = time.perf_counter()
    for at in range(0, len(series.signal), size):
        start = time.perf_counter()
        beats = scorer.push(series.signal[at : at + size])
        if len(beats.score) == 1:
            single.append(time.perf_counter() - start)
        scores.append(beats.score)
    scores.append(scorer.finish().score)
    return time.perf_counter() - began, np.concatenate(scores), single


def main() -> None:
    folder = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "mitdb"
    if not all((folder / f"{r}.hea").exists() for r in (*TRAIN, SCORED)):
        print(f"{folder} holds no MIT-BIH records, left out")
        return
    population = [load(folder, r)[0] for r in TRAIN]
    series = load(folder, SCORED)[0]
    peaks = detect_r_peaks(series.signal, series.fs)
    found = BeatSeries(series.record, series.patient_id, series.signal, series.fs, peaks)
    results = []
    for variant in VARIANTS:
        detector = BeatDetector(variant).fit(population)
        batch = detector.score(found)
        start = time.perf_counter()
        detector.score(found)
        in_batch = time.perf_counter() - start
        stream(detector, series, 3600)
        for name, seconds in CHUNKS_S.items():
            size = max(1, round(seconds * series.fs))
            taken, scores, single = stream(detector, series, size)
            data = f"MIT-BIH {SCORED}, {len(series.signal)} samples, {len(peaks)} beats, variant {variant}"
            difference = float(np.abs(scores - batch).max()) if len(scores) == len(batch) else np.inf
            results += [
                Result(
                    name=f"variant {variant}, chunks of {name}: time a sample, R peaks included",
                    value=1e6 * taken / len(series.signal),
                    unit="us",
                    peer="batch, R peaks given",
                    peer_value=1e6 * in_batch / len(series.signal),
                    data=data,
                ),
                Result(
                    name=f"variant {variant}, chunks of {name}: largest difference from batch",
                    value=difference,
                    unit="",
                    target="<= 1e-9",
                    reached=bool(difference <= 1e-9),
                    data=data,
                ),
            ]
            if single:
                median, rare = 1e3 * np.quantile(single, [0.5, 0.99])
                results += [
                    Result(
                        name=f"variant {variant}, chunks of {name}: push that scores one beat, median",
                        value=float(median),
                        unit="ms",
                        target=f"< {TARGET_MS} ms" if seconds == 0 else None,
                        reached=bool(median < TARGET_MS) if seconds == 0 else None,
                        data=data,
                    ),
                    Result(
                        name=f"variant {variant}, chunks of {name}: push that scores one beat, p99",
                        value=float(rare),
                        unit="ms",
                        data=data,
                    ),
                ]
    scorer = StreamingBeatScorer(detector, series.fs, 2)
    results.append(
        Result(name="delay of a score behind its R peak", value=1e3 * scorer.latency_s, unit="ms", data=data)
    )
    write("streaming", results, command="make bench NAME=streaming")


if __name__ == "__main__":
    main()
