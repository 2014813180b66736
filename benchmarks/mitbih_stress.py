"""Harder recordings made from real ones: rhythms in which ectopic beats prevail, irregular rhythm, noise of known strength.

Real beats are cut in late diastole and joined again, so every QRS complex is real. What changes is the order of the
beats, the pauses between them, or the noise. Labels stay with their beats.
"""

import numpy as np

# where a beat begins: this share of its RR interval before its R peak
LEAD_IN = 0.4
FADE_S = 0.03
LEARN_S = 300.0
DURATION_S = 1800.0
MIN_ECTOPIC = 25


def without_baseline(signal: np.ndarray, fs: float) -> np.ndarray:
    """The signal minus a moving average of 0.6 s that is run twice, so that cut ends fit together."""
    from scipy.ndimage import uniform_filter1d

    width = 2 * round(0.3 * fs) + 1
    return signal - uniform_filter1d(uniform_filter1d(signal, width, axis=0), width, axis=0)


def join(signal: np.ndarray, fs: float, units: list[tuple[int, int, int, int]], aami: np.ndarray):
    """Join stretches of a signal; each is faded into the next over 30 ms.

    Args:
        signal: (n, leads).
        fs: Hz.
        units: beat number, first sample, R peak, behind-last sample of each.
        aami: class of each beat number.

    Returns:
        ``(signal, R peaks, classes)``.
    """
    fade = round(FADE_S * fs)
    ramp = np.linspace(0, 1, fade + 2)[1:-1, None]
    out = np.zeros((sum(b - a for _, a, _, b in units) + fade, signal.shape[1]))
    at, peaks, classes = 0, [], []
    for beat, a, r, b in units:
        piece = signal[a : min(b + fade, len(signal))].copy()
        if at:
            piece[:fade] = ramp * piece[:fade] + (1 - ramp) * out[at : at + fade]
        out[at : at + len(piece)] = piece
        peaks.append(at + r - a)
        classes.append(aami[beat])
        at += b - a
    return out[:at], np.array(peaks), np.array(classes)


def _edges(samples: np.ndarray, beat: int, tail: float | None = None) -> tuple[int, int, int, int]:
    """A beat from its late diastole to that of the next beat, or to ``tail`` samples after its R peak."""
    pre, post = samples[beat] - samples[beat - 1], samples[beat + 1] - samples[beat]
    first = samples[beat] - round(LEAD_IN * min(pre, 600))
    last = samples[beat] + round((1 - LEAD_IN) * min(post, 600) if tail is None else tail)
    return beat, int(first), int(samples[beat]), int(last)


def ectopic_rhythm(signal, fs, samples, aami, seed: int, share: float = 0.75):
    """A recording in which supraventricular beats prevail: runs of them, interrupted by short stretches of normal beats.

    The S beats follow each other at their own RR interval; normal ones keep what followed them. Runs have a mean
    length of 9 beats, as many normal ones between them as ``share`` asks for. It starts like that: the first minutes are no
    different. None where there are fewer than 25 S beats.
    """
    random = np.random.default_rng(seed)
    inside = np.arange(2, len(samples) - 2)
    ectopic, normal = inside[aami[inside] == "S"], inside[aami[inside] == "N"]
    if len(ectopic) < MIN_ECTOPIC:
        return None
    units, length = [], 0
    s, n = 0, int(random.integers(len(normal)))
    while length < DURATION_S * fs:
        for _ in range(random.geometric(1 / 9)):
            beat = ectopic[s % len(ectopic)]
            s += 1
            own = min(samples[beat] - samples[beat - 1], 600)
            units.append(_edges(samples, beat, (1 - LEAD_IN) * own))
        # a pause where the normal rhythm takes over again
        if units[-1][0] + 1 < len(samples):
            units[-1] = _edges(samples, units[-1][0])
        for _ in range(random.geometric(share / (9 * (1 - share)))):
            units.append(_edges(samples, normal[n % len(normal)]))
            n += 1
        length = sum(b - a for _, a, _, b in units)
    return join(without_baseline(signal, fs), fs, units, aami)


def irregular_rhythm(signal, fs, samples, aami, seed: int, start_s: float = 720.0, stop_s: float = 1320.0):
    """Ten minutes as irregular as atrial fibrillation: independent log-normal RR (sd 0.22); other beats stay.

    Only normal beats are in that stretch (their diastole is shortened or repeated); the rest is the recording itself.
    """
    random = np.random.default_rng(seed)
    flat = without_baseline(signal, fs)
    units = []
    for beat in range(1, len(samples) - 1):
        _, a, r, b = _edges(samples, beat)
        if not start_s <= samples[beat] / fs < stop_s:
            units.append((beat, a, r, b))
        elif aami[beat] == "N":
            usual = np.median(np.diff(samples[max(0, beat - 20) : beat + 20]))
            wanted = round(max(0.38 * fs, usual * np.exp(0.22 * random.standard_normal())))
            tail = max(wanted - round(LEAD_IN * usual), round(0.2 * fs))
            units.append((beat, a, r, min(b, r + tail)))
            if r + tail > b:
                # a longer pause repeats the last diastole
                extra = min(r + tail - b, round(0.3 * (b - r)) + 1)
                missing = r + tail - b
                while missing > 0:
                    part = min(extra, missing)
                    units.append((-1, b - part, b, b))
                    missing -= part
    labels = np.append(aami, "")
    out, peaks, classes = join(flat, fs, units, labels)
    real = classes != ""
    return out, peaks[real], classes[real]


def noisy(signal, fs, samples, aami, seed: int, snr_db: float):
    """Noise in every second two minutes after the first five: half muscle (white), half baseline and motion (1/f^2).

    The strength is that of the noise stress test of MIT-BIH (Moody, Muldrow & Mark 1984): the power of a sine as high as
    the median QRS complex over that of the noise.
    """
    random = np.random.default_rng(seed)
    x = signal.astype(float).copy()
    n = len(x)
    frequency = np.fft.rfftfreq(n, 1 / fs)
    half = round(0.06 * fs)
    heights = [np.ptp(x[max(0, p - half) : p + half], axis=0) for p in samples[::5]]
    power = np.median(heights, axis=0) ** 2 / 8
    on = np.zeros(n, dtype=bool)
    for first in np.arange(LEARN_S, n / fs, 240.0):
        on[round(first * fs) : round((first + 120) * fs)] = True
    for lead in range(x.shape[1]):
        white = random.standard_normal(n)
        spectrum = np.fft.rfft(random.standard_normal(n)) / np.maximum(frequency, 0.5)
        spectrum[frequency < 0.3] = 0
        slow = np.fft.irfft(spectrum, n)
        noise = white / white.std() + slow / slow.std()
        noise *= np.sqrt(power[lead] / 10 ** (snr_db / 10) / noise.var())
        x[on, lead] += noise[on]
    return x, samples, aami
