"""What the marks of a recording are worth: one account of them, the beats they mark, and the stretches they leave out."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from medanomaly.signals.beats.aami import BEAT_CODES
from medanomaly.signals.recordings.annotation_text import COMMENT, QUALITY, WFDB_CODES
from medanomaly.signals.recordings.recording import Recording

# a mark and an R peak at most so far apart are one beat (AAMI EC57)
MATCH_S = 0.15
# marks of fewer of the R peaks are marks of events, not the list of all beats; fewer than the second share is worth a note
LIST_SHARE, NOTED_SHARE = 0.5, 0.9
# so many R peaks before the first mark, or behind the last, are no matter of chance
FEW = 10


@dataclass(frozen=True)
class MarkAccount:
    """Where the marks of a recording went.

    Attributes:
        read: marks in the file.
        beats: marks of beats inside the recording, one per sample.
        unknown: marks whose symbol is no code, or one that the file defines for itself.
        outside: marks behind the end of the recording.
        r_peaks: R peaks that the project finds itself, outside flutter and where the source could read nothing.
        marked: share of these that have a mark of a beat within 150 ms; NaN without R peaks.
        confirmed: share of the marks of beats that have such an R peak within 150 ms; NaN without marks of beats.
    """

    read: int
    beats: int
    unknown: int
    outside: int
    r_peaks: int
    marked: float
    confirmed: float

    def as_dict(self) -> dict[str, int | float | None]:
        """Its numbers by name, as JSON has them: None where a share is of nothing."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class BeatMarks:
    """Marks of beats inside a recording.

    Attributes:
        sample: (n,) int64, increasing.
        symbol: (n,) str, codes; also symbols that are no code, where they alone mark an R peak.
        is_list: whether they mark every beat, or only some events.
        account: of all marks.
        r_peaks: (k,) int64, the R peaks that the project finds itself.
        notes: what somebody should know of them.
    """

    sample: np.ndarray
    symbol: np.ndarray
    is_list: bool
    account: MarkAccount
    r_peaks: np.ndarray
    notes: tuple[str, ...]


def beat_marks(recording: Recording, r_peaks: np.ndarray) -> BeatMarks:
    """The beats that the source marked, and the account of all its marks.

    Args:
        recording: with or without marks.
        r_peaks: (k,) int, the R peaks that the project finds itself, increasing.
    """
    marks = recording.annotations
    if marks is None:
        none = np.zeros(0, dtype=np.int64)
        share = 0.0 if len(r_peaks) else float("nan")
        account = MarkAccount(0, 0, 0, 0, len(r_peaks), share, float("nan"))
        return BeatMarks(none, np.array([], str), False, account, r_peaks, ())
    window = MATCH_S * recording.fs
    # a stretch that reaches to the end is closed by a comment at the first sample behind it
    closing = (marks.sample == recording.n_samples) & (marks.symbol == COMMENT)
    inside = (marks.sample < recording.n_samples) | closing
    known = np.isin(marks.symbol, list(WFDB_CODES))
    beat = inside & np.isin(marks.symbol, list(BEAT_CODES))
    # a symbol that nobody knows still says that there is a beat, if there is one that has no mark yet
    unmarked = r_peaks[_distance(r_peaks, marks.sample[beat]) > window]
    beat[_at_peaks(unmarked, marks.sample, inside & ~known, window)] = True
    sample, symbol = marks.sample[beat], marks.symbol[beat]
    # two marks on one sample are one beat
    first = np.diff(sample, prepend=-1) > 0
    sample, symbol = sample[first], symbol[first]
    near_peak = _distance(sample, r_peaks) <= window
    # where the source found no beat to mark it does not lack one
    found, r_peaks = r_peaks, r_peaks[~_inside(r_peaks, [*flutter(recording), *shutdown(recording)])]
    near_mark = _distance(r_peaks, sample) <= window
    account = MarkAccount(
        read=len(marks.sample),
        beats=len(sample),
        unknown=int((~known).sum()),
        outside=int((~inside).sum()),
        r_peaks=len(r_peaks),
        marked=float(near_mark.mean()) if len(r_peaks) else float("nan"),
        confirmed=float(near_peak.mean()) if len(sample) else float("nan"),
    )
    # where no R peak is found the marks are all there is
    is_list = bool(len(sample)) and not account.marked < LIST_SHARE
    names = sorted(set(marks.symbol[~known]))
    notes = _notes(recording, account, names, is_list, sample, r_peaks)
    return BeatMarks(sample, symbol, is_list, account, found, notes)


def _notes(recording, account, names, is_list, sample, r_peaks) -> tuple[str, ...]:
    notes = []
    if account.outside:
        notes.append(
            f"{account.outside} of {account.read} marks lie behind the end ({recording.duration:.1f} s) and are left out"
        )
    if account.unknown:
        shown = ", ".join(f"'{name}'" for name in names[:10])
        notes.append(
            f"{account.unknown} of {account.read} marks have an unknown symbol ({shown}): no class comes from them"
        )
    trusted = account.confirmed >= LIST_SHARE
    n_beyond = len(_beyond(sample, r_peaks, MATCH_S * recording.fs)) if is_list else 0
    if (account.marked < NOTED_SHARE and account.beats) or n_beyond:
        share = f"{100 * account.marked:.0f} % of the {account.r_peaks} R peaks of the project"
        what = f"{account.beats} marks of beats at {share}"
        if n_beyond:
            first, last = sample[[0, -1]] / recording.fs
            what += (
                f"; marks go from {first:.0f} to {last:.0f} s of {recording.duration:.0f} s: {n_beyond} R peaks outside are "
                "beats without a label. Is the file cut off?"
            )
        elif trusted and not is_list:
            what += ": they count as labels of those beats, and not as the list of all beats"
        notes.append(what)
    if account.beats and account.r_peaks and not trusted:
        notes.append(
            f"only {100 * account.confirmed:.0f} % of the marks of beats lie within 150 ms of an R peak"
            + ("" if is_list else ", so no label comes from them")
            + ": are they counted in samples, at the rate of the recording?"
        )
    return tuple(notes)


def accounted(accounts: Iterable[MarkAccount]) -> str:
    """One sentence on the marks of all recordings together; empty where there are none."""
    accounts = [account for account in accounts if account.read]
    read, beats, unknown, outside = (
        sum(getattr(a, name) for a in accounts) for name in ("read", "beats", "unknown", "outside")
    )
    r_peaks = sum(a.r_peaks for a in accounts)
    if not read:
        return ""
    recordings = "1 recording" if len(accounts) == 1 else f"{len(accounts)} recordings"
    marked = sum(a.marked * a.r_peaks for a in accounts if a.r_peaks)
    share = (
        f"; {100 * marked / r_peaks:.1f} % of the project's own R peaks in these recordings have one"
        if r_peaks
        else ""
    )
    return (
        f"{read:,} marks were read in {recordings}: {beats:,} of beats{share}; {unknown:,} with an "
        f"unknown symbol; {outside:,} behind the end"
    )


def _inside(sample: np.ndarray, stretches: Iterable[tuple[int, int]]) -> np.ndarray:
    inside = np.zeros(len(sample), dtype=bool)
    for start, end in stretches:
        inside |= (sample >= start) & (sample <= end)
    return inside


def _nearest(sample: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the nearest of ``others``, which increase, and its distance, for each sample; infinite without others."""
    if not len(others):
        return np.zeros(len(sample), dtype=np.int64), np.full(len(sample), np.inf)
    after = np.searchsorted(others, sample)
    candidates = np.clip(np.stack([after, after - 1]), 0, len(others) - 1)
    distance = np.abs(others[candidates] - sample)
    best = np.take_along_axis(candidates, distance.argmin(axis=0)[None], axis=0)[0]
    return best, distance.min(axis=0)


def _distance(sample: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) distance of each sample to the nearest of ``others``, which increase; infinite where there is none."""
    return _nearest(sample, others)[1]


def _at_peaks(r_peaks: np.ndarray, sample: np.ndarray, allowed: np.ndarray, window: float) -> np.ndarray:
    """Index of the nearest allowed mark of each R peak that has one within ``window``."""
    among = np.flatnonzero(allowed)
    best, distance = _nearest(r_peaks, sample[among])
    return among[best[distance <= window]]


def all_beats(marks: BeatMarks, fs: float, *, detected: bool) -> tuple[np.ndarray, np.ndarray]:
    """Every beat of a recording, and its symbol, empty where nobody marked it.

    Args:
        marks: of the recording.
        fs: Hz.
        detected: True takes the R peaks even where marks are the list of all beats.

    Returns:
        ``(sample, symbol)``: (n,) int64, increasing, and (n,) object. R peaks take the symbol of the nearest mark within
        150 ms. Where marks are the list of all beats, R peaks before the first and behind the last of them are beats that
        nobody marked. Marks of events are beats even where no R peak was found, and say nothing where R peaks do not
        confirm half of them.
    """
    r_peaks = marks.r_peaks
    window, trusted = MATCH_S * fs, marks.account.confirmed >= LIST_SHARE
    if marks.is_list and not detected:
        return _joined(marks.sample, marks.symbol, _beyond(marks.sample, r_peaks, window), "")
    if not (marks.is_list or trusted):
        return r_peaks, np.full(len(r_peaks), "", dtype=object)
    symbol = _nearest_symbols(r_peaks, marks, fs)
    if detected:
        return r_peaks, symbol
    missed = _distance(marks.sample, r_peaks) > window
    return _joined(r_peaks, symbol, marks.sample[missed], marks.symbol[missed])


def _joined(sample, symbol, more, more_symbol) -> tuple[np.ndarray, np.ndarray]:
    together = np.concatenate([sample, more])
    symbols = np.concatenate(
        [symbol.astype(object), np.broadcast_to(np.asarray(more_symbol, dtype=object), len(more))]
    )
    order = np.argsort(together, kind="stable")
    return together[order], symbols[order]


def _beyond(sample: np.ndarray, r_peaks: np.ndarray, window: float) -> np.ndarray:
    """R peaks before the first mark and behind the last one, where there are more than a few."""
    ends = (r_peaks[r_peaks < sample[0] - window], r_peaks[r_peaks > sample[-1] + window])
    return np.concatenate([end for end in ends if len(end) > FEW] or [r_peaks[:0]])


def _nearest_symbols(sample: np.ndarray, marks: BeatMarks, fs: float) -> np.ndarray:
    if not len(marks.sample):
        return np.full(len(sample), "", dtype=object)
    best, distance = _nearest(sample, marks.sample)
    return np.where(distance <= MATCH_S * fs, marks.symbol[best].astype(object), "")


def flutter(recording: Recording) -> list[tuple[int, int]]:
    """Stretches of ventricular flutter or fibrillation that the source marked with ``[`` and ``]``, in samples.

    As in ``bxb``, a ``[`` lasts until the next ``]``, or to the end where there is none, and a ``]`` alone says nothing.
    """
    marks = recording.annotations
    if marks is None:
        return []
    found, start = [], None
    bracket = np.isin(marks.symbol, ["[", "]"])
    for sample, symbol in zip(marks.sample[bracket], marks.symbol[bracket], strict=True):
        if symbol == "[" and start is None:
            start = int(sample)
        elif symbol == "]" and start is not None:
            found.append((start, int(sample)))
            start = None
    return found if start is None else [*found, (start, recording.n_samples)]


def shutdown(recording: Recording) -> list[tuple[int, int]]:
    """Stretches in which the source could read no lead, in samples, as ``bxb`` takes them.

    A change of quality (``~``) says that the first two leads are unreadable; another one ends the stretch. Where any other
    mark follows instead, the stretch lies between the beat before and this mark, 150 ms from both.
    """
    marks = recording.annotations
    if marks is None:
        return []
    window, found = round(MATCH_S * recording.fs), []
    beat = np.isin(marks.symbol, [*BEAT_CODES, "]"])
    unread = (marks.symbol == QUALITY) & np.char.startswith(marks.text.astype(str), "uu")
    for at in np.flatnonzero(unread):
        following = at + 1
        if following == len(marks.sample):
            found.append((int(marks.sample[at]), recording.n_samples))
        elif marks.symbol[following] == QUALITY and not unread[following]:
            found.append((int(marks.sample[at]), int(marks.sample[following])))
        else:
            before, end = marks.sample[:at][beat[:at]], int(marks.sample[following]) - window
            found.append((min(int(before[-1]) + window if len(before) else 0, end), end))
    return found


def marks_no_beat(recording: Recording) -> bool:
    """Whether the source has marks, and none of a beat, so that only its stretches say what is anomalous."""
    marks = recording.annotations
    return marks is not None and not np.isin(marks.symbol, list(BEAT_CODES)).any()
