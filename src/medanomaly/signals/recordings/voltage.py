"""Units of voltage, and amplitudes that an ECG cannot have in the unit it states."""

from dataclasses import replace

import numpy as np

from medanomaly.signals.recordings.leads import lead_kind
from medanomaly.signals.recordings.recording import Recording

MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
# beat to beat swing of a surface ECG in mV: QRS complexes have 0.1 to 5, with wander and artefacts more
LARGEST_ECG_SWING, SMALLEST_ECG_SWING = 30.0, 0.02
_LONGEST_SAMPLE = 200_000


def in_millivolts(recording: Recording) -> Recording:
    """Leads in V, µV or nV as mV, said in ``notes``; other units stay."""
    factors = [MILLIVOLTS.get(unit.strip().lower(), 1.0) for unit in recording.units]
    if all(factor == 1.0 for factor in factors):
        return recording
    changed = [j for j, factor in enumerate(factors) if factor != 1.0]
    return replace(
        recording,
        signal=recording.signal * np.array(factors, dtype=np.float32),
        units=tuple("mV" if j in changed else unit for j, unit in enumerate(recording.units)),
        notes=(
            *recording.notes,
            *(f"lead {recording.leads[j]} converted from {recording.units[j]} to mV" for j in changed),
        ),
    )


def ecg_swing(x: np.ndarray, fs: float) -> float:
    """Median over windows of 2 s of the range between the 1st and the 99th percentile, in the unit of ``x``.

    Args:
        x: (n,) one lead, NaN = missing.
        fs: Hz.

    Returns:
        NaN where there is no complete window with values.
    """
    width = max(2, round(2 * fs))
    n = len(x) // width
    if n == 0:
        windows = x[None] if len(x) > 1 else np.empty((0, 1), dtype=x.dtype)
    else:
        windows = x[: n * width].reshape(n, width)
        # a long recording is judged by windows spread over it
        windows = windows[:: max(1, windows.size // _LONGEST_SAMPLE)]
    windows = windows[np.isfinite(windows).all(axis=1)]
    if not len(windows):
        return float("nan")
    low, high = np.percentile(windows, [1, 99], axis=1)
    return float(np.median(high - low))


def voltage_doubts(recording: Recording) -> dict[str, str]:
    """Leads of an ECG whose amplitude does not fit their unit: name -> what is wrong and what it probably is.

    A swing between 30 and 30,000 mV is that of a file in µV that says mV; below 0.02 mV it is one in V that says mV, or
    there is no ECG. A flat lead is no case of wrong units.
    """
    doubts = {}
    for j, lead in enumerate(recording.leads):
        unit = recording.units[j].strip().lower()
        if unit not in MILLIVOLTS or lead_kind(lead, unit) != "ecg":
            continue
        swing = ecg_swing(recording.signal[:, j], recording.fs) * MILLIVOLTS[unit]
        if swing > LARGEST_ECG_SWING:
            doubts[lead] = (
                f"a swing of {swing:.3g} mV: the values are probably µV or unscaled, not {recording.units[j]}"
            )
        elif 0 < swing < SMALLEST_ECG_SWING:
            doubts[lead] = f"a swing of {swing:.3g} mV: no ECG, or the values are not {recording.units[j]}"
    return doubts
