"""What is shown of beats: which beats, the signal around them, their RR intervals, and reference and detected beats."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.signals.beats.aami import aami_class
from medanomaly.signals.beats.marks import beat_marks
from medanomaly.signals.beats.table import case_id
from medanomaly.signals.features.heart_rate_variability import nn_intervals
from medanomaly.signals.peaks.r_peaks import detect_r_peaks
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.voltage import ecg_of

SHOWN_HZ = 180.0


@dataclass(frozen=True)
class Strip:
    """A few seconds around one beat.

    Attributes:
        time_s: (n,) seconds of the recording.
        signal: (n, n_leads) mV, at most two leads.
        leads: their names.
        beats: ``time_s``, ``mark``, ``flagged`` of the beats in it.
    """

    time_s: np.ndarray
    signal: np.ndarray
    leads: tuple[str, ...]
    beats: pd.DataFrame


def chosen_beats(tested: pd.DataFrame, each: int = 3) -> dict[str, pd.DataFrame]:
    """The highest-scored flagged beats, abnormal and normal, and the abnormal beats with the lowest scores.

    Args:
        tested: test cases with ``patient_id``, ``label``, ``score``, ``flagged``.
        each: number of beats per group, of different patients as far as possible.

    Returns:
        ``found``, ``false`` and ``missed`` -> rows of ``tested``; without labels only ``flagged``.
    """
    flagged = tested["flagged"].fillna(False).to_numpy(dtype=bool)
    ordered = tested.sort_values("score", ascending=False, kind="stable")
    if tested["label"].isna().all():
        return {"flagged": _of_several(ordered[ordered["flagged"].fillna(False)], each)}
    abnormal = ordered["label"].eq(1).fillna(False).to_numpy(dtype=bool)
    normal = ordered["label"].eq(0).fillna(False).to_numpy(dtype=bool)
    flagged = ordered["flagged"].fillna(False).to_numpy(dtype=bool)
    return {
        "found": _of_several(ordered[abnormal & flagged], each),
        "false": _of_several(ordered[normal & flagged], each),
        "missed": _of_several(ordered[abnormal & ~flagged].iloc[::-1], each),
    }


def _of_several(rows: pd.DataFrame, n: int) -> pd.DataFrame:
    rank = rows.groupby("patient_id").cumcount()
    return rows.iloc[np.argsort(rank.to_numpy(), kind="stable")[:n]]


def strip_around(
    recording: Recording, beats: pd.DataFrame, flagged: pd.Series, sample: int, length_s: float = 8.0
) -> Strip:
    """The signal around a beat, with as many samples as a page can show.

    Args:
        recording: whose beat it is.
        beats: its rows of the beats table.
        flagged: case_id -> bool.
        sample: R peak of the beat.
        length_s: length of the strip in seconds.
    """
    recording = ecg_of(recording)
    fs = recording.fs
    n = min(recording.n_samples, round(length_s * fs))
    first = int(np.clip(sample - n // 2, 0, recording.n_samples - n))
    step = max(1, int(fs // SHOWN_HZ))
    signal = recording.signal[first : first + n : step, :2].astype(np.float64)
    inside = beats[(beats["sample"] >= first) & (beats["sample"] < first + n)]
    marks = inside["aami"].fillna("").where(inside["aami"].notna(), "·")
    return Strip(
        time_s=np.arange(first, first + n, step) / fs,
        signal=signal - np.nanmedian(np.where(np.isfinite(signal), signal, 0.0), axis=0),
        leads=recording.leads[:2],
        beats=pd.DataFrame(
            {
                "time_s": inside["sample"] / fs,
                "mark": marks.to_numpy(dtype=object),
                "flagged": case_id(inside["record"], inside["sample"])
                .map(flagged)
                .fillna(False)
                .to_numpy(dtype=bool),
            }
        ),
    )


def rr_pairs(beats: pd.DataFrame) -> pd.DataFrame:
    """RR intervals before and after every beat of one recording: ``before``, ``after`` (ms), ``aami``, ``nn``.

    ``nn`` is True where both intervals lie between normal beats (between any beats where no class is known). Pairs next
    to a beat in bad signal are left out.
    """
    aami, good = beats["aami"], beats["quality"].eq("good").to_numpy()
    normal = (
        aami.eq("N").fillna(False).to_numpy(dtype=bool) if aami.notna().any() else np.ones(len(beats), bool)
    )
    intervals, counts = nn_intervals(beats["time_s"].to_numpy() * 1000.0, 1000.0, normal)
    pairs = pd.DataFrame(
        {
            "before": intervals[:-1],
            "after": intervals[1:],
            "aami": aami.to_numpy()[1:-1],
            "nn": counts[:-1] & counts[1:],
        }
    )
    return pairs[good[:-2] & good[1:-1] & good[2:]].reset_index(drop=True)


def reference_beats(
    recording: Recording, r_peaks: np.ndarray, table: str = "ec57"
) -> tuple[np.ndarray, np.ndarray]:
    """Samples and AAMI classes of the beats that the source marked; empty where it marked none, or only some events.

    Args:
        recording: with its marks.
        r_peaks: that the project finds itself.
        table: of :func:`~medanomaly.signals.beats.aami.aami_class`.
    """
    marks = beat_marks(recording, r_peaks)
    classes = aami_class(marks.symbol, table)
    known = classes.notna().to_numpy()
    if not marks.is_list or not known.any():
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype="U1")
    return marks.sample[known], classes[known].to_numpy(dtype=str)


def detected_beats(recording: Recording) -> np.ndarray:
    """Samples of the R peaks that the detector of this project finds."""
    return detect_r_peaks(ecg_of(recording).signal, recording.fs)


def bad_signal(windows: pd.DataFrame) -> pd.DataFrame:
    """Share of bad windows per recording and lead, and the most frequent reasons.

    Args:
        windows: quality table.

    Returns:
        ``record, lead, windows, bad`` (share), ``reasons``.
    """
    rows = []
    for (record, lead), part in windows.groupby(["record", "lead"], sort=False):
        bad = part[part["quality"] == "bad"]
        reasons = bad["reasons"].str.split("; ").explode()
        reasons = reasons[~reasons.isin(["", "low index"])].value_counts().head(2)
        rows.append(
            {
                "record": record,
                "lead": lead,
                "windows": len(part),
                "bad": len(bad) / len(part),
                "reasons": ", ".join(f"{why} ({n})" for why, n in reasons.items()),
            }
        )
    return pd.DataFrame(rows, columns=["record", "lead", "windows", "bad", "reasons"])
