"""Features of windows: of a matrix of windows, of a whole signal, or of a signal that arrives in blocks."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from numba import njit

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.features import entropies, spectral, statistics

ENTROPIES = ("sample_entropy", "approximate_entropy", "permutation_entropy")
WINDOW_FEATURES = (
    *statistics.MOVEMENT,
    *statistics.ORDER,
    *ENTROPIES,
    *spectral.PERIODOGRAM,
    *spectral.WELCH,
)
SHORTEST = 8  # samples per window
TOLERANCE = 0.2  # in standard deviations, of sample and approximate entropy
# windows per pass: their copies, spectra and segments stay within a few MB
BLOCK = 256


@njit(cache=True, nogil=True)
def _sorted(windows: np.ndarray, order: np.ndarray, out: np.ndarray) -> None:
    for w in range(len(windows)):
        for i in range(windows.shape[1]):
            out[w, i] = windows[w, order[w, i]]


def _finite_features(windows: np.ndarray, fs: float) -> np.ndarray:
    """Features of windows without missing values."""
    moved, centred = statistics.movement(windows, fs)
    order = windows.argsort(axis=1)
    in_order = np.empty(windows.shape)
    _sorted(windows, order, in_order)
    sample, approximate = entropies.regularity(centred, order, TOLERANCE * moved[:, 1])
    return np.column_stack(
        (
            moved,
            statistics.order_statistics(in_order),
            sample,
            approximate,
            entropies.permutation_entropy(windows),
            spectral.periodogram_features(centred, fs),
            spectral.welch_features(centred, fs),
        )
    )


def feature_matrix(windows: np.ndarray, fs: float) -> np.ndarray:
    """Every feature of every window, in the order of :data:`WINDOW_FEATURES`.

    :mod:`medanomaly.signals.features.catalogue` says what they are. The values of a window do not depend on other
    windows.

    Args:
        windows: (n_windows, n_samples), 8 to 16384 samples of one lead each, in physical units.
        fs: sampling rate in Hz.

    Returns:
        (n_windows, 46) float64. A window with a missing or infinite sample is NaN in every column; every other window has
        finite values. The catalogue says which values a constant window has.

    Raises:
        InputError: the windows have a wrong shape or length.
        ConfigurationError: the sampling rate is not above 0.
    """
    windows = np.asarray(windows)
    if windows.ndim != 2 or windows.shape[1] < SHORTEST or windows.shape[1] > entropies.LONGEST:
        raise InputError(
            f"windows of shape {windows.shape}",
            remedy=f"Give one row per window, with {SHORTEST} to {entropies.LONGEST} samples.",
        )
    _check_rate(fs)
    out = np.full((len(windows), len(WINDOW_FEATURES)), np.nan)
    for start in range(0, len(windows), BLOCK):
        block = np.ascontiguousarray(windows[start : start + BLOCK], dtype=np.float64)
        whole = np.isfinite(block).all(axis=1)
        if whole.all():
            out[start : start + BLOCK] = _finite_features(block, fs)
        elif whole.any():
            out[start : start + BLOCK][whole] = _finite_features(block[whole], fs)
    return out


def _check_rate(fs: float) -> None:
    if not (np.isfinite(fs) and fs > 0):
        raise ConfigurationError(f"a sampling rate of {fs}", remedy="Give a number of Hz above 0.")


def _in_samples(fs: float, window_s: float, hop_s: float) -> tuple[int, int]:
    _check_rate(fs)
    window, hop = round(window_s * fs), round(hop_s * fs)
    if not SHORTEST <= window <= entropies.LONGEST or hop < 1:
        raise ConfigurationError(
            f"windows of {window_s} s every {hop_s} s are {window} samples every {hop} at {fs} Hz",
            remedy=f"Choose windows of {SHORTEST} to {entropies.LONGEST} samples and a hop of at least one.",
        )
    return window, hop


def column_names(leads: tuple[str, ...] | None) -> list[str]:
    """Feature columns of a windowed signal: plain names for an unnamed single lead, else ``<lead>.<feature>``."""
    if leads is None:
        return list(WINDOW_FEATURES)
    return [f"{lead}.{feature}" for lead in leads for feature in WINDOW_FEATURES]


def _of_block(
    block: np.ndarray, first: int, fs: float, window: int, hop: int, leads: tuple | None
) -> pd.DataFrame:
    """Table of the windows that start every ``hop`` samples of ``block``; sample 0 of the block is sample ``first``."""
    n_windows = max(0, (len(block) - window) // hop + 1)
    starts = first + hop * np.arange(n_windows, dtype=np.int64)
    features = np.empty((n_windows, block.shape[1], len(WINDOW_FEATURES)))
    missing = np.zeros(n_windows)
    for lead in range(block.shape[1]):
        samples = np.ascontiguousarray(block[:, lead])
        if n_windows:
            views = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
            features[:, lead] = feature_matrix(views, fs)
            gaps = np.concatenate(([0], np.cumsum(~np.isfinite(samples))))
            missing += gaps[starts - first + window] - gaps[starts - first]
    table = pd.DataFrame(
        features.reshape(n_windows, block.shape[1] * len(WINDOW_FEATURES)), columns=column_names(leads)
    )
    table.insert(0, "start_sample", starts)
    table.insert(1, "start_s", starts / fs)
    table.insert(2, "missing_share", missing / (window * block.shape[1]))
    return table


def stream_windowed_features(
    blocks: Iterable[np.ndarray],
    fs: float,
    window_s: float = 2.0,
    hop_s: float = 2.0,
    leads: tuple[str, ...] | None = None,
) -> Iterator[pd.DataFrame]:
    """The rows of :func:`windowed_features` while samples arrive; memory does not grow with the length of the signal.

    Args:
        blocks: consecutive pieces of one signal, (any length,) or (any length, n_leads).
        fs, window_s, hop_s, leads: as in :func:`windowed_features`.

    Yields:
        One table per block that completes at least one window.
    """
    window, hop = _in_samples(fs, window_s, hop_s)
    waiting, first, skip = None, 0, 0
    for arrived in blocks:
        block = _two_dimensional(arrived, leads)
        if waiting is not None and block.shape[1] != waiting.shape[1]:
            raise InputError(
                f"a block of {block.shape[1]} lead(s) after one of {waiting.shape[1]}",
                remedy="Give blocks of one signal.",
            )
        waiting = block if waiting is None else np.concatenate((waiting, block))
        # with a hop longer than the window, samples between windows are not kept
        dropped = min(skip, len(waiting))
        waiting, first, skip = waiting[dropped:], first + dropped, skip - dropped
        if skip or len(waiting) < window:
            continue
        table = _of_block(waiting, first, fs, window, hop, leads)
        yield table
        passed = len(table) * hop
        skip = max(0, passed - len(waiting))
        first += passed - skip
        waiting = waiting[passed - skip :].copy()


def _two_dimensional(signal: np.ndarray, leads: tuple[str, ...] | None) -> np.ndarray:
    signal = np.asarray(signal)
    if signal.ndim not in (1, 2) or (signal.ndim == 2 and leads is None):
        raise InputError(
            f"a signal of shape {signal.shape}" + (" without lead names" if signal.ndim == 2 else ""),
            remedy="Give (n_samples,), or (n_samples, n_leads) with the names of the leads.",
        )
    signal = signal[:, None] if signal.ndim == 1 else signal
    if leads is not None and signal.shape[1] != len(leads):
        raise InputError(f"{signal.shape[1]} lead(s) and {len(leads)} names", remedy="Name each lead once.")
    return signal


def windowed_features(
    signal: np.ndarray,
    fs: float,
    window_s: float = 2.0,
    hop_s: float = 2.0,
    leads: tuple[str, ...] | None = None,
) -> pd.DataFrame:
    """One row per window of a signal, one column per feature and lead.

    Args:
        signal: (n_samples,) or (n_samples, n_leads), physical units, NaN where nothing was recorded.
        fs: sampling rate in Hz.
        window_s: length of a window in s.
        hop_s: time from one start to the next in s.
        leads: their names, for the columns; a matrix without names gets ``lead_0``, ``lead_1``, ...

    Returns:
        ``start_sample``, ``start_s``, ``missing_share`` (of the samples of all leads), then the columns of
        :func:`column_names`. A lead with a gap in a window has NaN features there. A signal shorter than a window gives
        no rows. A rest at the end that is shorter than a window is left out.

    Raises:
        InputError, ConfigurationError: shape, names, rate or lengths do not fit.
    """
    signal = np.asarray(signal)
    if signal.ndim == 2 and leads is None:
        leads = tuple(f"lead_{i}" for i in range(signal.shape[1]))
    window, hop = _in_samples(fs, window_s, hop_s)
    return _of_block(_two_dimensional(signal, leads), 0, float(fs), window, hop, leads)
