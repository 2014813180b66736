"""The LSTM autoencoder as a bundle: trained and calibrated; and the scores of its ONNX model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.calibrated_bundle import calibrated_bundle, check_reference
from medanomaly.core.onnx_session import open_session, run_batches
from medanomaly.signals.lstm.params import LSTMModelParams, LSTMParams

# waveforms per call of the ONNX model
BATCH_SIZE = 512


def lstm_bundle(
    waveforms: np.ndarray,
    cases: pd.DataFrame,
    params: LSTMModelParams,
    *,
    name: str,
    seed: int,
    folder: Path | None = None,
    stamp: dict | None = None,
    loggers: Sequence = (),
) -> Bundle:
    """Train an LSTM autoencoder on normal train beats, calibrate its ONNX model, and make the bundle.

    Args:
        waveforms: (n, n_samples, n_leads) float32, row i is case i.
        cases: case table of n rows.
        params: network, training, and largest number of beats.
        folder: holds the checkpoints, from which an interrupted training continues.
        name, seed, stamp: as of :func:`medanomaly.core.calibrated_bundle.calibrated_bundle`.
        loggers: Lightning loggers.
    """
    from medanomaly.signals.lstm.detector import LSTMDetector

    in_train, _ = check_reference(cases, name)
    rows = np.flatnonzero(in_train)
    if len(rows) > params.max_train:
        rows = np.sort(np.random.default_rng([seed, 2]).choice(rows, params.max_train, replace=False))
    groups = cases["patient_id"].to_numpy()[rows]
    detector = LSTMDetector(LSTMParams(**params.model_dump(exclude={"kind", "max_train"})), seed)
    detector.fit(
        waveforms[rows],
        groups if len(np.unique(groups)) > 1 else None,
        folder=folder,
        fingerprint=name,
        loggers=loggers,
    )
    onnx = detector.onnx()
    return calibrated_bundle(
        {"model.onnx": onnx, "weights.safetensors": detector.weights()},
        cases,
        waveform_scores(open_session(onnx), waveforms),
        name=name,
        modality="signals",
        kind="lstm_autoencoder",
        options=params.model_dump(exclude={"kind"}),
        seed=seed,
        input_contract={"waveform": f"{waveforms.shape[1]} samples x {waveforms.shape[2]} lead(s), float32"},
        stamp=stamp,
        fingerprint_of=waveforms[rows],
    )


def waveform_scores(session, waveforms: np.ndarray) -> np.ndarray:
    """(n,) float64 scores of (n, n_samples, n_leads) float32 waveforms by an ONNX session."""
    return run_batches(session, waveforms, batch_size=BATCH_SIZE, names=["score"])["score"].astype(np.float64)
