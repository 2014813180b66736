"""Long series with a normal beginning as cases: windows, scores of samples on one scale, and the location of the highest.

Detectors learn from the first part of the beginning of a series; the rest of the beginning calibrates, and what follows
is tested. Raw scores of different series are not comparable. Every series is therefore measured in units of its own
calibration: a score is divided by the usual largest score of a calibration window.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.features.windows import WINDOW_FEATURES, feature_matrix
from medanomaly.signals.recordings.annotated_intervals import intervals
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.series.detectors import (
    Discord,
    Energy,
    ManyScaleDiscord,
    OneLiner,
    SeriesDetector,
    WindowClusters,
    WindowComponents,
    WindowForest,
    located,
    period,
)
from medanomaly.signals.series.params import SERIES_KINDS, SeriesDetectorParams, SeriesParams

SERIES_DETECTORS = dict(
    zip(
        SERIES_KINDS,
        (OneLiner, Energy, WindowForest, WindowComponents, WindowClusters, Discord, ManyScaleDiscord),
        strict=True,
    )
)
SHORTEST_WINDOW, LONGEST_WINDOW = 50, 1000
FEWEST_WINDOWS = 5
LOCATION_COLUMNS = ("record", "peak", "start", "end", "located", "chance")


@dataclass(frozen=True)
class Parts:
    """Parts of a series, in samples: [0, train), [train, calibration), [calibration, end)."""

    train: int
    calibration: int


def build_detector(params: SeriesDetectorParams) -> SeriesDetector:
    """The detector, not fitted.

    Raises:
        ConfigurationError: there is no detector of that name.
    """
    if params.kind not in SERIES_DETECTORS:
        raise ConfigurationError(
            f"there is no detector of series '{params.kind}'", remedy=f"Known are {sorted(SERIES_DETECTORS)}."
        )
    return SERIES_DETECTORS[params.kind](**params.options)


def parts_of(recording: Recording, params: SeriesParams) -> Parts:
    """Cut a series at the end of its normal beginning.

    Raises:
        InputError: the recording does not say where the beginning ends, has several leads, or has gaps.
    """
    end = recording.attributes.get("train_end")
    if end is None:
        raise InputError(
            "nothing says where the normal beginning ends",
            record=recording.record,
            remedy="Give the recording an attribute train_end (samples), or use models of beats.",
        )
    if recording.signal.shape[1] != 1 or not np.isfinite(recording.signal).all():
        raise InputError(
            f"{recording.signal.shape[1]} leads, {int(recording.missing.sum())} missing samples",
            record=recording.record,
            remedy="Give one lead without gaps.",
        )
    return Parts(int(params.train_share * int(end)), int(end))


def series_windows(recording: Recording, patient_id: str, params: SeriesParams) -> pd.DataFrame:
    """Adjacent windows of one series; no window lies in two parts.

    Args:
        recording: of one lead, with ``train_end`` among its attributes.
        patient_id: source recording that the series was cut from.
        params: length of windows, and parts.

    Returns:
        ``case_id`` (``record:start``), ``record``, ``source``, ``start``, ``end`` (samples), ``split``, ``label`` (1
        where the window overlaps an annotated stretch, unknown after the beginning of a series without annotations),
        in order of time.

    Raises:
        InputError: there are too few windows to learn or calibrate.
    """
    parts = parts_of(recording, params)
    series = recording.signal[:, 0].astype(np.float64)
    shortest = min(parts.train, parts.calibration - parts.train, len(series) - parts.calibration)
    width = np.clip(params.periods * period(series[: parts.train]), SHORTEST_WINDOW, LONGEST_WINDOW)
    # short beginnings get shorter windows, so that some are left to calibrate on
    width = max(int(min(width, shortest // FEWEST_WINDOWS)), SHORTEST_WINDOW)
    edges = {
        "train": (0, parts.train),
        "calibration": (parts.train, parts.calibration),
        "test": (parts.calibration, len(series)),
    }
    rows = [
        (start, start + width, part)
        for part, (low, high) in edges.items()
        for start in range(low, high - width + 1, width)
    ]
    table = pd.DataFrame(rows, columns=["start", "end", "split"])
    few = [part for part in edges if (table["split"] == part).sum() < FEWEST_WINDOWS]
    if few:
        raise InputError(
            f"fewer than {FEWEST_WINDOWS} windows of {width} samples in {' and '.join(few)}",
            record=recording.record,
            remedy="Set series_processing.periods lower.",
        )
    label = pd.array(np.zeros(len(table), dtype=np.int8), dtype="Int8")
    if recording.annotations is None:
        # the beginning is known to be normal; nobody has said anything of what follows
        label[(table["split"] == "test").to_numpy()] = pd.NA
    for low, high in annotated_anomalies(recording):
        label[((table["start"] < high) & (table["end"] > low)).to_numpy()] = 1
    table.insert(0, "case_id", [f"{recording.record}:{start}" for start in table["start"]])
    table.insert(1, "record", recording.record)
    table.insert(2, "source", patient_id)
    table["label"] = label
    return table


def annotated_anomalies(recording: Recording) -> list[tuple[int, int]]:
    """Annotated stretches, (start, end) in samples, end excluded."""
    stretches = intervals(recording.annotations, recording.n_samples)
    return [(int(row.start), int(row.end)) for row in stretches.itertuples()]


def window_features(recording: Recording, windows: pd.DataFrame) -> pd.DataFrame:
    """Features of the windows of one series, in robust units of its own train windows.

    Args:
        recording: of one lead.
        windows: its windows.

    Returns:
        (n, features); (value - median) / interquartile range of train, where that is not 0.
    """
    series = recording.signal[:, 0].astype(np.float64)
    width = int(windows["end"].iloc[0] - windows["start"].iloc[0])
    cut = np.stack([series[start : start + width] for start in windows["start"]])
    # no rate is known, so a window counts as a second
    values = feature_matrix(cut, float(width))
    train = values[(windows["split"] == "train").to_numpy()]
    low, middle, high = np.quantile(train, [0.25, 0.5, 0.75], axis=0)
    spread = high - low
    scaled = (values - middle) / np.where(spread > 0, spread, 1.0)
    # a feature that hardly varies in train would outweigh all others
    return pd.DataFrame(np.clip(scaled, -50, 50), columns=list(WINDOW_FEATURES))


def measured_windows(raw: Mapping[str, Recording], windows: pd.DataFrame, wanted: pd.Series) -> pd.DataFrame:
    """``case_id`` and features of the windows of several series, in the order of the ids ``wanted``."""
    tables = []
    for record, mine in windows.groupby("record", sort=False):
        table = window_features(raw[str(record)], mine)
        table.insert(0, "case_id", mine["case_id"].to_numpy())
        tables.append(table)
    return pd.concat(tables).set_index("case_id").loc[wanted].reset_index()


def point_scores(recording: Recording, params: SeriesDetectorParams, settings: SeriesParams) -> np.ndarray:
    """Score of every sample after the train part, 0 before it.

    Args:
        recording: of one lead.
        params: detector.
        settings: parts, and the length above which the series is averaged first.
    """
    parts = parts_of(recording, settings)
    series = recording.signal[:, 0].astype(np.float64)
    factor = 1 if params.kind == "one_liner" else -(-len(series) // settings.longest)
    train = parts.train // factor
    usable = len(series) // factor * factor
    thin = series[:usable].reshape(-1, factor).mean(axis=1)
    score = build_detector(params).fit(thin[:train]).score(thin[train:])
    out = np.zeros(len(series))
    whole = np.repeat(np.concatenate([np.zeros(train), score]), factor)
    out[:usable] = whole
    out[usable:] = whole[-1]
    out[: parts.train] = 0.0
    return out


def window_scores(points: np.ndarray, windows: pd.DataFrame) -> np.ndarray:
    """(n,) largest point score of each window, in units of the 90 % quantile of its series' calibration windows."""
    largest = np.array([points[a:b].max() for a, b in zip(windows["start"], windows["end"], strict=True)])
    unit = np.quantile(largest[(windows["split"] == "calibration").to_numpy()], 0.9)
    return largest / max(float(unit), 1e-12)


def location(points: np.ndarray, recording: Recording, settings: SeriesParams) -> dict:
    """Location of the highest score after the beginning, and whether the anomaly counts as located (Wu & Keogh 2021).

    Returns:
        ``record``, ``peak`` (sample), ``start``, ``end`` of the anomaly, ``located``, ``chance`` (probability of a random
        location).
    """
    begin = parts_of(recording, settings).calibration
    (start, end), *_ = annotated_anomalies(recording)
    rest = points[begin:]
    reach = max(100, end - start)
    inside = min(len(points), end + reach) - max(begin, start - reach)
    return {
        "record": recording.record,
        "peak": begin + int(np.argmax(rest)),
        "start": start,
        "end": end,
        "located": located(rest, start - begin, end - begin),
        "chance": inside / len(rest),
    }


def series_points(series, params: SeriesDetectorParams, settings: SeriesParams) -> dict[str, np.ndarray]:
    """Record -> score of every sample.

    Args:
        series: ``raw`` and ``windows`` of :class:`medanomaly.signals.kinds.Series`.
        params: detector.
        settings: parts, and the length above which a series is averaged first.
    """
    records = series.windows["record"].drop_duplicates()
    return {str(record): point_scores(series.raw[str(record)], params, settings) for record in records}


def series_scores(points: Mapping[str, np.ndarray], series) -> np.ndarray:
    """(n,) scores of the windows of ``series``, in the order of its ``case_id``."""
    found = [
        pd.Series(window_scores(points[str(record)], mine), index=mine["case_id"])
        for record, mine in series.windows.groupby("record", sort=False)
    ]
    return pd.concat(found).loc[series.case_id].to_numpy()
