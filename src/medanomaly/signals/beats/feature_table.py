"""Features and waveforms of beats, one row per beat."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from medanomaly.signals.beats.beat_windows import beat_windows
from medanomaly.signals.beats.ecg_filters import linear_phase
from medanomaly.signals.beats.table import case_id
from medanomaly.signals.features import catalogue
from medanomaly.signals.features.morphology import RHYTHM_FEATURES, SHAPE_FEATURES, beat_features
from medanomaly.signals.features.windows import column_names, feature_matrix
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.voltage import ecg_of

# leads differ between recordings of one data set: their position names them, so that all beats share columns
LEAD_COLUMNS = ("lead_1", "lead_2")
# principal components belong to one recording: the same column means another direction in the next
SHARED = tuple(name for name in SHAPE_FEATURES if not name.startswith("pc_") or name == "pc_residual")


def recording_features(recording: Recording, sample: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Features of rhythm and shape, and the waveform, of each beat of one recording.

    The first two ECG leads are used. With a single lead the features of the second are missing, and both waveforms are
    equal.

    Args:
        recording: 100 Hz or more.
        sample: (n_beats,) R peaks, increasing.

    Returns:
        (n_beats, ...) features, NaN where a beat lacks them, and (n_beats, 60, 2) float32 waveforms at 120 Hz from R -
        250 ms on, each lead minus its median. Missing samples count as that median.
    """
    recording = ecg_of(recording)
    signal = linear_phase(recording.signal[:, :2], recording.fs)
    names = LEAD_COLUMNS[: signal.shape[1]]
    features = beat_features(signal, recording.fs, sample, leads=names)
    waveforms = beat_windows(signal, sample, recording.fs).transpose(0, 2, 1)
    waveforms = waveforms - np.nanmedian(
        np.where(np.isfinite(waveforms), waveforms, 0), axis=1, keepdims=True
    )
    return features.reindex(columns=feature_columns()), np.nan_to_num(waveforms).astype(np.float32)


def measured_beats(
    raw: Mapping[str, Recording], beats: pd.DataFrame, wanted: pd.Series
) -> tuple[pd.DataFrame, np.ndarray]:
    """Features and waveforms of beats of several recordings.

    Args:
        raw: record -> recording.
        beats: all beats of these recordings, since rhythm needs the neighbours of a beat.
        wanted: (n,) case_id of the beats that are returned, in this order.

    Returns:
        (n, ...) ``case_id``, then features, and (n, 60, 2) waveforms; see :func:`recording_features`.
    """
    values, shapes, order = [], [], []
    samples = beats["sample"].to_numpy()
    # a table of all beats is made in a fraction of the time of one per recording
    for record, places in beats.groupby("record", sort=False).indices.items():
        table, waveforms = recording_features(raw[str(record)], samples[places])
        values.append(table.to_numpy(dtype=np.float64))
        shapes.append(waveforms)
        order.append(places)
    features, waveforms = (
        pd.DataFrame(np.concatenate(values), columns=feature_columns()),
        np.concatenate(shapes),
    )
    ids = case_id(beats["record"], beats["sample"]).to_numpy()
    features.insert(0, "case_id", ids[np.concatenate(order)])
    rows = pd.Index(features["case_id"]).get_indexer(wanted)
    return features.iloc[rows].reset_index(drop=True), waveforms[rows]


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
