"""The beat detector as a bundle: trained and calibrated; and read back to score."""

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, array_bytes
from medanomaly.core.calibrated_bundle import calibrated_bundle, check_reference
from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.signals.beat_detector.detector import BeatDetector
from medanomaly.signals.beat_detector.fusion import CONTRIBUTIONS
from medanomaly.signals.beat_detector.params import BeatDetectorParams, fitting_learn_s
from medanomaly.signals.beat_detector.series import BeatSeries
from medanomaly.signals.beats.table import case_id
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.voltage import ecg_of


def series_of(recording: Recording, beats: pd.DataFrame) -> BeatSeries:
    """What the beat detector takes: the ECG of a recording and its own rows of the beats table."""
    recording = ecg_of(recording)
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
    seed: int,
    stamp: dict | None = None,
) -> Bundle:
    """Learn the population from the train recordings, calibrate on the calibration recordings, and make the bundle.

    Args:
        raw: record -> recording.
        beats: beats of all recordings.
        cases: case table; ``case_id`` is that of :func:`medanomaly.signals.beats.table.case_id`.
        params: variant, causal or not, learning time.
        name, seed, stamp: as of :func:`medanomaly.core.calibrated_bundle.calibrated_bundle`.
    """
    check_reference(cases, name)
    ids = case_id(beats["record"], beats["sample"])
    by_case = cases.set_index("case_id")
    part, label = ids.map(by_case["split"]), ids.map(by_case["label"])
    normal = label.eq(0).fillna(False) if cases["label"].notna().any() else part.notna()
    # without labels every train patient counts as normal
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
    lengths = beats["time_s"].groupby(beats["record"], sort=False).max()[list(terms)]
    if not population and params.causal and lengths.max() <= params.learn_s:
        raise ConfigurationError(
            f"no recording is longer than the learning time of {params.learn_s:g} s",
            remedy=fitting_learn_s(lengths),
        )
    detector.fit_terms(population)
    scores = pd.Series(0.0, index=cases["case_id"])
    for record, of_terms in terms.items():
        mine = ids[beats["record"].eq(record)].to_numpy()
        values = detector.explain_terms(of_terms).sum(axis=1)
        inside = np.isin(mine, scores.index)
        scores[mine[inside]] = values[inside]
    description, arrays = detector.to_arrays()
    return calibrated_bundle(
        {f"{key}.npy": array_bytes(value) for key, value in arrays.items()},
        cases,
        scores.to_numpy(),
        name=name,
        modality="signals",
        kind="beat_detector",
        options=params.model_dump(exclude={"kind"}),
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
    if bundle.manifest.kind != "beat_detector":
        raise BundleError(f"a bundle of kind '{bundle.manifest.kind}'", remedy="Give a beat detector.")
    arrays = {name: bundle.array(f"{name}.npy") for name in bundle.manifest["arrays"]}
    return BeatDetector.from_arrays(bundle.manifest["beat_detector"], arrays)


def beat_contributions(
    detector: BeatDetector, raw: Mapping[str, Recording], beats: pd.DataFrame, ids: pd.Series
) -> np.ndarray:
    """(n, 7) contributions of the beats of these ids, in the order of ``CONTRIBUTIONS``; their sum is the score."""
    rows = pd.Index(ids)
    out = np.full((len(rows), len(CONTRIBUTIONS)), np.nan)
    for record, of_record in beats.groupby("record", sort=False):
        values = detector.explain(series_of(raw[str(record)], of_record))
        at = rows.get_indexer(case_id(of_record["record"], of_record["sample"]))
        out[at[at >= 0]] = values[at >= 0]
    return out
