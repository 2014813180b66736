"""Signals that are generated in blocks of fixed length and read in chunks; the samples do not depend on the chunks."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError


@dataclass(frozen=True)
class Samples:
    """A stretch of a synthetic signal.

    Attributes:
        signal: (n, n_leads) float32, NaN where nothing was recorded.
        truth: (n,) uint8, 0 where normal, else 1 + the position of the kind of anomaly in ``signal_anomalies.KINDS``.
    """

    signal: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True)
class SyntheticSignal:
    """A whole synthetic recording with its truth.

    Attributes:
        patient_id: patient of the cohort.
        signal: (n, n_leads) float32.
        fs: Hz.
        leads: names of the columns.
        units: of the columns.
        truth: (n,) uint8 as in :class:`Samples`.
        events: ``kind``, ``start``, ``end`` (samples, end excluded), ``lead`` ("" = all), ``snr_db`` (NaN for beats).
        beats: ``sample``, ``symbol`` (N, V, A); empty for vital signs.
    """

    patient_id: str
    signal: np.ndarray
    fs: float
    leads: tuple[str, ...]
    units: tuple[str, ...]
    truth: np.ndarray
    events: pd.DataFrame
    beats: pd.DataFrame


class BlockStream(ABC):
    """A signal that is generated block by block and read in chunks.

    Args:
        fs: Hz.
        block_s: length of a block in seconds; a constant of the kind of signal, never of the reader.
    """

    def __init__(self, fs: float, block_s: float):
        if not (np.isfinite(fs) and fs > 0):
            raise ConfigurationError(f"a sampling rate of {fs} Hz", remedy="Give a number above 0.")
        self.fs = float(fs)
        self.block_samples = max(1, round(block_s * fs))
        self._next_block = 0
        self._left: Samples | None = None

    @abstractmethod
    def _block(self, index: int) -> Samples:
        """Block number ``index``; called once per block, in order."""

    def read(self, n: int) -> Samples:
        """The next ``n`` samples; there is no end.

        Args:
            n: 0 or more.
        """
        if n < 0:
            raise ConfigurationError(f"{n} samples", remedy="Give 0 or more.")
        parts, have = ([self._left], len(self._left.truth)) if self._left is not None else ([], 0)
        while have < n or not parts:
            parts.append(self._block(self._next_block))
            self._next_block += 1
            have += len(parts[-1].truth)
        signal = np.concatenate([p.signal for p in parts]) if len(parts) > 1 else parts[0].signal
        truth = np.concatenate([p.truth for p in parts]) if len(parts) > 1 else parts[0].truth
        self._left = Samples(signal[n:], truth[n:])
        return Samples(signal[:n], truth[:n])
