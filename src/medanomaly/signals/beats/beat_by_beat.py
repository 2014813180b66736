"""Beat-by-beat comparison of two annotations of an ECG, as in ANSI/AAMI EC57 (there the program ``bxb``).

Test beats are matched with reference beats within 150 ms, from minute 5 on. Rows of the matrix are reference classes,
columns (small letters) test classes; O means no beat, X means a stretch in which the other side gave up (shutdown). Test
beats during ventricular fibrillation of the reference are not counted. As in the standard, false positives leave out F
and Q beats called V, and Q beats called S.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numba import njit

from medanomaly.core.errors import InputError
from medanomaly.evaluation.resampling.ratio_intervals import ratio_intervals

CLASSES = ("N", "S", "V", "F", "Q")
ROWS = (*CLASSES, "O", "X")
TEST_COLUMNS = tuple(name.lower() for name in ROWS)
STATISTICS = ("qrs_sensitivity", "qrs_ppv", "veb_sensitivity", "veb_ppv", "veb_false_positive_rate",
              "sveb_sensitivity", "sveb_ppv")  # fmt: skip

Segments = Iterable[tuple[int, int]]


@dataclass(frozen=True)
class BeatComparison:
    """Outcome of one record.

    Attributes:
        matrix: (7, 7) int64 table, rows N S V F Q O X of the reference, columns n s v f q o x of the test.
        shutdown_s: seconds in which the test side gave up.
        offset_ms: test minus reference position of the matched beats, ms.
    """

    matrix: pd.DataFrame
    shutdown_s: float
    offset_ms: np.ndarray


def match_beats(reference: np.ndarray, test: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of beats from two increasing lists; each beat is in one pair at most.

    In order of time, the earlier of the two next beats is paired with the other one. It stays alone where the two are
    more than ``window`` apart, or where the beat after it is at least as near to the other (EC57, as ``bxb`` does it).

    Args:
        reference: (n,) int positions in samples, increasing.
        test: (m,) int positions in samples, increasing.
        window: largest distance of a pair, in samples.

    Returns:
        ``(i, j)``: (k,) int64 places in ``reference`` and in ``test``.
    """
    return _match(np.asarray(reference, dtype=np.int64), np.asarray(test, dtype=np.int64), window)


@njit(cache=True)
def _match(reference, test, window):
    most = min(len(reference), len(test))
    first, second = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    i = j = k = 0
    while i < len(reference) and j < len(test):
        gap = test[j] - reference[i]
        if gap < 0:
            following = j + 1 < len(test) and abs(test[j + 1] - reference[i]) <= -gap
            if -gap > window or following:
                j += 1
                continue
        else:
            following = i + 1 < len(reference) and abs(reference[i + 1] - test[j]) <= gap and gap > 0
            if gap > window or following:
                i += 1
                continue
        first[k], second[k] = i, j
        i, j, k = i + 1, j + 1, k + 1
    return first[:k], second[:k]


def compare_beats(
    reference: np.ndarray,
    reference_class: Sequence[str] | np.ndarray,
    test: np.ndarray,
    test_class: Sequence[str] | np.ndarray,
    fs: float,
    *,
    start_s: float = 300.0,
    end_s: float | None = None,
    window_s: float = 0.150,
    reference_shutdown: Segments = (),
    test_shutdown: Segments = (),
    fibrillation: Segments = (),
) -> BeatComparison:
    """Compare the beats of one record.

    Args:
        reference: (n,) int positions of the reference beats in samples, increasing.
        reference_class: (n,) their classes: N, S, V, F or Q.
        test: (m,) int positions of the test beats.
        test_class: (m,) their classes; a detector that only finds beats calls all of them N.
        fs: Hz.
        start_s: seconds from which beats count (the standard leaves the first 5 minutes for learning).
        end_s: seconds up to which beats count; None counts to the end.
        window_s: largest distance of a pair.
        reference_shutdown: (start, end) samples in which the reference could not be read.
        test_shutdown: stretches in which the test side gave up because of noise.
        fibrillation: stretches of ventricular fibrillation or flutter of the reference; test beats in them do not count.

    Returns:
        Matrix, shutdown and offsets.

    Raises:
        InputError: positions do not increase or do not fit the classes, or a class is none of the five.
    """
    reference, reference_row = _checked("reference", reference, reference_class)
    test, test_column = _checked("test", test, test_class)
    i, j = match_beats(reference, test, round(window_s * fs))
    low, high = start_s * fs, np.inf if end_s is None else end_s * fs
    alone = np.setdiff1d(np.arange(len(reference)), i)
    extra = np.setdiff1d(np.arange(len(test)), j)
    extra = extra[~_inside(test[extra], fibrillation)]
    missed = np.where(_inside(reference[alone], test_shutdown), ROWS.index("X"), ROWS.index("O"))
    unread = np.where(_inside(test[extra], reference_shutdown), ROWS.index("X"), ROWS.index("O"))
    rows = np.concatenate([reference_row[i], reference_row[alone], unread])
    columns = np.concatenate([test_column[j], missed, test_column[extra]])
    # the time of a pair is the time of its reference beat
    when = np.concatenate([reference[i], reference[alone], test[extra]])
    counted = (when >= low) & (when <= high)
    matrix = np.zeros((7, 7), dtype=np.int64)
    np.add.at(matrix, (rows[counted], columns[counted]), 1)
    silent = sum(max(0.0, min(end, high) - max(start, low)) for start, end in test_shutdown)
    return BeatComparison(
        matrix=pd.DataFrame(matrix, index=list(ROWS), columns=list(TEST_COLUMNS)),
        shutdown_s=silent / fs,
        offset_ms=1000.0 * (test[j] - reference[i])[counted[: len(i)]] / fs,
    )


def _checked(
    side: str, sample: np.ndarray, classes: Sequence[str] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    sample, classes = np.asarray(sample, dtype=np.int64), np.asarray(classes, dtype=str)
    if sample.shape != classes.shape or sample.ndim != 1:
        raise InputError(
            f"{sample.shape} positions and {classes.shape} classes of {side} beats",
            remedy="Give one class per position.",
        )
    if np.any(np.diff(sample) < 0):
        raise InputError(f"{side} beats are not in time order", remedy="Sort them by position.")
    row = np.full(len(classes), -1)
    for number, name in enumerate(CLASSES):
        row[classes == name] = number
    if (row < 0).any():
        raise InputError(f"a {side} beat of class '{classes[row < 0][0]}'", remedy=f"Known are {CLASSES}.")
    return sample, row


def _inside(sample: np.ndarray, segments: Segments) -> np.ndarray:
    inside = np.zeros(len(sample), dtype=bool)
    for start, end in segments:
        inside |= (sample >= start) & (sample <= end)
    return inside


def counts(matrix: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Hits and trials of each statistic of a matrix (EC57, section 4.3; de Chazal et al. 2004, section III).

    Returns:
        ``name -> (numerator, denominator)`` for every name of :data:`STATISTICS`.
    """
    # plain numbers: a matrix per record and class is counted, and a look-up by label takes longer than the sum
    m = {
        row: dict(zip(matrix.columns, values, strict=True))
        for row, values in zip(matrix.index, matrix.to_numpy().tolist(), strict=True)
    }

    def total(rows: str, columns: str) -> int:
        return int(sum(m[row][column] for row in rows for column in columns))

    beats, tests = "".join(CLASSES), "".join(CLASSES).lower()
    both, missed, extra = total(beats, tests), total(beats, "ox"), total("OX", tests)
    veb, sveb = total("V", "v"), total("S", "s")
    every = "".join(matrix.columns)
    veb_missed, sveb_missed = total("V", every) - veb, total("S", every) - sveb
    veb_false, sveb_false = total("NSOX", "v"), total("NVFOX", "s")
    not_veb = total("NSFQOX", "nsfq")
    return {
        "qrs_sensitivity": (both, both + missed),
        "qrs_ppv": (both, both + extra),
        "veb_sensitivity": (veb, veb + veb_missed),
        "veb_ppv": (veb, veb + veb_false),
        "veb_false_positive_rate": (veb_false, veb_false + not_veb),
        "sveb_sensitivity": (sveb, sveb + sveb_missed),
        "sveb_ppv": (sveb, sveb + sveb_false),
    }


def record_table(
    matrices: Mapping[str, pd.DataFrame],
    patients: Mapping[str, str] | None = None,
    *,
    n_resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The line-format table of the standard, and the gross statistics with intervals.

    Args:
        matrices: record -> matrix.
        patients: record -> patient, the unit that is resampled; None takes each record as a patient.
        n_resamples: number of resamples of whole patients.
        seed: of the resamples.
        confidence: level of the intervals.

    Returns:
        ``(lines, gross)``. ``lines``: one row per record, then ``gross`` (all beats in one matrix) and ``average`` (mean
        over the records in which a statistic is defined). Its columns are the number of beats of each class and the
        statistics, NaN where there is nothing to count. ``gross``: statistic, value, ci_low, ci_high, n (trials),
        records.

    Raises:
        InputError: there is no record.
    """
    if not matrices:
        raise InputError("there is no record to report", remedy="Give one matrix or more.")
    names = list(matrices)
    counted = [counts(matrices[r]) for r in names]
    hits = np.array([[of[s] for s in STATISTICS] for of in counted], dtype=float)
    beats = np.array([matrices[r].loc[list(CLASSES)].sum(axis=1) for r in names])
    with np.errstate(invalid="ignore"):
        ratio = hits[..., 0] / hits[..., 1]
        total = hits.sum(axis=0)
        gross = total[:, 0] / total[:, 1]
    defined = np.isfinite(ratio)
    average = np.where(
        defined.any(axis=0), np.nansum(ratio, axis=0) / np.maximum(defined.sum(axis=0), 1), np.nan
    )
    lines = pd.DataFrame(
        np.vstack([np.hstack([beats, ratio]), [*beats.sum(axis=0), *gross], [*beats.mean(axis=0), *average]]),
        columns=[*CLASSES, *STATISTICS],
    )
    lines.insert(0, "record", pd.array([*names, "gross", "average"], dtype="string"))

    group = [patients.get(r, r) for r in names] if patients else names
    value, low, high = ratio_intervals(
        hits[..., 0], hits[..., 1], group, n_resamples=n_resamples, seed=seed, confidence=confidence
    )
    table = {"statistic": STATISTICS, "value": value, "ci_low": low, "ci_high": high}
    return lines, pd.DataFrame(table | {"n": total[:, 1].astype(int), "records": len(names)})


def as_text(comparison: BeatComparison, record: str) -> str:
    """The standard-format report of one record, as text."""
    matrix = comparison.matrix
    lines = [
        f"Beat-by-beat comparison of record {record}",
        "",
        "      " + "".join(f"{c:>7}" for c in TEST_COLUMNS),
    ]
    lines += [
        f"   {row} |" + "".join(
            # neither side can have nothing where the other has nothing
            f"{'' if row in 'OX' and column in 'ox' else matrix.loc[row, column]:>7}" for column in TEST_COLUMNS
        )
        for row in ROWS
    ]  # fmt: skip
    lines.append("")
    for name, (hits, trials) in counts(matrix).items():
        share = f"{100 * hits / trials:7.2f} %" if trials else "      -  "
        lines.append(f"{name.replace('_', ' '):>26}: {share} ({hits}/{trials})")
    lines.append(f"{'total shutdown':>26}: {comparison.shutdown_s:7.0f} s")
    return "\n".join(lines)
