"""What does one record cost? The graph that is served, one row at a time, of every detector of the default run."""

import time

import numpy as np

from benchmarks.blocks import described_models
from benchmarks.record import Result, write
from medanomaly.core.onnx_session import open_session
from medanomaly.detectors.kinds import detector_class
from medanomaly.detectors.onnx.export import to_onnx

N_TRAIN, N_FEATURES = 1_500, 40
CALLS, WARM_UP = 2_000, 100
OPTIONS = {"isolation_forest": {"n_estimators": 300}}
TARGET_US = 100


def main() -> None:
    rows = np.random.default_rng(0).standard_normal((N_TRAIN, N_FEATURES)).astype(np.float32)
    results = []
    for name, block in described_models("tabular").items():
        detector = detector_class(block["kind"])(**OPTIONS.get(name, {})).fit(rows)
        session = open_session(to_onnx(detector))
        taken = np.empty(CALLS)
        for i in range(-WARM_UP, CALLS):
            row = rows[[i % N_TRAIN]]
            start = time.perf_counter_ns()
            session.run(None, {"X": row})
            taken[max(i, 0)] = time.perf_counter_ns() - start
        p50, p99 = np.quantile(taken, [0.5, 0.99]) / 1e3
        start = time.perf_counter()
        detector.score_samples(rows[:1])
        own = (time.perf_counter() - start) * 1e6
        results.append(
            Result(
                name=f"{name}, one row, p50",
                value=float(p50),
                unit="us",
                peer="the same estimator's score_samples, one call",
                peer_value=own,
                ratio=own / float(p50),
                target=f"< {TARGET_US} us",
                reached=bool(p50 < TARGET_US),
                data=f"{N_TRAIN:,} training rows x {N_FEATURES} features; p99 {p99:.0f} us",
            )
        )
    write("detector_latency", results, command="make bench NAME=detector_latency")


if __name__ == "__main__":
    main()
