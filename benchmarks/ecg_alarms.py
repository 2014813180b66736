"""Alarms of ECG for patients who were never seen: is the asked burden held, and what is still found?

MIT-BIH DS1, one patient left out at a time: neither the detector nor the threshold knows that patient. Calibration patients
are scored by detectors that do not know them either. ``svdb`` is another device, with one lead and another rate.
"""

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks.mitbih_beats import LEARN_S, SHIPPED, load
from benchmarks.record import Result
from medanomaly.evaluation.resampling.intervals import percentile_interval
from medanomaly.signals.alarms.beat_alarms import (
    RecordingAlarms,
    alarm_threshold,
    pooled_threshold,
    recording_alarms,
)
from medanomaly.signals.alarms.params import EpisodeParams
from medanomaly.signals.beat_detector.detector import BeatDetector, PatientTerms
from medanomaly.signals.beat_detector.series import BeatSeries
from medanomaly.signals.beats.aami import DS1
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.beats.table import beats_of
from medanomaly.signals.quality.assessment import assess_quality, quality_at
from medanomaly.signals.recordings.voltage import ecg_of

FOLDS, RESAMPLES, FEW, DRAWS = 5, 2000, 5, 20
PARAMS = EpisodeParams()
DATA = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw"))
RULES: dict[str, Callable] = {"all recordings together": pooled_threshold, "a new patient": alarm_threshold}


class Recorded:
    """A recording with its beats, classes and quality.

    Attributes:
        series: signal and beats.
        classes: (n,) AAMI class of each beat; ``A`` where only a stretch is known to be abnormal.
        in_af: (n,) bool, beats in annotated fibrillation or flutter.
    """

    def __init__(self, series: BeatSeries, classes: np.ndarray, in_af: np.ndarray, windows: pd.DataFrame):
        self.series, self.classes, self.in_af, self.windows = series, classes, in_af, windows
        time_s = series.samples / series.fs
        self.beats = pd.DataFrame(
            {"record": series.record, "patient_id": series.patient_id, "time_s": time_s,
             "quality": quality_at(windows, time_s)}
        )  # fmt: skip
        normal, abnormal = classes == "N", np.isin(classes, list("SVFA"))
        self.label = np.where(normal, 0.0, np.where(abnormal, 1.0, np.nan))

    def alarms(self, contributions: np.ndarray) -> RecordingAlarms:
        """What an alarm sees."""
        span = (0.0, len(self.series.signal) / self.series.fs)
        return recording_alarms(self.beats, contributions, self.label, LEARN_S, self.windows, span)


def read_ds1() -> dict[str, Recorded]:
    folder = DATA / "mitdb"
    out = {}
    for record in DS1:
        if (folder / f"{record}.hea").is_file():
            series, in_af, recording = load(folder, record)
            out[record] = Recorded(series, series.aami, in_af, assess_quality(recording))
    return out


def read_svdb() -> Recorded | None:
    """The record of samples that are labelled; beats are those that are found, and abnormal where a stretch is.

    Its stretches often begin or end a beat beside the one that is meant, so a beat beside a stretch has no class.
    """
    from medanomaly.datasets.recordings import SVDBDataset

    folder = DATA / "svdb"
    if not list(folder.glob("*.out")):
        print(f"svdb: not in {DATA}, left out")
        return None
    raw = SVDBDataset(folder=folder.as_posix()).load()
    recording = ecg_of(next(recording for _, recording in raw.each()))
    beats, windows = beats_of(recording, BeatParams())
    inside = beats["stretch"].eq(1).to_numpy(dtype=bool)
    beside = np.append(inside[1:], False) | np.append(False, inside[:-1])
    classes = np.where(inside, "A", np.where(beside, "Q", "N"))
    series = BeatSeries(
        recording.record, recording.patient_id, recording.signal.astype(float), recording.fs,
        beats["sample"].to_numpy(),
    )  # fmt: skip
    return Recorded(series, classes, np.zeros(len(classes), dtype=bool), windows)


def cross_fitted(known: dict[str, Recorded], terms: dict[str, PatientTerms]) -> list[RecordingAlarms]:
    """Alarms of these recordings, each scored by a detector that does not know its patient."""
    names, out = list(known), []
    for fold in range(FOLDS):
        held = names[fold::FOLDS]
        model = BeatDetector(SHIPPED).fit_terms([terms[r] for r in names if r not in held])
        out += [known[r].alarms(model.explain_terms(terms[r].terms)) for r in held]
    return out


def false_rhythms(alarms: RecordingAlarms, recorded: Recorded) -> int:
    """Found fibrillation that overlaps no annotated one."""
    return sum(
        not recorded.in_af[(alarms.time_s >= start) & (alarms.time_s <= end)].any()
        for start, end in alarms.fibrillation[["start_s", "end_s"]].to_numpy()
    )


def judged(alarms: RecordingAlarms, recorded: Recorded, threshold: float) -> dict[str, float]:
    """False episodes and hours, and found and all beats of each class, bad signal counting as not found."""
    counted = (alarms.time_s >= LEARN_S) & (recorded.classes != "Q")
    flagged = np.nan_to_num(alarms.score) > threshold
    out = {
        "false": alarms.false_episodes(threshold, PARAMS.gap_s) + false_rhythms(alarms, recorded),
        "hours": alarms.hours,
    }
    for name, kinds in (("abnormal", "SVFA"), ("S", "S"), ("V", "V"), ("N", "N")):
        of = counted & np.isin(recorded.classes, list(kinds))
        out[name], out[f"all {name}"] = int((of & flagged).sum()), int(of.sum())
    return out


def _ratio(table: pd.DataFrame, above: str, below: str) -> tuple[float, float | None, float | None]:
    a, b = table[above].to_numpy(float), table[below].to_numpy(float)
    if len(table) == 1:
        # one patient tells nothing of the spread of others
        return float(a[0] / b[0]), None, None
    draws = np.random.default_rng(0).integers(0, len(table), (RESAMPLES, len(table)))
    values = a[draws].sum(axis=1) / np.maximum(b[draws].sum(axis=1), 1e-9)
    return float(a.sum() / b.sum()), *percentile_interval(values)


def _rows(name: str, table: pd.DataFrame, data: str, targets: bool) -> list[Result]:
    rate = (table["false"] / table["hours"]).to_numpy()
    value, low, high = _ratio(table, "false", "hours")
    limit = PARAMS.per_hour
    rows = [
        Result(f"ECG, {name}: false episodes per hour", value, "1/h", low, high, data=data,
               target=f"<= {limit:g}" if targets else None, reached=value <= limit if targets else None),
        Result(f"ECG, {name}: patients with more than {limit:g} false episodes per hour", float((rate > limit).mean()),
               "share of patients", data=data),
    ]  # fmt: skip
    for of, goal in (("abnormal", 0.75), ("V", 0.90), ("S", None)):
        if not table[f"all {of}"].sum():
            continue
        value, low, high = _ratio(table, of, f"all {of}")
        judge = targets and goal is not None
        rows.append(
            Result(f"ECG, {name}: {of} beats found", value, "", low, high, data=data,
                   target=f">= {goal}" if judge else None, reached=value >= goal if judge else None)
        )  # fmt: skip
    return rows


def scored() -> tuple[dict, dict, dict]:
    """Recordings, the alarms of each as a new patient, and those of its calibration patients."""
    known = read_ds1()
    if len(known) < 10:
        print(f"mitdb: {len(known)} records of DS1 in {DATA}, left out")
        return {}, {}, {}
    terms = {r: BeatDetector(learn_s=LEARN_S).patient_terms(of.series) for r, of in known.items()}
    new, calibration = {}, {}
    for record in known:
        others = {r: of for r, of in known.items() if of.series.patient_id != known[record].series.patient_id}
        calibration[record] = cross_fitted(others, terms)
        model = BeatDetector(SHIPPED).fit_terms([terms[r] for r in others])
        new[record] = known[record].alarms(model.explain_terms(terms[record].terms))
    other = read_svdb()
    if other is not None:
        model = BeatDetector(SHIPPED).fit_terms(list(terms.values()))
        calibration["svdb"] = cross_fitted(known, terms)
        new["svdb"] = other.alarms(model.explain_terms(BeatDetector(learn_s=LEARN_S).terms(other.series)))
        known = known | {"svdb": other}
    return known, new, calibration


def ecg_rows(parts: tuple[dict, dict, dict] | None = None) -> list[Result]:
    """Every rule with all calibration patients and with a few, and the other device."""
    known, new, calibration = scored() if parts is None else parts
    records = [r for r in known if r != "svdb"]
    if not records:
        return []
    rows, asked = [], f"{PARAMS.per_hour:g} false episodes per hour asked"
    for rule, threshold_of in RULES.items():
        data = f"MIT-BIH DS1, {len(records)} patients, each left out, threshold from the others; {asked}"
        found = [judged(new[r], known[r], threshold_of(calibration[r], PARAMS)) for r in records]
        judge = rule == "a new patient"
        rows += _rows(f"threshold of {rule}", pd.DataFrame(found), data, judge)
        rng, few = np.random.default_rng(0), []
        for _ in range(DRAWS):
            for r in records:
                drawn = [calibration[r][i] for i in rng.choice(len(calibration[r]), FEW, replace=False)]
                few.append(judged(new[r], known[r], threshold_of(drawn, PARAMS)))
        data = (
            f"{DRAWS} draws of {FEW} calibration patients for each of {len(records)} patients of DS1; {asked}"
        )
        rows += _rows(f"threshold of {rule}, {FEW} calibration patients", pd.DataFrame(few), data, judge)
        if "svdb" in known:
            one = judged(new["svdb"], known["svdb"], threshold_of(calibration["svdb"], PARAMS))
            data = (
                f"one record of svdb, another device, detector and threshold of all of DS1; {asked}; beats next to a "
                "labelled stretch are not counted"
            )
            rows += _rows(f"threshold of {rule}, svdb", pd.DataFrame([one]), data, judge)
    return rows
