"""Nodes of feature engineering for signals."""

import numpy as np
import pandas as pd

from medanomaly.datasets.ecg5000 import CutBeats
from medanomaly.signals.recordings.recording_set import RecordingSet


def measure_beats(
    raw: RecordingSet | CutBeats, beats: pd.DataFrame, cases: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Features and waveforms of every case, in the order of the case table."""
    from medanomaly.signals.beats.feature_table import cut_beat_features, recording_features
    from medanomaly.signals.beats.table import case_id

    if isinstance(raw, CutBeats):
        features, waveforms = cut_beat_features(raw.beats)
        features.insert(0, "case_id", cases["case_id"].to_numpy())
        return features, {"waveforms": waveforms}
    tables, shapes = [], []
    for record, of_record in beats.groupby("record", sort=False):
        sample = of_record["sample"].to_numpy()
        table, waveforms = recording_features(raw[str(record)], sample)
        table.insert(0, "case_id", case_id(of_record["record"], of_record["sample"]).to_numpy())
        tables.append(table)
        shapes.append(waveforms)
    features, waveforms = pd.concat(tables, ignore_index=True), np.concatenate(shapes)
    rows = pd.Index(features["case_id"]).get_indexer(cases["case_id"])
    return features.iloc[rows].reset_index(drop=True), {"waveforms": waveforms[rows]}


def measure_windows(raw: RecordingSet, windows: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Features of every window, in the order of the case table."""
    from medanomaly.signals.series.windows import window_features

    tables = []
    for record, mine in windows.groupby("record", sort=False):
        table = window_features(raw[str(record)], mine)
        table.insert(0, "case_id", mine["case_id"].to_numpy())
        tables.append(table)
    return pd.concat(tables).set_index("case_id").loc[cases["case_id"]].reset_index()
