"""Units of voltage, and amplitudes that do not fit the unit of an ECG."""

from dataclasses import replace

import numpy as np

from medanomaly.signals.recordings.leads import lead_kind
from medanomaly.signals.recordings.recording import Recording

MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
# swing of a surface ECG in mV: QRS complexes have 0.1 to 5; with wander and artefacts it is more
LARGEST_ECG_SWING, SMALLEST_ECG_SWING = 30.0, 0.02
_LONGEST_SAMPLE = 200_000


def in_millivolts(recording: Recording) -> Recording:
    """Convert leads in V, µV or nV to mV and say so in ``notes``; other units stay."""
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
        The swing, NaN where no window is complete.
    """
    width = max(2, round(2 * fs))
    n = len(x) // width
    if n == 0:
        windows = x[None] if len(x) > 1 else np.empty((0, 1), dtype=x.dtype)
    else:
        windows = x[: n * width].reshape(n, width)
        # in a long recording, windows spread over it are enough
        windows = windows[:: max(1, windows.size // _LONGEST_SAMPLE)]
    windows = windows[np.isfinite(windows).all(axis=1)]
    if not len(windows):
        return float("nan")
    low, high = np.percentile(windows, [1, 99], axis=1)
    return float(np.median(high - low))


def voltage_doubts(recording: Recording) -> dict[str, str]:
    """ECG leads whose amplitude does not fit their unit: name -> what is wrong and what it probably is.

    A swing above 30 mV means a file in µV that says mV. Below 0.02 mV it means a file in V that says mV, or there is no
    ECG. A flat lead is not a case of wrong units.
    """
    doubts = {}
    for j, lead in enumerate(recording.leads):
        unit = recording.units[j].strip().lower()
        if unit not in MILLIVOLTS or lead_kind(lead, unit) != "ecg":
            continue
        swing = ecg_swing(recording.signal[:, j], recording.fs) * MILLIVOLTS[unit]
        if swing > LARGEST_ECG_SWING:
            doubts[lead] = (
                f"a swing of {swing:.3g} mV: the values are probably in µV or unscaled, not in {recording.units[j]}"
            )
        elif 0 < swing < SMALLEST_ECG_SWING:
            doubts[lead] = (
                f"a swing of {swing:.3g} mV: this is not an ECG, or the values are not in {recording.units[j]}"
            )
    return doubts
