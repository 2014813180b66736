"""Small recordings for the tests of readers, annotations and quality."""

import os
from pathlib import Path

import numpy as np
import pytest

from medanomaly.signals.recordings.annotation_order import in_time_order
from medanomaly.signals.recordings.recording import Recording

DATA = os.environ.get("MEDANOMALY_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="needs MEDANOMALY_DATA")


def data(*parts: str) -> Path:
    path = Path(DATA or "") / Path(*parts)
    if not path.exists():
        pytest.skip(f"{path} does not exist")
    return path


def beats(n: int, fs: float, rate: float = 70.0, noise: float = 0.01, seed: int = 0) -> np.ndarray:
    """(n,) mV: narrow waves with a slow one behind them."""
    t = np.arange(n) / fs
    out = noise * np.random.default_rng(seed).standard_normal(n)
    for r in np.arange(0.4, t[-1] + 1 if n else 0, 60 / rate):
        out += 1.1 * np.exp(-0.5 * ((t - r) / 0.012) ** 2) + 0.25 * np.exp(
            -0.5 * ((t - r - 0.28) / 0.05) ** 2
        )
    return out


def recording(
    n: int = 3600, fs: float = 360.0, leads=("MLII", "V1"), gaps=(), marks=True, **more
) -> Recording:
    signal = np.stack([beats(n, fs, seed=j) for j in range(len(leads))], axis=1).astype(np.float32)
    for start, end, lead in gaps:
        signal[start:end, lead] = np.nan
    annotations = None
    if marks:
        at = np.arange(100, n, 300)
        symbols = ["+", *np.resize(["N", "V", "A", '"', "/", ","], len(at) - 1)] if len(at) else []
        symbols = [s if s != "," else "F" for s in symbols]
        texts = ["(AFIB", *["" if s != '"' else 'note "quoted", with comma' for s in symbols[1:]]]
        annotations = in_time_order(at, symbols, texts[: len(at)])[0]
    return Recording(
        record="r1",
        patient_id="p1",
        signal=signal,
        fs=fs,
        leads=tuple(leads),
        units=("mV",) * len(leads),
        annotations=annotations,
        **more,
    )


def same_annotations(a, b) -> bool:
    return all(np.array_equal(getattr(a, f), getattr(b, f)) for f in ("sample", "symbol", "text"))
