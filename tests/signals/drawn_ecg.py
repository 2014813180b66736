"""An ECG whose beats are known because they were drawn."""

import numpy as np

from medanomaly.signals.beat_detector.series import BeatSeries

FS = 250.0
LEARN_S = 40.0


def ecg(seed: int, n_beats: int = 160, ectopic: bool = True, fs: float = FS) -> BeatSeries:
    """Drawn beats with P wave, QRS and T wave; every ninth is premature (S), every eleventh premature and wide (V)."""
    random = np.random.default_rng(seed)
    aami = np.full(n_beats, "N")
    if ectopic:
        aami[8::9], aami[10::11] = "S", "V"
    rr = 0.8 + 0.02 * random.standard_normal(n_beats)
    rr[aami != "N"] *= 0.62
    rr[np.flatnonzero(aami[:-1] != "N") + 1] *= 1.25
    at = 1.0 + np.cumsum(rr)
    time = np.arange(int((at[-1] + 1.5) * fs)) / fs
    signal = np.zeros((len(time), 2))
    for r, kind in zip(at, aami, strict=True):
        waves = [(-0.17, 0.02, 0.15), (0.0, 0.012, 1.2), (0.26, 0.045, 0.3)]
        if kind == "V":
            waves = [(0.01, 0.045, -1.4), (0.3, 0.06, 0.5)]
        for offset, width, height in waves:
            near = np.abs(time - r - offset) < 6 * width
            wave = height * np.exp(-0.5 * ((time[near] - r - offset) / width) ** 2)
            signal[near] += wave[:, None] * [1.0, -0.6]
    signal += 0.01 * random.standard_normal(signal.shape) + 0.2 * np.sin(2 * np.pi * 0.2 * time)[:, None]
    return BeatSeries(f"r{seed}", f"p{seed}", signal, fs, np.rint(at * fs).astype(np.int64), aami)


def replace(series: BeatSeries, **changed) -> BeatSeries:
    return BeatSeries(**{**vars(series), **changed})
