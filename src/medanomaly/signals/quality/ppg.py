"""Measures of the quality of a pulse wave (PPG) per window.

Skewness: Elgendi 2016, "Optimal signal quality index for photoplethysmogram signals", Bioengineering 3(4): of eight
indices it separated excellent from unfit pulses best. Template correlation with its limit of 0.86, a possible rate and no
pause beyond 3 s: Orphanidou et al. 2015, "Signal-quality indices for the electrocardiogram and photoplethysmogram", IEEE
JBHI 19(3). Here the template is the mean pulse of five neighbouring windows, so that it is not made of disturbed pulses
only.
"""

import numpy as np
from scipy.signal import butter, sosfiltfilt

from medanomaly.signals.peaks.pulse_peaks import BAND, detect_pulse_peaks
from medanomaly.signals.quality.faults import in_windows

LEAST_SKEWNESS = 0.0
LONGEST_PAUSE = 3.0  # s
_PULSE_S = (0.25, 0.40)  # before and after the peak
_NEIGHBOURS = 2


def ppg_measures(x: np.ndarray, fs: float, width: int) -> dict[str, np.ndarray]:
    """Measures of one lead.

    Args:
        x: (n,) float64, gaps bridged, any unit; one second or more.
        fs: 25 Hz or more.
        width: samples per window.

    Returns:
        Name -> (n_windows,): ``skewness``; ``template_correlation`` (mean over the pulses of the window, NaN without one);
        ``rate`` (pulses per minute, 0 with fewer than two); ``pause`` (s, longest stretch of the window without a pulse).
    """
    raw = in_windows(x, width)
    n = len(raw)
    band = sosfiltfilt(
        butter(2, BAND, "bandpass", fs=fs, output="sos"), x, padlen=min(len(x) - 1, round(2 * fs))
    )
    windows = in_windows(band, width)
    centred = windows - windows.mean(axis=1, keepdims=True)
    variance = np.maximum(np.mean(centred**2, axis=1), 1e-18)
    peaks = detect_pulse_peaks(x, fs)
    starts = np.minimum(np.arange(n) * raw.shape[1], len(x) - raw.shape[1])
    first, last = np.searchsorted(peaks, starts), np.searchsorted(peaks, starts + raw.shape[1])
    rate, pause = _rate_and_pause(peaks, first, last, starts, raw.shape[1], fs)
    return {
        "skewness": np.mean(centred**3, axis=1) / variance**1.5,
        "template_correlation": _template_correlation(band, peaks, first, last, fs),
        "rate": rate,
        "pause": pause,
    }


def _rate_and_pause(peaks, first, last, starts, width, fs):
    rate, pause = np.zeros(len(starts)), np.empty(len(starts))
    for i, start in enumerate(starts):
        inside = peaks[first[i] : last[i]]
        # the edges of a window also bound a pause
        pause[i] = np.diff(inside, prepend=start, append=start + width).max() / fs
        if len(inside) == 1:
            # of a slow pulse the window holds one peak: the one before or after tells its rate
            near = np.diff(peaks[max(first[i] - 1, 0) : last[i] + 1])
            inside = np.array([0, near.min()]) if len(near) and near.min() <= LONGEST_PAUSE * fs else inside
        if len(inside) > 1:
            rate[i] = 60.0 * fs * (len(inside) - 1) / max(inside[-1] - inside[0], 1)
    return rate, pause


def _template_correlation(band, peaks, first, last, fs):
    before, after = (round(s * fs) for s in _PULSE_S)
    # the window of a pulse that an end of the recording cuts off is moved inside
    starts = np.clip(peaks - before, 0, max(len(band) - before - after - 1, 0))
    if not len(peaks) or len(band) < before + after + 1:
        return np.full(len(first), np.nan)
    pulses = band[starts[:, None] + np.arange(before + after + 1)]
    pulses -= pulses.mean(axis=1, keepdims=True)
    pulses /= np.maximum(np.linalg.norm(pulses, axis=1, keepdims=True), 1e-12)
    total = np.concatenate([np.zeros((1, pulses.shape[1])), np.cumsum(pulses, axis=0)])
    window = np.arange(len(first))
    early, late = np.maximum(window - _NEIGHBOURS, 0), np.minimum(window + _NEIGHBOURS, len(first) - 1)
    template = total[last[late]] - total[first[early]]
    template /= np.maximum(np.linalg.norm(template, axis=1, keepdims=True), 1e-12)
    # for unit pulses, the mean correlation with the template is the product of the template with their mean
    count = last - first
    mean = (total[last] - total[first]) / np.maximum(count, 1)[:, None]
    return np.where(count > 0, np.einsum("ij,ij->i", mean, template), np.nan)


def ppg_index(measures: dict[str, np.ndarray]) -> np.ndarray:
    """Quality index of each window, 0 to 1: the template correlation, 0 without pulses or with an impossible rhythm."""
    likeness = np.nan_to_num(np.clip(measures["template_correlation"], 0.0, 1.0))
    possible = (measures["pause"] <= LONGEST_PAUSE) & (measures["rate"] >= 30) & (measures["rate"] <= 200)
    return np.where(possible, likeness, 0.0)
