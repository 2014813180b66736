"""Features and waveforms of beats, one row per beat."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pandas as pd

from medanomaly.signals.beats.beat_windows import beat_windows
from medanomaly.signals.beats.ecg_filters import linear_phase
from medanomaly.signals.beats.table import case_id
from medanomaly.signals.features import catalogue
from medanomaly.signals.features.morphology import (
    RHYTHM_FEATURES,
    SHAPE_FEATURES,
    beat_columns,
    beat_feature_matrix,
)
from medanomaly.signals.features.windows import column_names, feature_matrix
from medanomaly.signals.recordings.recording import Recording

# leads differ between recordings of one data set: their position names them, so that all beats share columns
LEAD_COLUMNS = ("lead_1", "lead_2")
# principal components belong to one recording: the same column means another direction in the next
SHARED = tuple(name for name in SHAPE_FEATURES if not name.startswith("pc_") or name == "pc_residual")


def recording_features(recording: Recording, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features of rhythm and shape, and the signal around each beat, of one recording.

    The first two leads are used. With a single lead the features of the second are missing, and both waveforms are equal.

    Args:
        recording: ECG leads in mV (:func:`~medanomaly.signals.recordings.voltage.ecg_of`), 100 Hz or more.
        sample: (n_beats,) R peaks, increasing.

    Returns:
        (n_beats, ...) float64 of :func:`feature_columns`, NaN where a beat lacks them, and (n_beats, 2, 60) float64 of the
        filtered leads at 120 Hz, from R - 250 ms on.
    """
    signal = linear_phase(recording.signal[:, :2], recording.fs)
    measured, _ = beat_feature_matrix(signal, recording.fs, sample)
    places = _places(signal.shape[1])
    features = np.full((len(sample), len(feature_columns())), np.nan)
    features[:, : len(places)] = measured[:, places]
    return features, beat_windows(signal, sample, recording.fs)


@lru_cache(maxsize=4)
def _places(n_leads: int) -> np.ndarray:
    """Places of the features of so many leads, in the order of :func:`feature_columns`, among all that are measured."""
    measured = beat_columns(LEAD_COLUMNS[:n_leads])
    return np.array([measured.index(name) for name in feature_columns() if name in measured])


def measured_beats(
    ecgs: Mapping[str, Recording], beats: pd.DataFrame, wanted: pd.Series
) -> tuple[pd.DataFrame, np.ndarray]:
    """Features and waveforms of beats of several recordings.

    Args:
        ecgs: record -> its ECG leads in mV (:func:`~medanomaly.signals.recordings.voltage.ecg_of`).
        beats: all beats of these recordings, since rhythm needs the neighbours of a beat.
        wanted: (n,) case_id of the beats that are returned, in this order.

    Returns:
        (n, ...) ``case_id``, then features, and (n, 60, 2) float32 waveforms at 120 Hz from R - 250 ms on, each lead minus
        its median; missing samples count as that median. See :func:`recording_features`.
    """
    values, shapes, order = [], [], []
    samples = beats["sample"].to_numpy()
    # a table of all beats is made in a fraction of the time of one per recording
    for record, places in beats.groupby("record", sort=False).indices.items():
        measured, shape = recording_features(ecgs[str(record)], samples[places])
        values.append(measured)
        shapes.append(_waveforms(shape))
        order.append(places)
    features = pd.DataFrame(np.concatenate(values), columns=feature_columns())
    waveforms = np.concatenate(shapes)
    ids = case_id(beats["record"], beats["sample"]).to_numpy()
    features.insert(0, "case_id", ids[np.concatenate(order)])
    rows = pd.Index(features["case_id"]).get_indexer(wanted)
    return features.iloc[rows].reset_index(drop=True), waveforms[rows]


def _waveforms(windows: np.ndarray) -> np.ndarray:
    """(n_beats, 60, 2) float32 of (n_beats, 2, 60), each lead minus its median."""
    known = np.where(np.isfinite(windows), windows, 0)
    centred = windows - np.median(known, axis=2, keepdims=True)
    return np.nan_to_num(centred).astype(np.float32).transpose(0, 2, 1)


def feature_columns() -> list[str]:
    """Feature columns of two leads."""
    return [*RHYTHM_FEATURES, *(f"{lead}.{name}" for lead in LEAD_COLUMNS for name in SHARED)]


def cut_beat_features(beats: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Features and waveforms of beats that their source cut out and standardised.

    Args:
        beats: (n, n_samples) float32, no unit, no sampling rate; features take the whole beat as one second.

    Returns:
        (n, ...) window features (:mod:`medanomaly.signals.features.windows`), and (n, n_samples, 1) float32 waveforms.
    """
    features = feature_matrix(np.ascontiguousarray(beats, dtype=np.float64), float(beats.shape[1]))
    return pd.DataFrame(features, columns=column_names(None)), beats[:, :, None].astype(np.float32)


def feature_units() -> dict[str, str]:
    """Unit of every feature of a beat; amplitudes are in mV."""
    units = {feature.name: feature.unit for feature in catalogue.BEAT}
    plain = {"signal": "mV", "1": ""}
    out = {}
    for name in feature_columns():
        unit = units.get(name.partition(".")[2] or name, "")
        out[name] = plain.get(unit, unit.replace("signal", "mV"))
    return out
