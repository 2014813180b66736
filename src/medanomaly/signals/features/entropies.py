"""Entropies of each window: how often alike stretches stay alike, and how evenly patterns of order occur.

Sample and approximate entropy count the pairs of subsequences that stay within a tolerance of each other. The pairs of
single samples are stored as bits, 64 per word. A row of the recurrence matrix is a range of the sorted samples, so it is
the difference of two prefix sets. Longer subsequences are rows shifted by one and combined by AND. This takes n^2 / 64
words instead of n^2 comparisons, and is exact.
"""

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from medanomaly.core.errors import ConfigurationError, InputError

# bits of one window: n^2 / 8 bytes twice, 64 MB at this length
LONGEST = 16_384
ONE, WORD = np.uint64(1), np.uint64(63)


@intrinsic
def _bits_set(_typing, word):
    """Number of ones in a 64-bit word."""

    def emit(_context, builder, _signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), emit


@njit(cache=True, nogil=True)
def _neighbours(
    x: np.ndarray, order: np.ndarray, tolerance: float, prefix: np.ndarray, rows: np.ndarray
) -> None:
    """Row i of ``rows``: the set of j with ``|x_i - x_j| <= tolerance``, bit j."""
    n, n_words = len(x), rows.shape[1]
    prefix[0, :] = np.uint64(0)
    for rank in range(n):
        j = order[rank]
        for word in range(n_words):
            prefix[rank + 1, word] = prefix[rank, word]
        prefix[rank + 1, j >> 6] |= ONE << (np.uint64(j) & WORD)
    low, high = 0, 0
    for rank in range(n):
        i = order[rank]
        here = x[i]
        while here - x[order[low]] > tolerance:
            low += 1
        while high < n and x[order[high]] - here <= tolerance:
            high += 1
        for word in range(n_words):
            rows[i, word] = prefix[high, word] ^ prefix[low, word]


@njit(cache=True, nogil=True)
def _lengthen(matches: np.ndarray, rows: np.ndarray, n_rows: int, by: int) -> None:
    """Keep of the first ``n_rows`` match rows the pairs that still match ``by`` samples later."""
    n_words = rows.shape[1]
    right, left = np.uint64(by), np.uint64(64 - by)
    for i in range(n_rows):
        for word in range(n_words - 1):
            shifted = (rows[i + by, word] >> right) | (rows[i + by, word + 1] << left)
            matches[i, word] &= shifted
        matches[i, n_words - 1] &= rows[i + by, n_words - 1] >> right


@njit(cache=True, nogil=True)
def _regularity(
    windows: np.ndarray, orders: np.ndarray, tolerances: np.ndarray, length: int, out: np.ndarray
) -> None:
    n_windows, n = windows.shape
    n_words = (n + 63) // 64
    prefix = np.empty((n + 1, n_words), dtype=np.uint64)
    rows = np.empty((n, n_words), dtype=np.uint64)
    matches = np.empty((n, n_words), dtype=np.uint64)
    n_short, n_long = n - length + 1, n - length
    logs = np.log(np.arange(1, n + 1))
    last, last_bit = n_long >> 6, np.uint64(n_long) & WORD
    for w in range(n_windows):
        _neighbours(windows[w], orders[w], tolerances[w], prefix, rows)
        matches[:] = rows
        for by in range(1, length):
            _lengthen(matches, rows, n_short, by)
        pairs_short, phi_short = np.int64(0), 0.0
        for i in range(n_short):
            count = np.uint64(0)
            for word in range(n_words):
                count += _bits_set(matches[i, word])
            phi_short += logs[np.int64(count) - 1] - logs[n_short - 1]
            if i < n_long:
                # the last short subsequence has no continuation, so sample entropy leaves it out
                pairs_short += np.int64(count) - 1 - np.int64((matches[i, last] >> last_bit) & ONE)
        _lengthen(matches, rows, n_long, length)
        pairs_long, phi_long = np.int64(0), 0.0
        for i in range(n_long):
            count = np.uint64(0)
            for word in range(n_words):
                count += _bits_set(matches[i, word])
            phi_long += logs[np.int64(count) - 1] - logs[n_long - 1]
            pairs_long += np.int64(count) - 1
        largest = np.log(n_long * (n_long - 1) / 2.0)
        out[w, 0] = np.log(pairs_short / pairs_long) if pairs_long > 0 else largest
        out[w, 1] = phi_short / n_short - phi_long / n_long


@njit(cache=True, nogil=True)
def _permutation(windows: np.ndarray, order: int, delay: int, out: np.ndarray) -> None:
    n_windows, n = windows.shape
    n_patterns = n - (order - 1) * delay
    counts = np.empty(1 << (order * (order - 1) // 2), dtype=np.int64)
    largest = 0.0
    for k in range(2, order + 1):
        largest += np.log(k)
    for w in range(n_windows):
        x = windows[w]
        counts[:] = 0
        for i in range(n_patterns):
            key = 0
            for a in range(order - 1):
                for b in range(a + 1, order):
                    # equal values count in order of time
                    key = (key << 1) | int(x[i + a * delay] <= x[i + b * delay])
            counts[key] += 1
        total = 0.0
        for key in range(len(counts)):
            if counts[key]:
                p = counts[key] / n_patterns
                total -= p * np.log(p)
        out[w] = total / largest


def regularity(
    windows: np.ndarray, order: np.ndarray, tolerance: np.ndarray, length: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Sample and approximate entropy of windows whose sorting order is known; see :func:`sample_entropy`.

    Args:
        windows: (n_windows, n_samples) float64 without NaN.
        order: (n_windows, n_samples) int64, the indices that sort each window.
        tolerance: (n_windows,) largest difference that counts as alike, in the unit of the signal.
        length: length m of the subsequences.

    Returns:
        Two (n_windows,) float64 arrays, in nats.
    """
    n = windows.shape[1]
    if not 1 <= length <= 8:
        raise ConfigurationError(f"subsequences of {length} samples", remedy="Choose 1 to 8; 2 is usual.")
    if not length + 2 <= n <= LONGEST:
        raise InputError(
            f"entropy of windows of {n} samples",
            remedy=f"Give {length + 2} to {LONGEST} samples per window; cut longer signals into windows.",
        )
    out = np.empty((len(windows), 2))
    _regularity(windows, order, tolerance, length, out)
    return out[:, 0], out[:, 1]


def _rows(windows: np.ndarray) -> np.ndarray:
    windows = np.ascontiguousarray(np.atleast_2d(windows), dtype=np.float64)
    if not np.isfinite(windows).all():
        raise InputError(
            "a window has missing values, so it has no entropy", remedy="Leave such windows out."
        )
    return windows


def _measured(windows: np.ndarray, length: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    windows = _rows(windows)
    spread = np.where(np.ptp(windows, axis=1) > 0, windows.std(axis=1), 0.0)
    return regularity(windows, windows.argsort(axis=1), tolerance * spread, length)


def sample_entropy(windows: np.ndarray, length: int = 2, tolerance: float = 0.2) -> np.ndarray:
    """Sample entropy (Richman and Moorman 2000).

    It is -ln of the share of alike subsequences that stay alike for one more sample. Two subsequences are alike where no
    sample differs by more than ``tolerance`` standard deviations (divisor n) of the window. Where no pair stays alike,
    the entropy is not infinite, but the upper limit that the paper gives, ln((n - m)(n - m - 1) / 2). A constant window
    has entropy 0.

    Args:
        windows: (n_windows, n_samples) or (n_samples,), finite.
        length: length m of the subsequences.
        tolerance: r in standard deviations.

    Returns:
        (n_windows,) float64 in nats.

    Raises:
        InputError: values are missing, or windows are shorter than m + 2 or longer than 16384 samples.
    """
    return _measured(windows, length, tolerance)[0]


def approximate_entropy(windows: np.ndarray, length: int = 2, tolerance: float = 0.2) -> np.ndarray:
    """Approximate entropy (Pincus 1991): phi(m) - phi(m + 1).

    phi is the mean over the subsequences of the log of the share of subsequences that are alike. Each subsequence counts
    as alike itself, as in the paper. Arguments, returned array and errors are those of :func:`sample_entropy`.
    """
    return _measured(windows, length, tolerance)[1]


def permutation_entropy(windows: np.ndarray, order: int = 3, delay: int = 1) -> np.ndarray:
    """Permutation entropy (Bandt and Pompe 2002) as a share of its largest value, ln(order!).

    Equal samples count as rising in order of time. A constant window has entropy 0.

    Args:
        windows: (n_windows, n_samples) or (n_samples,), finite.
        order: samples per pattern, 2 to 5.
        delay: samples between two samples of a pattern.

    Returns:
        (n_windows,) float64 from 0 to 1.
    """
    windows = _rows(windows)
    if not 2 <= order <= 5:
        raise ConfigurationError(f"patterns of {order} samples", remedy="Choose 2 to 5.")
    if delay < 1 or windows.shape[1] <= (order - 1) * delay:
        raise InputError(
            f"patterns of {order} samples with delay {delay} in windows of {windows.shape[1]}",
            remedy="Give longer windows or a smaller delay of at least 1.",
        )
    out = np.empty(len(windows))
    _permutation(windows, order, delay, out)
    return out
