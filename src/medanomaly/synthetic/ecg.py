"""Synthetic ECG: each beat is a sum of Gaussian waves, whose shape belongs to the patient.

McSharry et al. 2003 (see ``rhythm``) describe the waves P, Q, R, S, T by Gaussians. The time of the T wave is
proportional to the square root of the interval (Bazett 1920). The values are chosen by hand and fitted to no data.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from medanomaly.core.errors import ConfigurationError
from medanomaly.synthetic.patients import own_streams
from medanomaly.synthetic.rhythm import SYMBOLS, Beat, Rhythm
from medanomaly.synthetic.signal_anomalies import (
    BEAT_KINDS,
    CODES,
    WAVEFORM_SECONDS,
    PlannedEvent,
    SignalAnomalyParams,
    planned_event,
    plant,
)
from medanomaly.synthetic.streaming import BlockStream, Samples, SyntheticSignal

BLOCK_S = 60.0
LEADS = ("II", "V1", "V5")
WAVES = ("P", "Q", "R", "S", "T")
CENTRES = np.array([-0.165, -0.032, 0.0, 0.032, 0.285])  # s from R at 60 /min
WIDTHS = np.array([0.022, 0.009, 0.011, 0.011, 0.045])  # s
AMPLITUDES = {  # mV
    "II": np.array([0.14, -0.08, 1.15, -0.20, 0.30]),
    "V1": np.array([0.07, 0.00, 0.28, -0.95, -0.05]),
    "V5": np.array([0.10, -0.12, 1.40, -0.28, 0.34]),
}
# a ventricular beat: no P wave, wide, T wave of opposite sign
PVC_CENTRES = np.array([-0.165, -0.05, 0.0, 0.075, 0.31])
PVC_WIDTHS = np.array([0.022, 0.02, 0.034, 0.034, 0.06])
PVC_FACTORS = {
    "II": np.array([0.0, 1.0, 1.25, 2.2, -1.4]),
    "V1": np.array([0.0, 0.0, 3.2, 0.3, 4.0]),
    "V5": np.array([0.0, 0.5, 0.5, 3.5, -1.2]),
}
_BEFORE, _AFTER = 0.36, 0.62  # s before and after R that a beat reaches


class EcgStream(BlockStream):
    """Endless ECG of one patient.

    Args:
        patient: a row of :func:`medanomaly.synthetic.patients.draw_patients`.
        seed: of the cohort.
        fs: 50 to 1000 Hz.
        leads: of II, V1, V5.
        noise_db: ratio of the ECG to the noise of muscle and sensor, in dB.
        anomalies: what is planted; None plants nothing.
    """

    purpose = "ecg"

    def __init__(
        self,
        patient: Mapping,
        seed: int,
        *,
        fs: float = 250.0,
        leads: tuple[str, ...] = ("II", "V1"),
        noise_db: float = 24.0,
        anomalies: SignalAnomalyParams | None = None,
    ):
        if not 50 <= fs <= 1000:
            raise ConfigurationError(f"an ECG at {fs} Hz", remedy="Choose 50 to 1000 Hz.")
        if unknown := [lead for lead in leads if lead not in LEADS]:
            raise ConfigurationError(f"there is no lead {unknown}", remedy=f"Choose from {LEADS}.")
        super().__init__(fs, BLOCK_S)
        self.patient_id, self.seed = str(patient["patient_id"]), seed
        self.leads, self.units = tuple(leads), ("mV",) * len(leads)
        self._params = anomalies
        self._plan: dict[int, PlannedEvent | None] = {}
        self._planted: list[dict] = []
        self._rhythm = Rhythm(patient, seed, self._event_at)
        self._first_beat = 0
        self._noise = next(own_streams([self.patient_id], seed, f"{self.purpose} noise"))
        self._wander, self._colour = np.zeros(len(leads)), np.zeros(len(leads))
        self._shape(patient, noise_db)

    def _shape(self, patient: Mapping, noise_db: float) -> None:
        stream = next(own_streams([self.patient_id], self.seed, "ecg shape"))
        z = stream.standard_normal((3, len(LEADS), len(WAVES)))
        chosen = [LEADS.index(lead) for lead in self.leads]
        self._amplitudes = np.array([AMPLITUDES[lead] for lead in self.leads]) * np.exp(0.15 * z[0, chosen])
        # a thick heart muscle raises the voltage, overinflated lungs lower it, potassium raises the T wave
        self._amplitudes[:, 1:4] *= 1 + 0.2 * bool(patient["hypertension"]) - 0.25 * bool(patient["copd"])
        self._amplitudes[:, 4] *= 1 + 0.3 * bool(patient["ckd"])
        # timing is the same in every lead
        self._centres = CENTRES * (1 + 0.05 * z[1, 0])
        self._widths = WIDTHS * np.exp(0.08 * z[2, 0]) * (1 + 0.15 * bool(patient["heart_failure"]))
        self._rms = self._nominal_rms()
        self._noise_sd = self._rms * 10 ** (-noise_db / 20)
        self._wander_mv = 0.04 * np.exp(0.3 * stream.standard_normal())

    def _nominal_rms(self) -> np.ndarray:
        interval = 60.0 / self._rhythm.state.rate
        t = np.arange(-_BEFORE, _AFTER, 1 / 500)
        beat = self._waves(t[None], np.array([interval]), np.array(["sinus"]))[0]
        mean = beat.sum(axis=0) / 500 / interval
        return np.sqrt(np.maximum((beat**2).sum(axis=0) / 500 / interval - mean**2, 1e-12))

    def _event(self, block: int) -> PlannedEvent | None:
        if self._params is None:
            return None
        if block not in self._plan:
            self._plan[block] = planned_event(
                self.patient_id, self.seed, "waveform", block, BLOCK_S, WAVEFORM_SECONDS, self._params
            )
        return self._plan[block]

    def _event_at(self, t: float) -> PlannedEvent | None:
        event = self._event(int(t // BLOCK_S)) if t >= 0 else None
        return event if event is not None and event.start_s <= t < event.end_s else None

    def _waves(self, t: np.ndarray, rr: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """(n_beats, n_times, n_leads) mV: beats at times ``t`` (n_beats, n_times), relative to their R peak."""
        n = len(t)
        centres, widths = np.tile(self._centres, (n, 1)), np.tile(self._widths, (n, 1))
        amplitudes = np.tile(self._amplitudes, (n, 1, 1))
        ventricular = origin == "PVC"
        if ventricular.any():
            factors = np.array([PVC_FACTORS[lead] for lead in self.leads])
            centres[ventricular], widths[ventricular] = PVC_CENTRES, PVC_WIDTHS
            amplitudes[ventricular] *= factors
        # an atrial focus gives another P wave, fibrillating atria give none
        amplitudes[origin == "PAC", :, 0] *= -0.6
        amplitudes[origin == "AF", :, 0] = 0.0
        stretch = np.sqrt(np.clip(rr, 0.4, 1.4))
        centres[:, 4] *= stretch
        widths[:, 4] *= stretch
        out = np.zeros((*t.shape, len(self.leads)))
        for w in range(len(WAVES)):
            wave = np.exp(-0.5 * ((t - centres[:, w, None]) / widths[:, w, None]) ** 2)
            out += wave[:, :, None] * amplitudes[:, None, :, w]
        return out

    def _beats_between(self, start: float, end: float) -> list[Beat]:
        beats = self._rhythm.until(end)
        while self._first_beat < len(beats) and beats[self._first_beat].time_s < start:
            self._first_beat += 1
        return [b for b in beats[self._first_beat :] if b.time_s <= end]

    def _clean(self, first: int, n: int) -> np.ndarray:
        beats = self._beats_between(first / self.fs - _AFTER, (first + n) / self.fs + _BEFORE)
        times = np.array([b.time_s for b in beats])
        rr, origin = np.array([b.rr_s for b in beats]), np.array([b.origin for b in beats])
        width = int(np.ceil((_BEFORE + _AFTER) * self.fs))
        # positions are sample numbers of the whole signal, so that two blocks give the same beat
        begin = np.ceil((times - _BEFORE) * self.fs).astype(np.int64)
        numbers = begin[:, None] + np.arange(width)
        waves = self._waves(numbers / self.fs - times[:, None], rr, origin)
        out = np.zeros((n + 2 * width, len(self.leads)))
        for start, wave in zip(begin - first + width, waves, strict=True):
            if 0 <= start <= n + width:
                out[start : start + width] += wave
        return out[width : width + n]

    def _background(self, t: np.ndarray) -> np.ndarray:
        n, k = len(t), len(self.leads)
        white = self._noise.standard_normal((n, k))
        # muscle and electrode noise: half white, half below a few Hz
        pole = np.exp(-2 * np.pi * 3.0 / self.fs)
        coloured, state = lfilter([np.sqrt(1 - pole**2)], [1, -pole], white, axis=0, zi=self._colour[None])
        self._colour = state[0]
        noise = (0.5**0.5 * white + 0.5**0.5 * coloured) * self._noise_sd
        slow_pole = np.exp(-2 * np.pi * 0.05 / self.fs)
        slow, state = lfilter(
            [np.sqrt(1 - slow_pole**2)],
            [1, -slow_pole],
            self._noise.standard_normal((n, k)),
            axis=0,
            zi=self._wander[None],
        )
        self._wander = state[0]
        return noise + self._wander_mv * (self._rhythm.breathing(t)[:, None] + slow)

    def _block(self, index: int) -> Samples:
        n = self.block_samples
        first = index * n
        t = (first + np.arange(n)) / self.fs
        signal = self._clean(first, n)
        modulation = 1 + 0.04 * self._rhythm.breathing(t)
        signal = signal * modulation[:, None] + self._background(t)
        truth = np.zeros(n, dtype=np.uint8)
        event = self._event(index)
        if event is not None and event.kind == "AF":
            self._fibrillation(signal, t, event)
        signal = signal.astype(np.float32)
        if event is not None:
            self._truth(signal, truth, first, event)
        return Samples(signal, truth)

    def _fibrillation(self, signal: np.ndarray, t: np.ndarray, event: PlannedEvent) -> None:
        inside = (t >= event.start_s) & (t < event.end_s)
        rate = 5.0 + 2.0 * event.choices[0]
        # V1 is nearest to the right atrium
        size = np.array([0.06 if lead == "V1" else 0.03 for lead in self.leads])
        phase = 2 * np.pi * rate * t[inside] + 1.5 * np.sin(2 * np.pi * 0.4 * t[inside])
        signal[inside] += (np.sin(phase) + 0.4 * np.sin(2 * phase))[:, None] * size

    def _truth(self, signal: np.ndarray, truth: np.ndarray, first: int, event: PlannedEvent) -> None:
        if event.kind not in BEAT_KINDS:
            stream = next(
                own_streams([f"{self.patient_id}:{first}"], self.seed, f"{self.purpose} event noise")
            )
            found = plant(signal, truth, first, self.fs, event, self._rms, stream)
            if found is not None:
                self._note(event.kind, found[0], found[1], found[2], event.snr_db)
            return
        if event.kind == "AF":
            members = [
                b
                for b in self._rhythm.beats
                if b.origin == "AF" and event.start_s <= b.time_s < event.end_s + 2
            ]
            spans = [(members[0].time_s - 0.25, members[-1].time_s + 0.4)] if members else []
        else:
            members = [
                b
                for b in self._rhythm.beats
                if b.origin == event.kind and event.start_s - 2 <= b.time_s < event.end_s + 2
            ]
            spans = [(b.time_s - 0.25, b.time_s + 0.4) for b in members]
        for start, end in spans:
            a, b = (min(max(round(s * self.fs) - first, 0), len(truth)) for s in (start, end))
            truth[a:b] = CODES[event.kind]
            self._note(event.kind, first + a, first + b, None, float("nan"))

    def _note(self, kind: str, start: int, end: int, lead: int | None, snr_db: float) -> None:
        name = "" if lead is None else self.leads[lead]
        self._planted.append({"kind": kind, "start": start, "end": end, "lead": name, "snr_db": snr_db})

    def events(self, n_samples: int) -> pd.DataFrame:
        """Events planted in the first ``n_samples``, which must have been read; cut off at the end."""
        return event_table(self._planted, n_samples)

    def beats(self, n_samples: int) -> pd.DataFrame:
        """Beats with their R peak in the first ``n_samples``: ``sample``, ``symbol``."""
        rows = [(round(b.time_s * self.fs), SYMBOLS[b.origin]) for b in self._rhythm.beats]
        table = pd.DataFrame(rows, columns=["sample", "symbol"])
        return table[table["sample"].between(0, n_samples - 1)].reset_index(drop=True)


def event_table(planted: list[dict], n_samples: int) -> pd.DataFrame:
    """Events that begin before ``n_samples``; their ends are cut off there."""
    columns = ["kind", "start", "end", "lead", "snr_db"]
    table = pd.DataFrame(planted, columns=columns).astype(
        {"start": "int64", "end": "int64", "snr_db": "float64"}
    )
    table = table[table["start"] < n_samples].assign(end=lambda t: t["end"].clip(upper=n_samples))
    return table.sort_values("start", kind="stable").reset_index(drop=True)


def synthetic_ecg(patient: Mapping, seed: int, duration_s: float, **options) -> SyntheticSignal:
    """A whole ECG in one call; options are those of :class:`EcgStream`.

    Args:
        patient: a row of the patients' table.
        seed: of the cohort.
        duration_s: length in seconds.
    """
    return whole_signal(EcgStream(patient, seed, **options), duration_s)


def whole_signal(stream: BlockStream, duration_s: float) -> SyntheticSignal:
    """The first ``duration_s`` seconds of a stream."""
    n = round(duration_s * stream.fs)
    samples = stream.read(n)
    return SyntheticSignal(
        patient_id=stream.patient_id,
        signal=samples.signal,
        fs=stream.fs,
        leads=stream.leads,
        units=stream.units,
        truth=samples.truth,
        events=stream.events(n),
        beats=stream.beats(n),
    )
