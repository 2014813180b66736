"""Rhythm and shape of each beat: intervals, amplitudes, width, area, likeness to a template, principal components."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numba import njit

from medanomaly.core.errors import ConfigurationError, InputError

RHYTHM_FEATURES = (
    "rr_pre",
    "rr_post",
    "rr_local",
    "rr_pre_ratio",
    "rr_post_ratio",
    "rr_post_pre",
    "rr_change",
)
N_COMPONENTS = 4
MEASURED = (
    "r_amplitude",
    "qrs_maximum",
    "qrs_minimum",
    "qrs_amplitude",
    "p_amplitude",
    "t_amplitude",
    "qrs_width",
    "qrs_area",
    "qrs_slope_max",
    "beat_rms",
)
SHAPE_FEATURES = (
    *MEASURED,
    "template_correlation",
    "template_distance",
    *(f"pc_{k + 1}" for k in range(N_COMPONENTS)),
    "pc_residual",
)
# s from R
BEFORE, AFTER = 0.25, 0.4
QRS, WIDEST_QRS = 0.1, 0.15
P_WAVE, T_WAVE = (-0.25, -0.08), (0.12, 0.4)
REACH = 0.008  # s to both sides that a slope is taken over: shorter ones are noise
# share of the steepest slope that still belongs to the QRS complex; of 0.1, 0.2 and 0.3 it separates V and N
# beats best on the DS1 records of MIT-BIH
STEEP = 0.2
N_LOCAL = 8  # intervals of the local rhythm
MOST_REFERENCE = 500  # beats of a template; more change it no further
BLOCK = 4096  # beats cut out at a time


@dataclass(frozen=True)
class BeatReference:
    """What beats are compared with.

    Attributes:
        fs: its sampling rate in Hz.
        template: (n_leads, n_points), the median beat minus its mean, from R - 250 ms to R + 400 ms.
        mean: (n_leads, n_points), mean beat.
        components: (n_leads, 4, n_points), orthonormal directions of largest variance about ``mean``; the largest
            entry of each is positive, since the sign of a component is free. Rows of zeros where the beats have
            fewer dimensions.
    """

    fs: float
    template: np.ndarray
    mean: np.ndarray
    components: np.ndarray


def _extent(fs: float) -> tuple[int, int]:
    return round(BEFORE * fs), round(AFTER * fs)


def _checked(signal: np.ndarray, fs: float, r_samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    signal, r_samples = np.asarray(signal), np.asarray(r_samples)
    if signal.ndim not in (1, 2):
        raise InputError(
            f"a signal of shape {signal.shape}", remedy="Give (n_samples,) or (n_samples, n_leads)."
        )
    if not (np.isfinite(fs) and fs >= 50):
        raise ConfigurationError(f"a sampling rate of {fs} Hz", remedy="Give 50 Hz or more.")
    if r_samples.ndim != 1 or (len(r_samples) and not np.issubdtype(r_samples.dtype, np.integer)):
        raise InputError("R peaks are not whole sample numbers", remedy="Give one integer per beat.")
    if np.any(np.diff(r_samples) <= 0) or (
        len(r_samples) and (r_samples[0] < 0 or r_samples[-1] >= len(signal))
    ):
        raise InputError(
            "R peaks are not increasing positions inside the signal",
            remedy=f"Give positions from 0 to {len(signal) - 1}.",
        )
    return signal[:, None] if signal.ndim == 1 else signal, r_samples.astype(np.int64)


@njit(cache=True, nogil=True)
def _cut(lead: np.ndarray, r_samples: np.ndarray, before: int, after: int) -> np.ndarray:
    """(n_beats, n_points) float64, NaN where a beat reaches past the ends of the signal."""
    n = before + after + 1
    beats = np.full((len(r_samples), n), np.nan)
    for b in range(len(r_samples)):
        start = r_samples[b] - before
        for i in range(max(0, -start), min(n, len(lead) - start)):
            if np.isfinite(lead[start + i]):
                beats[b, i] = lead[start + i]
    return beats


def _centred(lead: np.ndarray, r_samples: np.ndarray, before: int, after: int) -> np.ndarray:
    """Beats minus their median, which is their baseline."""
    beats = _cut(lead, r_samples, before, after)
    return beats - np.median(beats, axis=1, keepdims=True)


def beat_reference(
    signal: np.ndarray, fs: float, r_samples: np.ndarray, among: np.ndarray | None = None
) -> BeatReference:
    """Template and principal components of beats, of one patient or of a population.

    The beats of a population make features comparable between patients.

    Args:
        signal: (n_samples,) or (n_samples, n_leads) in physical units.
        fs: sampling rate in Hz.
        r_samples: (n_beats,) increasing int.
        among: (n_beats,) bool, beats to learn from (those of the first five minutes, or the normal ones); None takes all.
            At most 500 of them, evenly spread, are used.

    Returns:
        The reference; NaN in a lead without a complete beat.
    """
    signal, r_samples = _checked(signal, fs, r_samples)
    before, after = _extent(fs)
    if among is not None:
        among = np.asarray(among, dtype=bool)
        if among.shape != r_samples.shape:
            raise InputError(f"{len(r_samples)} beats and {len(among)} marks", remedy="Mark each beat.")
        r_samples = r_samples[among]
    if len(r_samples) > MOST_REFERENCE:
        r_samples = r_samples[np.linspace(0, len(r_samples) - 1, MOST_REFERENCE).round().astype(int)]
    leads = [_lead_reference(_centred(lead, r_samples, before, after)) for lead in signal.T]
    return _joined_reference(fs, leads)


def _joined_reference(fs: float, leads: Sequence[tuple[np.ndarray, ...]]) -> BeatReference:
    template, mean, components = map(np.stack, zip(*leads, strict=True))
    return BeatReference(float(fs), template, mean, components)


def _lead_reference(beats: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Template, mean and components of beats of one lead minus their medians, of which those without a gap count."""
    beats = beats[~np.isnan(beats).any(axis=1)]
    n_points = beats.shape[1]
    if not len(beats):
        nothing = np.full(n_points, np.nan)
        return nothing, nothing, np.full((N_COMPONENTS, n_points), np.nan)
    median, mean = np.median(beats, axis=0), beats.mean(axis=0)
    return median - median.mean(), mean, _directions(beats - mean)


def _directions(centred: np.ndarray) -> np.ndarray:
    """(4, n_points) right singular vectors, signs fixed, zeros where the rank is smaller."""
    _, sizes, vectors = np.linalg.svd(centred, full_matrices=False)
    vectors = vectors[sizes > 1e-9 * max(sizes[0], 1e-300)][:N_COMPONENTS]
    out = np.zeros((N_COMPONENTS, centred.shape[1]))
    largest = np.abs(vectors).argmax(axis=1)
    out[: len(vectors)] = vectors * np.sign(vectors[np.arange(len(vectors)), largest])[:, None]
    return out


@njit(cache=True, nogil=True)
def _strongest(beat: np.ndarray, start: int, stop: int) -> float:
    best = 0.0
    for i in range(start, stop):
        if abs(beat[i]) > abs(best):
            best = beat[i]
    return best


@njit(cache=True, nogil=True)
def _measure(beats: np.ndarray, r: int, fs: float, limits: np.ndarray, out: np.ndarray) -> None:
    """The measured features of beats minus their baseline; NaN rows stay NaN."""
    n = beats.shape[1]
    qrs, wide, reach, p_from, p_to, t_from, t_to = limits
    for b in range(len(beats)):
        beat, row = beats[b], out[b]
        total = 0.0
        for i in range(n):
            total += beat[i] ** 2
        if np.isnan(total):
            row[:] = np.nan
            continue
        row[0] = beat[r]
        row[1], row[2] = beat[r - qrs : r + qrs + 1].max(), beat[r - qrs : r + qrs + 1].min()
        row[3] = row[1] - row[2]
        row[4] = _strongest(beat, r + p_from, r + p_to + 1)
        row[5] = _strongest(beat, r + t_from, r + t_to + 1)
        steepest = 0.0
        for i in range(r - wide, r + wide + 1):
            steepest = max(steepest, abs(beat[i + reach] - beat[i - reach]))
        first, last = -1, -1
        for i in range(r - wide, r + wide + 1):
            if steepest > 0 and abs(beat[i + reach] - beat[i - reach]) >= STEEP * steepest:
                first = i if first < 0 else first
                last = i
        row[6] = (last - first) / fs
        row[7] = 0.0
        for i in range(r - qrs, r + qrs):
            row[7] += (abs(beat[i]) + abs(beat[i + 1])) / (2 * fs)
        row[8], row[9] = steepest * fs / (2 * reach), np.sqrt(total / n)


def _compare(beats: np.ndarray, template: np.ndarray, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Correlation, distance, component scores and residual, one row per beat."""
    centred = beats - beats.mean(axis=1, keepdims=True)
    size, template_size = np.sqrt((centred**2).sum(axis=1)), np.sqrt(template @ template)
    product = size * template_size
    out = np.empty((len(beats), 3 + N_COMPONENTS))
    # a beat without shape is like none
    out[:, 0] = np.divide(centred @ template, product, out=0 * product, where=~(product == 0))
    distance = np.sqrt(((centred - template) ** 2).sum(axis=1))
    out[:, 1] = distance / template_size if template_size > 0 else np.nan
    scores = (beats - mean) @ components.T
    out[:, 2:-1] = scores
    out[:, -1] = np.sqrt(((beats - mean - scores @ components) ** 2).mean(axis=1))
    return out


def rhythm_features(r_samples: np.ndarray, fs: float) -> np.ndarray:
    """(n_beats, 7) float64: :data:`RHYTHM_FEATURES`; NaN where there is no beat before or after."""
    beat_times = np.asarray(r_samples, dtype=np.float64) / fs
    n = len(beat_times)
    out = np.full((n, len(RHYTHM_FEATURES)), np.nan)
    if n < 2:
        return out
    intervals = np.diff(beat_times)
    pre, post = np.r_[np.nan, intervals], np.r_[intervals, np.nan]
    padded = np.r_[np.full(N_LOCAL, np.nan), intervals]
    recent = np.sort(np.lib.stride_tricks.sliding_window_view(padded, N_LOCAL)[: n - 1], axis=1)
    # before the interval that ends at the beat; NaN are sorted to the end, so the median lies in the middle of the others
    known = np.minimum(np.arange(1, n - 1), N_LOCAL)
    row = np.arange(1, n - 1)
    local = np.full(n, np.nan)
    local[2:] = (recent[row, (known - 1) // 2] + recent[row, known // 2]) / 2
    out[:, 0], out[:, 1], out[:, 2] = pre, post, local
    out[:, 3], out[:, 4], out[:, 5] = pre / local, post / local, post / pre
    out[:, 6] = pre - np.r_[np.nan, pre[:-1]]
    return out


def beat_columns(leads: tuple[str, ...] | None) -> list[str]:
    """Feature columns: rhythm, then shape; plain names for an unnamed single lead, else ``<lead>.<feature>``."""
    shape = (
        SHAPE_FEATURES
        if leads is None
        else [f"{lead}.{feature}" for lead in leads for feature in SHAPE_FEATURES]
    )
    return [*RHYTHM_FEATURES, *shape]


def beat_features(
    signal: np.ndarray,
    fs: float,
    r_samples: np.ndarray,
    leads: tuple[str, ...] | None = None,
    reference: BeatReference | None = None,
) -> pd.DataFrame:
    """One row per beat: the intervals around it, and its shape in each lead.

    The baseline of a beat is its median from R - 250 ms to R + 400 ms. ``rr_post`` and the features made of it need the
    next beat. All other features are causal with a ``reference`` of earlier beats; without one the reference is made of
    all beats.

    Args:
        signal: (n_samples,) or (n_samples, n_leads), filtered, in physical units; NaN where nothing was recorded.
        fs: sampling rate in Hz, at least 50.
        r_samples: (n_beats,) increasing int, R peaks.
        leads: their names, for the columns; a matrix without names gets ``lead_0``, ``lead_1``, ...
        reference: what shapes are compared with; it has the same rate and number of leads.

    Returns:
        ``sample``, ``time_s``, ``flag``, then :func:`beat_columns`. ``flag`` is empty, ``edge`` (the beat reaches
        past an end), ``gap`` (samples are missing in it) or ``rhythm`` (fewer than two intervals before it, or none
        after); the features concerned are NaN. No beats give no rows.

    Raises:
        InputError, ConfigurationError: positions lie outside the signal, or the reference does not fit.
    """
    plain = np.asarray(signal).ndim == 1 and leads is None
    signal, r_samples = _checked(signal, fs, r_samples)
    n_leads = signal.shape[1]
    names = leads if leads is not None or plain else tuple(f"lead_{i}" for i in range(n_leads))
    if names is not None and len(names) != n_leads:
        raise InputError(f"{n_leads} lead(s) and {len(names)} names", remedy="Name each lead once.")
    before, after = _extent(fs)
    features, gap = beat_feature_matrix(signal, fs, r_samples, reference)
    edge = (r_samples < before) | (r_samples + after >= len(signal))
    no_rhythm = np.isnan(features[:, : len(RHYTHM_FEATURES)]).any(axis=1)
    table = pd.DataFrame(features, columns=beat_columns(names))
    table.insert(0, "sample", r_samples)
    table.insert(1, "time_s", r_samples / fs)
    table.insert(2, "flag", np.select([edge, gap, no_rhythm], ["edge", "gap", "rhythm"], default=""))
    return table


def beat_feature_matrix(
    signal: np.ndarray, fs: float, r_samples: np.ndarray, reference: BeatReference | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What :func:`beat_features` puts into its table, in a fraction of the time where beats are few.

    Args:
        signal, fs, r_samples, reference: see :func:`beat_features`.

    Returns:
        ``(features, gap)``: (n_beats, 7 + n_leads * 17) float64, see :func:`beat_columns`, and (n_beats,) bool, True where
        samples of a beat are missing.
    """
    signal, r_samples = _checked(signal, fs, r_samples)
    n_leads, (before, after) = signal.shape[1], _extent(fs)
    # few beats are cut out once, for the reference and for their own features
    few = reference is None and len(r_samples) <= min(MOST_REFERENCE, BLOCK)
    cut = [_centred(lead, r_samples, before, after) for lead in signal.T] if few else []
    if reference is None:
        reference = (
            _joined_reference(fs, [_lead_reference(beats) for beats in cut])
            if few
            else beat_reference(signal, fs, r_samples)
        )
    if reference.fs != fs or len(reference.template) != n_leads:
        raise ConfigurationError(
            f"a reference of {len(reference.template)} lead(s) at {reference.fs} Hz for {n_leads} at {fs} Hz",
            remedy="Make it from leads of the same number and rate.",
        )
    ends = np.array([QRS, WIDEST_QRS, REACH, *P_WAVE, *T_WAVE])
    limits = np.clip(np.round(ends * fs), -before, after).astype(np.int64)
    limits[2] = max(limits[2], 1)
    features = np.empty((len(r_samples), len(RHYTHM_FEATURES) + n_leads * len(SHAPE_FEATURES)))
    features[:, : len(RHYTHM_FEATURES)] = rhythm_features(r_samples, fs)
    gap = np.zeros(len(r_samples), dtype=bool)
    for lead in range(n_leads):
        first = len(RHYTHM_FEATURES) + lead * len(SHAPE_FEATURES)
        for start in range(0, len(r_samples), BLOCK):
            rows = slice(start, start + BLOCK)
            beats = cut[lead] if few else _centred(signal[:, lead], r_samples[rows], before, after)
            gap[rows] |= np.isnan(beats).any(axis=1)
            measured = np.empty((len(beats), len(MEASURED)))
            _measure(beats, before, float(fs), limits, measured)
            features[rows, first : first + len(MEASURED)] = measured
            features[rows, first + len(MEASURED) : first + len(SHAPE_FEATURES)] = _compare(
                beats, reference.template[lead], reference.mean[lead], reference.components[lead]
            )
    return features, gap
