"""Signals of the embedded cohort as recordings: generated when they are asked for, equal for equal seeds."""

from functools import partial

import numpy as np

from medanomaly.core.errors import ConfigurationError
from medanomaly.datasets.raw import RawDataset
from medanomaly.signals.recordings.annotated_intervals import interval_annotations
from medanomaly.signals.recordings.annotation_order import in_time_order
from medanomaly.signals.recordings.recording import Annotations, Recording
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.synthetic.ecg import synthetic_ecg
from medanomaly.synthetic.patients import draw_patients
from medanomaly.synthetic.ppg import synthetic_ppg
from medanomaly.synthetic.signal_anomalies import SignalAnomalyParams
from medanomaly.synthetic.streaming import SyntheticSignal
from medanomaly.synthetic.vitals import synthetic_vitals

GENERATORS = {"ecg": synthetic_ecg, "ppg": synthetic_ppg, "vitals": synthetic_vitals}


def as_recording(signal: SyntheticSignal, attributes: dict[str, str] | None = None) -> Recording:
    """A synthetic signal as a recording; beats and planted stretches (``(spike`` to ``spike)``) are its annotations."""
    marks = interval_annotations(signal.events["start"], signal.events["end"], signal.events["kind"])
    beats = signal.beats
    annotations: Annotations = in_time_order(
        np.concatenate([beats["sample"].to_numpy(dtype=np.int64), marks.sample]),
        [*beats["symbol"], *marks.symbol],
        [*[""] * len(beats), *marks.text],
    )[0]
    return Recording(
        record=signal.patient_id,
        patient_id=signal.patient_id,
        signal=signal.signal,
        fs=signal.fs,
        leads=signal.leads,
        units=signal.units,
        annotations=annotations,
        attributes=dict(attributes or {}),
    )


class SyntheticSignalsDataset(RawDataset[RecordingSet]):
    """One recording per patient of the synthetic cohort (the patients of ``SyntheticClinicalDataset`` with the same seed).

    Args:
        kind: ecg, ppg or vitals.
        n_patients: number of patients.
        duration_s: length of each recording in seconds.
        seed: of the cohort.
        anomalies: fields of :class:`medanomaly.synthetic.signal_anomalies.SignalAnomalyParams`; None plants nothing.
        options: further options of the generator (``fs``, ``leads``, ``noise_db``).
    """

    def __init__(
        self,
        *,
        kind: str,
        n_patients: int,
        duration_s: float,
        seed: int = 0,
        anomalies: dict | None = None,
        options: dict | None = None,
        metadata: dict | None = None,
    ):
        if kind not in GENERATORS:
            raise ConfigurationError(f"there is no kind '{kind}'", remedy=f"Choose from {list(GENERATORS)}.")
        if not 0 < duration_s < float("inf"):
            raise ConfigurationError(f"recordings of {duration_s} s", remedy="Give more than 0 s.")
        self.kind, self.n_patients, self.duration_s, self.seed = kind, n_patients, float(duration_s), seed
        self.anomalies = None if anomalies is None else SignalAnomalyParams(**anomalies)
        self.options, self.metadata = dict(options or {}), metadata

    def _generate(self, patient: dict) -> Recording:
        signal = GENERATORS[self.kind](
            patient, self.seed, self.duration_s, anomalies=self.anomalies, **self.options
        )
        return as_recording(
            signal, {"age": f"{patient['age']:.0f}", "sex": patient["sex"], "site": patient["site"]}
        )

    def load(self) -> RecordingSet:
        """Draw the patients; their signals are generated when they are asked for."""
        patients = draw_patients(self.n_patients, self.seed).to_dict("records")
        planted = "nothing is planted" if self.anomalies is None else "planted anomalies are annotated"
        return RecordingSet(
            name=f"synthetic {self.kind}",
            readers={p["patient_id"]: partial(self._generate, p) for p in patients},
            patients={p["patient_id"]: p["patient_id"] for p in patients},
            notes=("generated, of no real person; it says nothing about real performance", planted),
        )

    def _describe(self) -> dict:
        return {
            "kind": self.kind,
            "n_patients": self.n_patients,
            "duration_s": self.duration_s,
            "seed": self.seed,
        }
