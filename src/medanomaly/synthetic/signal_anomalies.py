"""Anomalies planted into synthetic signals, at most one per block, with the truth about each.

Strength is a ratio in dB: the peak of the anomaly over the root mean square of the patient's normal signal around its
mean (for vital signs, over the natural deviation of the variable). 6 dB means twice, 18 dB eight times. Beats of another
origin have no strength.

A random stream per block decides whether and what is planted in it. The normal part is therefore the same with and
without anomalies, and a larger share keeps the events of a smaller one.
"""

from dataclasses import dataclass

import numpy as np
from pydantic import Field, field_validator

from medanomaly.core.params import Params
from medanomaly.synthetic.patients import own_streams

KINDS = ("spike", "drift", "dropout", "noise", "PVC", "PAC", "AF", "decompensation")
BEAT_KINDS = frozenset({"PVC", "PAC", "AF"})
CODES = {kind: number for number, kind in enumerate(KINDS, 1)}

# seconds in a waveform; for PVC and PAC, of the stretch in which such beats occur
WAVEFORM_SECONDS = {
    "spike": (0.02, 0.06),
    "drift": (6.0, 16.0),
    "dropout": (0.5, 5.0),
    "noise": (3.0, 10.0),
    "PVC": (3.0, 12.0),
    "PAC": (3.0, 12.0),
    "AF": (15.0, 30.0),
}
_UNIFORMS = 8
# the ends of a block stay free, so that an event never touches the next
_MARGIN = 0.04


class SignalAnomalyParams(Params):
    """What is planted, how often, and how strong."""

    # share of blocks (a minute of a waveform, 12 hours of vital signs) that hold an event
    share: float = Field(0.5, ge=0, le=1)
    kinds: dict[str, float] = Field(default_factory=lambda: dict.fromkeys(KINDS, 1.0))
    snr_db: tuple[float, ...] = (6.0, 12.0, 18.0)

    @field_validator("kinds")
    @classmethod
    def _weights_can_be_drawn_from(cls, kinds: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(kinds) - set(KINDS))
        if unknown:
            raise ValueError(f"unknown kinds {unknown}; known are {list(KINDS)}")
        if any(weight < 0 for weight in kinds.values()) or sum(kinds.values()) == 0:
            raise ValueError("weights must be >= 0, at least one above 0")
        return kinds

    @field_validator("snr_db")
    @classmethod
    def _some_strength(cls, snr_db: tuple[float, ...]) -> tuple[float, ...]:
        if not snr_db or not np.isfinite(snr_db).all():
            raise ValueError("give one or more finite ratios in dB")
        return snr_db


@dataclass(frozen=True)
class PlannedEvent:
    """One event of a block.

    Attributes:
        kind: of :data:`KINDS`.
        start_s: seconds from the start of the signal.
        end_s: its end.
        snr_db: strength; NaN for beats and dropouts.
        choices: (4,) uniform numbers that decide the details of the event (sign, lead, ...).
    """

    kind: str
    start_s: float
    end_s: float
    snr_db: float
    choices: np.ndarray

    @property
    def ratio(self) -> float:
        """Peak over the root mean square of the normal signal."""
        return 10.0 ** (self.snr_db / 20.0)


def planned_event(
    patient_id: str,
    seed: int,
    purpose: str,
    block: int,
    block_s: float,
    seconds: dict[str, tuple[float, float]],
    params: SignalAnomalyParams,
) -> PlannedEvent | None:
    """The event of a block, or None.

    Args:
        patient_id: whose signal it is.
        seed: of the cohort.
        purpose: the signal, for example "ecg".
        block: its number.
        block_s: its length in seconds.
        seconds: kind -> shortest and longest duration; other kinds are not drawn.
        params: what is planted.
    """
    stream = next(own_streams([f"{patient_id}:{block}"], seed, f"{purpose} anomalies"))
    u = stream.random(_UNIFORMS)
    kinds = [kind for kind in KINDS if kind in seconds and params.kinds.get(kind, 0.0) > 0]
    if u[0] >= params.share or not kinds:
        return None
    weights = np.cumsum([params.kinds[kind] for kind in kinds])
    kind = kinds[int(np.searchsorted(weights / weights[-1], u[1], side="right"))]
    shortest, longest = seconds[kind]
    longest = min(longest, (1 - 2 * _MARGIN) * block_s)
    duration = min(shortest, longest) + u[2] * max(0.0, longest - shortest)
    start = (block + _MARGIN + u[3] * (1 - 2 * _MARGIN - duration / block_s)) * block_s
    strength = params.snr_db[int(u[4] * len(params.snr_db))]
    without = BEAT_KINDS | {"dropout"}
    return PlannedEvent(
        kind, start, start + duration, float("nan") if kind in without else strength, stream.random(4)
    )


def spike_shape(n: int) -> np.ndarray:
    """(n,) short pulse with peak 1."""
    return np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 0.5 if n else np.empty(0)


def drift_shape(n: int, ramp: float = 0.1) -> np.ndarray:
    """(n,) rise over a tenth of the time, plateau of 1, fall over a tenth; always above 0.1, so that all of it counts."""
    position = (np.arange(n) + 0.5) / max(n, 1)
    edge = np.minimum(position, 1 - position) / ramp
    return np.clip(0.1 + 0.9 * edge, 0.0, 1.0)


def plant(
    signal: np.ndarray,
    truth: np.ndarray,
    first: int,
    fs: float,
    event: PlannedEvent,
    rms: np.ndarray,
    noise: np.random.Generator,
) -> tuple[int, int, int | None] | None:
    """Plant a spike, a drift, a dropout or a stretch of noise into a block, in place.

    Args:
        signal: (n, n_leads), changed.
        truth: (n,) uint8, changed.
        first: number of the block's first sample.
        fs: Hz.
        event: what to plant; kinds of beats are not planted here.
        rms: (n_leads,) root mean square of the normal signal.
        noise: random stream of the event.

    Returns:
        ``(start, end, lead)`` in samples of the signal; lead is None for all leads. None where nothing was planted.
    """
    a = max(0, round(event.start_s * fs) - first)
    b = min(len(truth), max(a + 1, round(event.end_s * fs) - first))
    n = b - a
    sign = 1.0 if event.choices[0] < 0.5 else -1.0
    lead = int(event.choices[1] * signal.shape[1])
    if event.kind == "spike":
        shape = spike_shape(n)
        signal[a:b, lead] += (sign * event.ratio * rms[lead] * shape / shape.max()).astype(np.float32)
    elif event.kind == "drift":
        signal[a:b, lead] += (sign * event.ratio * rms[lead] * drift_shape(n)).astype(np.float32)
    elif event.kind == "dropout":
        # a cable that is off: in every lead nothing is recorded, or the last value is held
        lead = None
        signal[a:b] = np.nan if event.choices[2] < 0.5 else signal[max(a - 1, 0)]
    elif event.kind == "noise":
        lead = None
        # the peak of Gaussian noise is about three times its deviation
        signal[a:b] += (event.ratio / 3.0 * rms * noise.standard_normal((n, signal.shape[1]))).astype(
            np.float32
        )
    else:
        return None
    truth[a:b] = CODES[event.kind]
    return first + a, first + b, lead
