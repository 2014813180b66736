"""Synthetic vital signs of a stay: heart rate, oxygen saturation, blood pressure, breathing, temperature.

Each sign varies around the patient's set point: by a circadian wave, slow changes and fast changes, which are partly
shared between signs (heart rate and breathing rise together). Values are rounded as on monitors.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from medanomaly.core.errors import ConfigurationError
from medanomaly.synthetic.ecg import event_table, whole_signal
from medanomaly.synthetic.patients import own_streams
from medanomaly.synthetic.rhythm import autonomic
from medanomaly.synthetic.signal_anomalies import (
    CODES,
    PlannedEvent,
    SignalAnomalyParams,
    drift_shape,
    planned_event,
)
from medanomaly.synthetic.streaming import BlockStream, Samples, SyntheticSignal

BLOCK_S = 12 * 3600.0
SIGNS = ("heart_rate", "spo2", "systolic", "diastolic", "respiratory_rate", "temperature")
UNITS = ("/min", "%", "mmHg", "mmHg", "/min", "°C")
STEPS = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.1])
# natural deviation from the set point, in the units above
DEVIATIONS = np.array([6.0, 1.0, 9.0, 6.0, 2.0, 0.25])
LIMITS = np.array([[20, 230], [40, 100], [40, 260], [20, 160], [3, 60], [33.0, 42.0]])
CIRCADIAN = np.array([0.7, 0.1, 0.7, 0.6, 0.4, 0.9])  # shares of the deviation
SHARED = np.array([0.5, -0.3, 0.3, 0.3, 0.5, 0.3])  # loading on what is common to all
# beginning sepsis or heart failure: pulse, breathing and temperature rise, pressure and saturation fall
DECOMPENSATION = np.array([1.0, -0.9, -0.9, -0.7, 1.0, 0.6])
_SLOW_S, _FAST_S = 3 * 3600.0, 600.0  # time constants
_SECONDS = {
    "drift": (3600.0, 4 * 3600.0),
    "dropout": (600.0, 3600.0),
    "decompensation": (4 * 3600.0, 8 * 3600.0),
}


class VitalsStream(BlockStream):
    """Endless vital signs of one patient.

    Args:
        patient: a row of :func:`medanomaly.synthetic.patients.draw_patients`.
        seed: of the cohort.
        fs: up to 1 Hz; 1/60 is one value per minute.
        anomalies: what is planted; None plants nothing.
    """

    leads, units = SIGNS, UNITS

    def __init__(
        self,
        patient: Mapping,
        seed: int,
        *,
        fs: float = 1 / 60,
        anomalies: SignalAnomalyParams | None = None,
    ):
        if not 0 < fs <= 1:
            raise ConfigurationError(f"vital signs at {fs} Hz", remedy="Choose more than 0 and up to 1 Hz.")
        super().__init__(fs, BLOCK_S)
        self.patient_id, self.seed, self._params = str(patient["patient_id"]), seed, anomalies
        self._noise = next(own_streams([self.patient_id], seed, "vitals"))
        z = self._noise.standard_normal(len(SIGNS) + 1)
        self._set_point = _set_point(patient, seed) + 0.4 * DEVIATIONS * z[:-1]
        self._hour = 3.0 + z[-1]
        # state of the slow and the fast changes: of each sign, then of the shared part
        self._state = self._noise.standard_normal((2, 1, len(SIGNS) + 1))
        self._planted: list[dict] = []
        # a spike is one or two values, whatever the rate
        self._seconds = _SECONDS | {"spike": (1.0 / fs, 2.0 / fs)}

    def _natural(self, t: np.ndarray) -> np.ndarray:
        """(n, n_signs) in units of the deviation."""
        parts = []
        for k, constant in enumerate((_SLOW_S, _FAST_S)):
            pole = np.exp(-1 / (self.fs * constant))
            drive = self._noise.standard_normal((len(t), len(SIGNS) + 1)) * np.sqrt(1 - pole**2)
            course, state = lfilter([1.0], [1, -pole], drive, axis=0, zi=pole * self._state[k])
            self._state[k] = state / pole
            parts.append(course)
        own = 0.75**0.5 * parts[0] + 0.5 * parts[1]
        wave = np.sin(2 * np.pi * (t / 86400 - (self._hour + 6) / 24))
        shared = SHARED * own[:, -1:]
        rest = np.sqrt(1 - SHARED**2 - 0.5 * (0.6 * CIRCADIAN) ** 2)
        return 0.6 * CIRCADIAN * wave[:, None] + shared + rest * own[:, :-1]

    def _block(self, index: int) -> Samples:
        n = self.block_samples
        first = index * n
        t = (first + np.arange(n)) / self.fs
        deviation = self._natural(t)
        truth = np.zeros(n, dtype=np.uint8)
        event = None
        if self._params is not None:
            event = planned_event(
                self.patient_id, self.seed, "vitals", index, BLOCK_S, self._seconds, self._params
            )
        missing = self._plant(deviation, truth, first, event) if event is not None else None
        values = np.clip(self._set_point + DEVIATIONS * deviation, LIMITS[:, 0], LIMITS[:, 1])
        values = np.round(values / STEPS) * STEPS
        if missing is not None:
            values[missing] = np.nan
        return Samples(values.astype(np.float32), truth)

    def _plant(self, deviation, truth, first, event: PlannedEvent):
        a = max(0, round(event.start_s * self.fs) - first)
        b = min(len(truth), max(a + 1, round(event.end_s * self.fs) - first))
        sign, lead = (1.0 if event.choices[0] < 0.5 else -1.0), int(event.choices[1] * len(SIGNS))
        # saturation can only fall
        if SIGNS[lead] == "spo2":
            sign = -1.0
        missing, name = None, SIGNS[lead]
        if event.kind == "decompensation":
            name = ""
            course = (np.arange(b - a) + 0.5) / (b - a)
            deviation[a:b] += event.ratio * (course**1.5)[:, None] * DECOMPENSATION
        elif event.kind == "spike":
            deviation[a:b, lead] += sign * event.ratio
        elif event.kind == "drift":
            deviation[a:b, lead] += sign * event.ratio * drift_shape(b - a)
        else:
            missing = (slice(a, b), lead)
        truth[a:b] = CODES[event.kind]
        self._planted.append(
            {"kind": event.kind, "start": first + a, "end": first + b, "lead": name, "snr_db": event.snr_db}
        )
        return missing

    def events(self, n_samples: int) -> pd.DataFrame:
        """Events planted in the first ``n_samples``, which must have been read; cut off at the end."""
        return event_table(self._planted, n_samples)

    def beats(self, n_samples: int) -> pd.DataFrame:
        """Vital signs have no beats: an empty table."""
        return pd.DataFrame({"sample": pd.Series(dtype="int64"), "symbol": pd.Series(dtype="str")})


def _set_point(patient: Mapping, seed: int) -> np.ndarray:
    severity, age = float(patient["severity"]), float(patient["age"])
    pressure = bool(patient["hypertension"])
    return np.array(
        [
            autonomic(patient, seed).rate,
            97.3 - 1.5 * severity - 3.0 * bool(patient["copd"]),
            116 + 0.25 * (age - 50) + 14 * pressure - 6 * severity,
            73 + 7 * pressure - 3 * severity,
            15 + 3 * severity + 1.5 * bool(patient["copd"]),
            36.8,
        ]
    )


def synthetic_vitals(patient: Mapping, seed: int, duration_s: float, **options) -> SyntheticSignal:
    """Vital signs of a stay in one call; options are those of :class:`VitalsStream`."""
    return whole_signal(VitalsStream(patient, seed, **options), duration_s)
