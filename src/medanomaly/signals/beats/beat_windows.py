"""Windows of beats: the signal around each R peak, on a common grid of 120 Hz."""

import numpy as np
from numba import njit

GRID_HZ = 120.0
# -250 ms to +242 ms around R: the last point that any term uses decides the delay of a score
BEFORE, POINTS = 30, 60
AFTER_S = (POINTS - 1 - BEFORE) / GRID_HZ


@njit(cache=True, nogil=True)
def beat_window(signal, sample, fs, out):
    """Write the (2, POINTS) window around ``sample`` into ``out``, by cubic interpolation (Catmull & Rom 1974).

    Where the grid meets samples of the signal, they are taken as they are (at 360 Hz every third one). Outside the signal
    its first or last sample is repeated. A single lead fills both rows.
    """
    n, leads = signal.shape
    for i in range(POINTS):
        position = sample + (i - BEFORE) * fs / GRID_HZ
        base = int(np.floor(position + 1e-9))
        t = position - base
        for lead in range(2):
            column = min(lead, leads - 1)
            y1 = signal[min(max(base, 0), n - 1), column]
            if abs(t) < 1e-9:
                out[lead, i] = y1
                continue
            y0 = signal[min(max(base - 1, 0), n - 1), column]
            y2 = signal[min(max(base + 1, 0), n - 1), column]
            y3 = signal[min(max(base + 2, 0), n - 1), column]
            out[lead, i] = y1 + 0.5 * t * (
                y2 - y0 + t * (2.0 * y0 - 5.0 * y1 + 4.0 * y2 - y3 + t * (3.0 * (y1 - y2) + y3 - y0))
            )


@njit(cache=True, nogil=True)
def beat_windows(signal, samples, fs):
    """(n_beats, 2, POINTS) float64 windows."""
    out = np.empty((len(samples), 2, POINTS))
    for j in range(len(samples)):
        beat_window(signal, samples[j], fs, out[j])
    return out
