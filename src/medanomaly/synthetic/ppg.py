"""Synthetic pulse wave (PPG) of the heart of the ECG: each beat arrives a moment later at the finger.

A pulse is the sum of a main and a reflected wave. In stiff arteries (age, high blood pressure) the reflected wave is
earlier and larger. A beat that comes early fills the heart less and gives a smaller pulse.
"""

from collections.abc import Mapping

import numpy as np

from medanomaly.core.errors import ConfigurationError
from medanomaly.synthetic.ecg import EcgStream, whole_signal
from medanomaly.synthetic.patients import own_streams
from medanomaly.synthetic.rhythm import Beat
from medanomaly.synthetic.signal_anomalies import SignalAnomalyParams
from medanomaly.synthetic.streaming import SyntheticSignal

_BEFORE, _AFTER = 0.1, 1.25  # s before and after R that a pulse reaches


class PpgStream(EcgStream):
    """Endless pulse wave of one patient; beats and rhythm are those of the patient's :class:`EcgStream`.

    Args:
        patient: a row of the patients' table.
        seed: of the cohort.
        fs: 50 to 1000 Hz.
        noise_db: ratio of the pulse wave to the noise, in dB.
        anomalies: what is planted; the same events as in the ECG of the patient.
    """

    purpose = "ppg"

    def __init__(
        self,
        patient: Mapping,
        seed: int,
        *,
        fs: float = 125.0,
        noise_db: float = 30.0,
        anomalies: SignalAnomalyParams | None = None,
    ):
        if not 50 <= fs <= 1000:
            raise ConfigurationError(f"a pulse wave at {fs} Hz", remedy="Choose 50 to 1000 Hz.")
        super().__init__(patient, seed, fs=fs, leads=("II",), noise_db=noise_db, anomalies=anomalies)
        self.leads, self.units = ("PLETH",), ("NU",)

    def _shape(self, patient: Mapping, noise_db: float) -> None:
        z = next(own_streams([self.patient_id], self.seed, "ppg shape")).standard_normal(4)
        stiff = np.clip((float(patient["age"]) - 25) / 60, 0, 1) + 0.3 * bool(patient["hypertension"])
        self._delay = 0.24 - 0.05 * stiff + 0.01 * z[0]
        self._centres = np.array([0.16, 0.42 - 0.08 * stiff])
        self._widths = np.array([0.075, 0.11]) * np.exp(0.06 * z[1])
        self._amplitudes = np.array([1.0, 0.35 + 0.15 * stiff]) * np.exp(0.15 * z[2])
        self._rms = np.array([self._nominal()])
        self._noise_sd = self._rms * 10 ** (-noise_db / 20)
        self._wander_mv = 0.08 * np.exp(0.3 * z[3])

    def _nominal(self) -> float:
        interval = 60.0 / self._rhythm.state.rate
        t = np.arange(0, 4 * interval, 1 / 200)
        wave = sum(self._pulse(t - k * interval, np.ones(1)) for k in range(-2, 5))
        return float(np.std(wave))

    def _pulse(self, t: np.ndarray, size: np.ndarray) -> np.ndarray:
        wave = sum(
            a * np.exp(-0.5 * ((t - self._delay - c) / w) ** 2)
            for a, c, w in zip(self._amplitudes, self._centres, self._widths, strict=True)
        )
        return wave * size

    def _size(self, beats: list[Beat]) -> np.ndarray:
        usual = 60.0 / self._rhythm.state.rate
        rr = np.array([b.rr_s for b in beats])
        force = np.array([0.6 if b.origin == "PVC" else 1.0 for b in beats])
        return force * np.clip(rr / usual, 0.2, 1.3) ** 0.8

    def _clean(self, first: int, n: int) -> np.ndarray:
        beats = self._beats_between(first / self.fs - _AFTER, (first + n) / self.fs + _BEFORE)
        times = np.array([b.time_s for b in beats])
        width = int(np.ceil((_BEFORE + _AFTER) * self.fs))
        begin = np.ceil((times - _BEFORE) * self.fs).astype(np.int64)
        numbers = begin[:, None] + np.arange(width)
        waves = self._pulse(numbers / self.fs - times[:, None], self._size(beats)[:, None])
        out = np.zeros(n + 2 * width)
        for start, wave in zip(begin - first + width, waves, strict=True):
            if 0 <= start <= n + width:
                out[start : start + width] += wave
        return out[width : width + n, None]

    def _fibrillation(self, signal, t, event) -> None:
        """Fibrillating atria change only the rhythm of the pulse, so nothing is added."""


def synthetic_ppg(patient: Mapping, seed: int, duration_s: float, **options) -> SyntheticSignal:
    """A whole pulse wave in one call; options are those of :class:`PpgStream`."""
    return whole_signal(PpgStream(patient, seed, **options), duration_s)
