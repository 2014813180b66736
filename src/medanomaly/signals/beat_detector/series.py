"""Input of the beat detector: a recording, the positions of its beats, and what is known about them."""

from dataclasses import dataclass

import numpy as np

from medanomaly.core.errors import InputError
from medanomaly.signals.beats.params import LOWEST_RATE, MIN_BEATS


@dataclass(frozen=True)
class BeatSeries:
    """One recording and its R peaks.

    Attributes:
        record: its name.
        patient_id: whose it is.
        signal: (n_samples, n_leads) float, mV, unfiltered; the first two leads are used, a single one is used twice.
            NaN where nothing was recorded.
        fs: sampling rate in Hz, 100 or more.
        samples: (n_beats,) int64, R peaks in samples, strictly increasing.
        aami: (n_beats,) str, AAMI class (``N``, ``S``, ``V``, ``F``, ``Q``), ``""`` where unknown; or None.
        good: (n_beats,) bool, False where the signal around the beat cannot be trusted; None means that all are good.

    Raises:
        InputError: the parts do not fit each other, or there are too few beats to learn about the patient.
    """

    record: str
    patient_id: str
    signal: np.ndarray
    fs: float
    samples: np.ndarray
    aami: np.ndarray | None = None
    good: np.ndarray | None = None

    def __post_init__(self):
        def refuse(problem: str, remedy: str):
            raise InputError(problem, record=self.record, remedy=remedy)

        if self.signal.ndim != 2 or self.signal.shape[1] < 1:
            refuse(
                f"the signal has shape {self.signal.shape}",
                "Give one row per sample and one column per lead.",
            )
        if not (np.isfinite(self.fs) and self.fs >= LOWEST_RATE):
            refuse(
                f"the sampling rate is {self.fs} Hz",
                "Beats are scored at 100 Hz or more; resample the recording.",
            )
        samples = np.asarray(self.samples)
        if samples.ndim != 1 or len(samples) < MIN_BEATS:
            refuse(
                f"{samples.size} beat(s) in {len(self.signal) / self.fs:.0f} s",
                f"Give {MIN_BEATS} beats or more; check leads, units and R peaks.",
            )
        if np.any(np.diff(samples) <= 0):
            refuse("the R peaks are not strictly increasing", "Sort them and keep each once.")
        if samples[0] < 0 or samples[-1] >= len(self.signal):
            refuse(
                f"R peaks from {samples[0]} to {samples[-1]} in {len(self.signal)} samples",
                "Give R peaks in samples of this signal.",
            )
        for name in ("aami", "good"):
            values = getattr(self, name)
            if values is not None and len(values) != len(samples):
                refuse(
                    f"{len(values)} values of {name} for {len(samples)} beats", "Give one per beat, or None."
                )

    @property
    def n_beats(self) -> int:
        """Number of R peaks."""
        return len(self.samples)

    @property
    def usable(self) -> np.ndarray:
        """(n_beats,) bool, ``good``, or True for all beats where it is None."""
        return np.ones(self.n_beats, dtype=bool) if self.good is None else np.asarray(self.good, dtype=bool)
