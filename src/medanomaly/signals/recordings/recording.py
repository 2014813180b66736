"""A recording: what every reader returns and every later step takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from medanomaly.core.errors import InputError

# more than any recorder has; a file that says more is damaged
MOST_LEADS, LONGEST_NAME = 1000, 200


@dataclass(frozen=True)
class Annotations:
    """Marks on a recording, in time order.

    Attributes:
        sample: (n_marks,) int64, positions in samples of the recording.
        symbol: (n_marks,) str, codes of the source (``N``, ``V``, ``+``, ...).
        text: (n_marks,) str, texts that the source adds (``(AFIB``), mostly empty.
    """

    sample: np.ndarray
    symbol: np.ndarray
    text: np.ndarray

    def __post_init__(self):
        lengths = {len(self.sample), len(self.symbol), len(self.text)}
        if len(lengths) != 1:
            raise InputError(
                f"annotations with {len(self.sample)} positions, {len(self.symbol)} symbols and {len(self.text)} texts",
                remedy="Give one of each per mark.",
            )
        if len(self.sample) > 1 and np.any(np.diff(self.sample) < 0):
            raise InputError("annotations are not in time order", remedy="Sort them by sample.")


@dataclass(frozen=True)
class Recording:
    """One or more leads sampled together.

    Attributes:
        record: its name, unique in its data set.
        patient_id: whose it is; the unit of every split.
        signal: (n_samples, n_leads) float32 in physical units; NaN where nothing was recorded.
        fs: sampling rate in Hz.
        leads: name of each column (``MLII``, ``V1``, ``PLETH``).
        units: unit of each column (``mV``).
        annotations: marks of the source, or None where there are none.
        attributes: what else is known about the patient or the recording (``age``, ``sex``, ``site``), as text.
        notes: changes by a reader that a user should know (a lead that was missing, a rate that was changed).
        own_rates: lead -> rate in Hz at which its file stores it, where it stores leads at rates of their own.

    Raises:
        InputError: the parts do not fit each other.
    """

    record: str
    patient_id: str
    signal: np.ndarray
    fs: float
    leads: tuple[str, ...]
    units: tuple[str, ...]
    annotations: Annotations | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    own_rates: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self):
        if self.signal.ndim != 2:
            raise InputError(
                f"the signal has {self.signal.ndim} dimension(s)",
                record=self.record,
                remedy="Give one row per sample and one column per lead.",
            )
        if not len(self.leads) == len(self.units) == self.signal.shape[1]:
            raise InputError(
                f"{self.signal.shape[1]} columns, {len(self.leads)} lead names and {len(self.units)} units",
                record=self.record,
                remedy="Give one name and one unit per column.",
            )
        if len(self.leads) > MOST_LEADS or any(len(lead) > LONGEST_NAME for lead in self.leads):
            raise InputError(
                f"{len(self.leads):,} leads, with names of up to {max(map(len, self.leads)):,} characters",
                record=self.record,
                remedy=f"Give at most {MOST_LEADS:,} leads with names of at most {LONGEST_NAME} characters.",
            )
        if not (np.isfinite(self.fs) and self.fs > 0):
            raise InputError(
                f"the sampling rate is {self.fs}", record=self.record, remedy="Give a number of Hz above 0."
            )

    @property
    def n_samples(self) -> int:
        """Length in samples."""
        return self.signal.shape[0]

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.fs

    @property
    def missing(self) -> np.ndarray:
        """(n_samples, n_leads) bool, True where nothing was recorded."""
        return np.isnan(self.signal)
