"""Models of beats as bundles: trained, calibrated, sealed; and read back to score."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, array_bytes
from medanomaly.core.errors import BundleError
from medanomaly.core.onnx_session import open_session, run_batches
from medanomaly.core.sealing import check_reference, seal
from medanomaly.signals.beat_detector.detector import BeatDetector
from medanomaly.signals.beat_detector.fusion import CONTRIBUTIONS
from medanomaly.signals.beat_detector.series import BeatSeries
from medanomaly.signals.beats.found_beats import case_id
from medanomaly.signals.beats.params import BeatDetectorParams, LSTMModelParams
from medanomaly.signals.lstm.params import LSTMParams
from medanomaly.signals.recordings.recording import Recording

BATCH_SIZE = 512
# what each contribution of the beat detector means to a reader
TERMS = {
    "cpm": "earlier than usual, as other beats of this shape",
    "rr": "shorter RR interval than the patient's slow beats",
    "shape": "unlike the patient's usual shapes",
    "resid": "differs from the nearest usual shape in size",
    "P": "different before the QRS complex (P wave)",
    "abs": "short RR interval",
    "ifr": "RR intervals unlike those of other people",
}


def series_of(recording: Recording, beats: pd.DataFrame) -> BeatSeries:
    """What the beat detector takes, from a recording and the rows of the beats table that are its own."""
    return BeatSeries(
        record=recording.record,
        patient_id=recording.patient_id,
        signal=recording.signal,
        fs=recording.fs,
        samples=beats["sample"].to_numpy(dtype=np.int64),
        aami=beats["aami"].fillna("").to_numpy(dtype=str),
        good=beats["quality"].eq("good").to_numpy(dtype=bool),
    )


def beat_detector_bundle(
    raw: Mapping[str, Recording],
    beats: pd.DataFrame,
    cases: pd.DataFrame,
    params: BeatDetectorParams,
    *,
    name: str,
    alpha: float,
    seed: int,
    stamp: dict | None = None,
) -> Bundle:
    """Learn the population from the train recordings, calibrate on those of calibration, seal.

    Args:
        raw: record -> recording.
        beats: beats of all recordings.
        cases: case table; ``case_id`` is that of :func:`medanomaly.signals.beats.found_beats.case_id`.
        params: variant, causal or not, learning time.
        name, alpha, seed, stamp: as of :func:`medanomaly.core.sealing.seal`.
    """
    check_reference(cases, name)
    ids = case_id(beats["record"], beats["sample"])
    by_case = cases.set_index("case_id")
    part, label = ids.map(by_case["split"]), ids.map(by_case["label"])
    normal = label.eq(0).fillna(False) if cases["label"].notna().any() else part.notna()
    # patients without a label teach as normal
    taught = np.where(part.eq("train").fillna(False) & normal, "N", "")
    used = part.isin(["train", "calibration"])
    detector = BeatDetector(params.variant, params.causal, params.learn_s, seed)
    population, terms = [], {}
    for record, rows in beats.groupby("record", sort=False).indices.items():
        if not used.iloc[rows].any():
            continue
        of_record = beats.iloc[rows].assign(aami=taught[rows])
        patient = detector.patient_terms(series_of(raw[str(record)], of_record))
        terms[str(record)] = patient.terms
        if patient.normal.any():
            population.append(patient)
    detector.fit_terms(population)
    scores = pd.Series(0.0, index=cases["case_id"])
    for record, of_terms in terms.items():
        mine = ids[beats["record"].eq(record)].to_numpy()
        values = detector.explain_terms(of_terms).sum(axis=1)
        inside = np.isin(mine, scores.index)
        scores[mine[inside]] = values[inside]
    description, arrays = detector.to_arrays()
    return seal(
        {f"{key}.npy": array_bytes(value) for key, value in arrays.items()},
        cases,
        scores.to_numpy(),
        name=name,
        modality="signals",
        detector="beat_detector",
        options=params.model_dump(),
        alpha=alpha,
        seed=seed,
        input_contract={
            "signal": "ECG, one or two leads, mV, at least 100 Hz",
            "beats": "R peaks in samples",
            "learning time": f"{params.learn_s:g} s of the recording",
        },
        stamp=stamp,
        more={"beat_detector": json.loads(json.dumps(description)), "arrays": sorted(arrays)},
    )


def beat_detector_of(bundle: Bundle) -> BeatDetector:
    """The detector that a bundle holds.

    Raises:
        BundleError: it holds another kind of model.
    """
    if bundle.manifest.get("detector") != "beat_detector":
        raise BundleError(
            f"a bundle of a '{bundle.manifest.get('detector')}'", remedy="Give a beat detector."
        )
    arrays = {name: bundle.array(f"{name}.npy") for name in bundle.manifest["arrays"]}
    return BeatDetector.from_arrays(bundle.manifest["beat_detector"], arrays)


def beat_contributions(
    bundle: Bundle, raw: Mapping[str, Recording], beats: pd.DataFrame, cases: pd.DataFrame
) -> np.ndarray:
    """(n_cases, 7) contributions of every case, in the order of ``CONTRIBUTIONS``; their sum is the score."""
    detector = beat_detector_of(bundle)
    rows = pd.Index(cases["case_id"])
    out = np.full((len(cases), len(CONTRIBUTIONS)), np.nan)
    for record, of_record in beats.groupby("record", sort=False):
        values = detector.explain(series_of(raw[str(record)], of_record))
        at = rows.get_indexer(case_id(of_record["record"], of_record["sample"]))
        out[at[at >= 0]] = values[at >= 0]
    return out


def lstm_bundle(
    waveforms: np.ndarray,
    cases: pd.DataFrame,
    params: LSTMModelParams,
    *,
    name: str,
    alpha: float,
    seed: int,
    folder=None,
    stamp: dict | None = None,
    loggers: Sequence = (),
) -> Bundle:
    """Train an LSTM autoencoder on normal train beats, calibrate its ONNX model, seal.

    Args:
        waveforms: (n, n_samples, n_leads) float32, row i is case i.
        cases: case table of n rows.
        params: network, training, and how many beats.
        folder: where checkpoints go, and from where an interrupted training goes on.
        name, alpha, seed, stamp: as of :func:`medanomaly.core.sealing.seal`.
        loggers: Lightning's.
    """
    from medanomaly.signals.lstm.detector import LSTMDetector

    in_train, _ = check_reference(cases, name)
    rows = np.flatnonzero(in_train)
    if len(rows) > params.max_train:
        rows = np.sort(np.random.default_rng([seed, 2]).choice(rows, params.max_train, replace=False))
    groups = cases["patient_id"].to_numpy()[rows]
    detector = LSTMDetector(LSTMParams(**params.model_dump(exclude={"max_train"})), seed)
    detector.fit(
        waveforms[rows],
        groups if len(np.unique(groups)) > 1 else None,
        folder=folder,
        fingerprint=name,
        loggers=loggers,
    )
    onnx = detector.onnx()
    return seal(
        {"model.onnx": onnx, "weights.safetensors": detector.weights()},
        cases,
        onnx_scores(onnx, waveforms),
        name=name,
        modality="signals",
        detector="lstm_autoencoder",
        options=params.model_dump(),
        alpha=alpha,
        seed=seed,
        input_contract={"waveform": f"{waveforms.shape[1]} samples x {waveforms.shape[2]} lead(s), float32"},
        stamp=stamp,
        fingerprint_of=waveforms[rows],
    )


def onnx_scores(model: bytes, waveforms: np.ndarray) -> np.ndarray:
    """(n,) float64 scores of (n, n_samples, n_leads) float32 waveforms by an ONNX model with input ``X``."""
    outputs = run_batches(open_session(model), waveforms, batch_size=BATCH_SIZE, names=["score"])
    return outputs["score"].astype(np.float64)
