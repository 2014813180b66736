"""Nodes of feature engineering for signals."""

import numpy as np
import pandas as pd

from medanomaly.datasets.ecg5000 import CutBeats
from medanomaly.signals.recordings.recording_set import RecordingSet


def measure_beats(
    raw: RecordingSet | CutBeats, beats: pd.DataFrame, cases: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Features and waveforms of every case, in the order of the case table."""
    from medanomaly.signals.beats.feature_table import cut_beat_features, measured_beats
    from medanomaly.signals.recordings.voltage import ecg_of

    if isinstance(raw, CutBeats):
        features, waveforms = cut_beat_features(raw.beats)
        features.insert(0, "case_id", cases["case_id"].to_numpy())
        return features, {"waveforms": waveforms}
    features, waveforms = measured_beats(raw.changed(ecg_of), beats, cases["case_id"])
    return features, {"waveforms": waveforms}


def measure_windows(raw: RecordingSet, windows: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Features of every window, in the order of the case table."""
    from medanomaly.signals.series.windows import measured_windows

    return measured_windows(raw, windows, cases["case_id"])


def measure_recordings(raw: RecordingSet, quality_windows: pd.DataFrame) -> pd.DataFrame:
    """How every recording was taken, one row per recording."""
    from medanomaly.signals.quality.recording_facts import recording_facts

    windows = {str(record): of for record, of in quality_windows.groupby("record", sort=False)}
    return recording_facts((raw[record] for record in windows), windows)
