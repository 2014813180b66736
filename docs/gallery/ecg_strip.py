"""A strip of ECG with flagged beats

A detector of rows learns the shape of usual beats from five patients. Beats of a seventh one are tinted where their p-value,
compared with usual beats of the sixth, is at most 0.01.
"""

import numpy as np
import pandas as pd

from medanomaly.core.conformal import p_values
from medanomaly.datasets.synthetic_signals import SyntheticSignalsDataset
from medanomaly.detectors.kinds.mahalanobis import DETECTOR
from medanomaly.reporting.figures.ecg import ecg_strip

CLASSES = {"N": "N", "V": "V", "A": "S"}
planted = {"share": 1.0, "kinds": {"PVC": 1.0}}
recordings = SyntheticSignalsDataset(kind="ecg", n_patients=7, duration_s=90, anomalies=planted).load()


def beats_of(recording):
    """Times in s, classes, and a row per beat: its shape from 0.2 s before to 0.3 s after, and the interval before."""
    marks = recording.annotations
    beat = np.isin(list(marks.symbol), list(CLASSES))
    at = np.asarray(marks.sample)[beat]
    kinds = np.array([CLASSES[symbol] for symbol in np.array(marks.symbol)[beat]])
    before, after = int(0.2 * recording.fs), int(0.3 * recording.fs)
    inside = (at > before) & (at + after < len(recording.signal)) & (np.arange(len(at)) > 0)
    interval = np.diff(at, prepend=at[0]) / np.median(np.diff(at))
    shapes = [recording.signal[i - before : i + after : 8, 0] for i in at[inside]]
    return at[inside] / recording.fs, kinds[inside], np.column_stack([shapes, interval[inside]])


*known, calibration, new = (beats_of(recordings[name]) for name in list(recordings)[:7])
detector = DETECTOR().fit(np.concatenate([rows[kinds == "N"] for _, kinds, rows in known]))
time, kinds, rows = new
usual = calibration[2][calibration[1] == "N"]
p = p_values(-detector.score_samples(rows), -detector.score_samples(usual))
focus = time[kinds == "V"][1]
beats = pd.DataFrame({"time_s": time, "mark": kinds, "flagged": p <= 0.01})
recording = recordings[list(recordings)[6]]
near = slice(int((focus - 4) * recording.fs), int((focus + 4) * recording.fs))
svg = ecg_strip(
    np.arange(len(recording.signal))[near] / recording.fs,
    recording.signal[near],
    recording.leads,
    beats[beats["time_s"].sub(focus).abs() < 4].reset_index(drop=True),
    focus,
    f"p = {p[time == focus][0]:.2g}",
)
