"""Leads of one file that were sampled at different rates, brought to the highest of them."""

from collections.abc import Sequence

import numpy as np

from medanomaly.core.errors import InputError
from medanomaly.signals.recordings.resampling import resample_values

# values that leads may grow to, and how many times the stored ones: sound beside an ECG is not worth its memory
_MOST_VALUES, _MOST_GROWTH = 200_000_000, 8


def at_common_rate(
    columns: Sequence[np.ndarray], rates: Sequence[float], leads: Sequence[str]
) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """Leads as columns of one array.

    Args:
        columns: one (n_i,) array per lead, in physical units, NaN = missing.
        rates: sampling rate of each lead in Hz.
        leads: their names.

    Returns:
        ``(signal, fs, notes)``: (n_samples, n_leads) float32 at the highest rate, that rate, and one note per rate that
        was changed. A lead that ends earlier than the longest is missing (NaN) from there on.

    Raises:
        InputError: the highest rate would make too much of the other leads.
    """
    fs = float(max(rates))
    stored = sum(map(len, columns))
    values = len(columns) * max(len(column) * fs / rate for column, rate in zip(columns, rates, strict=True))
    if values > max(_MOST_VALUES, _MOST_GROWTH * stored):
        raise InputError(
            f"{stored:,} values become {values:,.0f} at {fs:g} Hz, the rate of the fastest lead",
            remedy="Choose leads of similar rates.",
        )
    resampled = [
        resample_values(np.asarray(column, dtype=np.float32), rate, fs)
        for column, rate in zip(columns, rates, strict=True)
    ]
    longest = max(map(len, resampled))
    signal = np.full((longest, len(resampled)), np.nan, dtype=np.float32)
    for j, column in enumerate(resampled):
        signal[: len(column), j] = column
    slower = sorted({float(rate) for rate in rates if rate != fs})
    notes = tuple(
        f"{', '.join(lead for lead, own in zip(leads, rates, strict=True) if own == rate)} resampled from "
        f"{rate:g} to {fs:g} Hz, the rate of the fastest lead"
        for rate in slower
    )
    return signal, fs, notes
