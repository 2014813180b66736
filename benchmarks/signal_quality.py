"""Does the quality index see what readers of MIT-BIH called noisy, and does it spare abnormal beats? And what does it cost?

A window of 5 s counts as noisy where the readers' marks cover over 80 % of it, as clean below 1 %. Intervals
come from a bootstrap of patients. The limits of the index were set on these records. The baselines are the kurtosis
(kSQI) and the amplitude.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks.record import Result, write
from medanomaly.datasets.recordings import MITBIHDataset
from medanomaly.signals.beats.aami import aami_class
from medanomaly.signals.quality.assessment import assess_quality, quality_at
from medanomaly.signals.quality.faults import in_windows
from medanomaly.signals.recordings.annotation_text import QUALITY
from medanomaly.signals.recordings.recording import Recording
from medanomaly.synthetic.ecg import synthetic_ecg
from medanomaly.synthetic.patients import draw_patients

RESAMPLES = 300


def marked_noisy(recording: Recording) -> np.ndarray:
    """(n_samples, n_leads) bool from the ``~`` marks of the readers."""
    noisy = np.zeros(recording.signal.shape, dtype=bool)
    marks = recording.annotations
    at = [i for i, symbol in enumerate(marks.symbol) if symbol == QUALITY]
    ends = [*(marks.sample[i] for i in at[1:]), recording.n_samples][: len(at)]
    for i, end in zip(at, ends, strict=True):
        for lead, letter in enumerate(marks.text[i][: noisy.shape[1]]):
            noisy[marks.sample[i] : end, lead] = letter in "nu"
    return noisy


def windows_and_beats(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    tables, beats, cost = [], [], []
    for _, recording in MITBIHDataset(folder=str(folder)).load().items():
        start = time.process_time()
        table = assess_quality(recording)
        cost.append(time.process_time() - start)
        noisy = marked_noisy(recording)
        width = round(5 * recording.fs)
        share = np.concatenate([in_windows(noisy[:, j], width).mean(axis=1) for j in range(noisy.shape[1])])
        tables.append(table.assign(marked=share, patient=recording.patient_id))
        classes = aami_class(recording.annotations.symbol)
        verdict = quality_at(table, recording.annotations.sample / recording.fs)
        beats.append(
            pd.DataFrame({"patient": recording.patient_id, "aami": classes, "bad": verdict == "bad"})
        )
    windows = pd.concat(tables, ignore_index=True)
    windows = windows[(windows["marked"] > 0.8) | (windows["marked"] < 0.01)]
    return windows, pd.concat(beats).dropna(subset="aami"), float(np.min(cost))


def interval(table: pd.DataFrame, statistic) -> tuple[float, float, float]:
    """A figure with its 95 % interval over patients."""
    rng = np.random.default_rng(0)
    groups = [group for _, group in table.groupby("patient")]
    drawn = [
        statistic(pd.concat([groups[i] for i in rng.integers(len(groups), size=len(groups))]))
        for _ in range(RESAMPLES)
    ]
    return float(statistic(table)), *map(float, np.nanpercentile(drawn, [2.5, 97.5]))


def main() -> None:
    folder = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "mitdb"
    if not folder.is_dir():
        print(f"{folder} is absent, left out")
        sys.exit(0)
    windows, beats, cost = windows_and_beats(folder)
    noisy = windows["marked"] > 0.8
    windows = windows.assign(noisy=noisy, bad=windows["quality"] == "bad", small=-windows["swing"])
    data = f"MIT-BIH, {windows['patient'].nunique()} patients, {len(windows)} windows, {int(noisy.sum())} marked noisy"
    results = []
    for name, column, sign in (
        ("AUROC of the quality index for windows marked noisy", "sqi", -1),
        ("AUROC of kurtosis alone (kSQI)", "k_sqi", -1),
        ("AUROC of a small amplitude alone", "small", 1),
    ):
        value, low, high = interval(
            windows,
            lambda t, c=column, s=sign: roc_auc_score(t["noisy"], s * t[c]) if t["noisy"].any() else np.nan,
        )
        results.append(Result(name, value, "", low, high, data=data))
    for name, part in (("windows marked noisy", noisy), ("windows marked clean", ~noisy)):
        value, low, high = interval(windows[part], lambda t: t["bad"].mean())
        results.append(Result(f"share called bad, {name}", value, "", low, high, data=data))
    for name, part in beats.groupby("aami"):
        value, low, high = interval(part, lambda t: t["bad"].mean())
        results.append(
            Result(
                f"share of {name} beats without a good lead", value, "", low, high, data=f"{len(part)} beats"
            )
        )
    results.append(
        Result("quality of 30 minutes of two leads at 360 Hz", cost, "s of processor time", target="< 0.3 s",
               reached=cost < 0.3, data="fastest of the records")
    )  # fmt: skip
    patients = draw_patients(200, 0).to_dict("records")
    taken = []
    for _ in range(3):
        start = time.process_time()
        for patient in patients:
            synthetic_ecg(patient, 0, 60.0)
        taken.append(time.process_time() - start)
    results.append(
        Result("synthetic ECG, 200 patients, 60 s, 250 Hz, two leads", min(taken), "s of processor time",
               target="about 2 s", reached=min(taken) <= 2)
    )  # fmt: skip
    write("signal_quality", results, command="make bench NAME=signal_quality")


if __name__ == "__main__":
    main()
