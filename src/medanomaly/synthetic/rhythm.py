"""Heart beats of a synthetic patient: sinus rhythm with variability, and beats of another origin where planned.

The interval between sinus beats varies with breathing (0.15-0.35 Hz), with the 0.1 Hz waves of blood pressure, and
slowly. The two-peaked spectrum is that of McSharry, Clifford, Tarassenko, Smith 2003, "A dynamical model for generating
synthetic electrocardiogram signals", IEEE TBME 50(3). Variability falls with age.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from medanomaly.synthetic.patients import own_streams
from medanomaly.synthetic.signal_anomalies import BEAT_KINDS, PlannedEvent

SYMBOLS = {"sinus": "N", "PVC": "V", "PAC": "A", "AF": "N"}
_DRAWN_AT_ONCE = 256
_FASTEST, _SLOWEST = 0.27, 2.5  # s
_HEAD_S = 3.0


@dataclass(frozen=True)
class Beat:
    """One beat: time of its R peak (s), interval before it (s), and origin (sinus, PVC, PAC, AF)."""

    time_s: float
    rr_s: float
    origin: str


@dataclass(frozen=True)
class Autonomic:
    """How a patient's heart beats at rest: rate (/min), breathing (Hz), and the shares of the interval that vary."""

    rate: float
    breathing: float
    respiratory: float
    pressure: float
    slow: float


def autonomic(patient: Mapping, seed: int) -> Autonomic:
    """Rate and variability of a patient of :func:`medanomaly.synthetic.patients.draw_patients`."""
    z = next(own_streams([patient["patient_id"]], seed, "autonomic")).standard_normal(5)
    severity, age = float(patient["severity"]), float(patient["age"])
    rate = 68 + 14 * severity + 4 * (patient["sex"] == "F") + 7 * z[0]
    # variability halves from age 25 to 75
    youth = np.clip(0.5 ** ((age - 25) / 50), 0.35, 1.2) * (1 - 0.4 * severity)
    return Autonomic(
        rate=float(np.clip(rate, 48, 120)),
        breathing=float(np.clip(0.23 + 0.05 * severity + 0.025 * z[1], 0.15, 0.35)),
        respiratory=float(0.045 * youth * np.exp(0.25 * z[2])),
        pressure=float(0.030 * youth * np.exp(0.25 * z[3])),
        slow=float(0.025 * np.exp(0.2 * z[4])),
    )


class Rhythm:
    """Beats in order of time, generated when they are asked for.

    Args:
        patient: a row of the patients' table.
        seed: of the cohort.
        event_at: time in s -> the planned event at that time, or None.
    """

    def __init__(self, patient: Mapping, seed: int, event_at: Callable[[float], PlannedEvent | None]):
        self.state = autonomic(patient, seed)
        self._stream = next(own_streams([patient["patient_id"]], seed, "rhythm"))
        phase = self._stream.random(2)
        self._phases = 2 * np.pi * phase
        self._event_at = event_at
        self._normals, self._used, self._slow = np.empty((0, 2)), 0, 0.0
        # begins a while before the start, so that the first samples have beats around them
        self._sinus = -_HEAD_S - float(60.0 / self.state.rate * self._stream.random())
        self.beats: list[Beat] = [Beat(self._sinus, 60.0 / self.state.rate, "sinus")]
        self._sinus_since_ectopic = 0

    def breathing(self, t: np.ndarray) -> np.ndarray:
        """Course of breathing, -1 to 1."""
        return np.sin(2 * np.pi * self.state.breathing * t + self._phases[0])

    def _draw(self) -> np.ndarray:
        if self._used == len(self._normals):
            self._normals, self._used = self._stream.standard_normal((_DRAWN_AT_ONCE, 2)), 0
        self._used += 1
        return self._normals[self._used - 1]

    def _sinus_interval(self, t: float, z: float) -> float:
        s = self.state
        self._slow = 0.97 * self._slow + 0.243 * z
        variation = (
            s.respiratory * np.sin(2 * np.pi * s.breathing * t + self._phases[0])
            + s.pressure * np.sin(2 * np.pi * 0.1 * t + self._phases[1])
            + s.slow * self._slow
        )
        return 60.0 / s.rate * float(np.exp(variation))

    def until(self, t: float) -> list[Beat]:
        """All beats so far; none is missing up to ``t``."""
        while self.beats[-1].time_s <= t:
            self._next()
        return self.beats

    def _next(self) -> None:
        last = self.beats[-1]
        z = self._draw()
        sinus = self._sinus_interval(self._sinus, z[0])
        event = self._event_at(self._sinus + sinus)
        kind = event.kind if event is not None and event.kind in BEAT_KINDS else "sinus"
        origin, time = "sinus", self._sinus + sinus
        if kind == "AF":
            # irregular without a pattern, and faster
            origin = "AF"
            time = last.time_s + float(np.clip(0.85 * sinus * np.exp(0.24 * z[1]), 0.32, 1.6))
        elif kind in {"PVC", "PAC"} and self._sinus_since_ectopic >= 1 + int(2.999 * event.choices[3]):
            # from every second beat (bigeminy) to every fourth
            origin = kind
            early = (0.62 if kind == "PVC" else 0.66) + 0.03 * float(np.clip(z[1], -2, 2))
            time = last.time_s + early * sinus
        if origin == "PVC":
            # the sinus node keeps its rhythm: its beat is lost, and the pause compensates
            self._sinus += sinus
        else:
            self._sinus = time
        self._sinus_since_ectopic = 0 if origin in {"PVC", "PAC"} else self._sinus_since_ectopic + 1
        rr = float(np.clip(time - last.time_s, _FASTEST, _SLOWEST))
        self.beats.append(Beat(last.time_s + rr, rr, origin))
