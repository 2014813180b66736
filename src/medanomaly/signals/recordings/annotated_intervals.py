"""Stretches of a recording as pairs of marks, so that every format of annotations can store them.

A stretch of kind ``spike`` begins with a comment ``(spike`` and ends with a comment ``spike)`` at the first sample after it,
as WFDB writes ``(AFIB`` for a rhythm that begins.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.signals.recordings.annotation_order import in_time_order
from medanomaly.signals.recordings.annotation_text import COMMENT
from medanomaly.signals.recordings.recording import Annotations


def interval_annotations(starts: Sequence[int], ends: Sequence[int], kinds: Sequence[str]) -> Annotations:
    """Marks of stretches.

    Args:
        starts: (n,) first samples.
        ends: (n,) samples after the last ones.
        kinds: (n,) what each is.

    Raises:
        InputError: a stretch ends before it begins.
    """
    starts, ends = np.asarray(starts, dtype=np.int64), np.asarray(ends, dtype=np.int64)
    if np.any(ends <= starts):
        raise InputError(
            "a stretch ends before it begins", remedy="Give its first sample and the one after its last."
        )
    texts = [f"({kind}" for kind in kinds] + [f"{kind})" for kind in kinds]
    return in_time_order(np.concatenate([starts, ends]), [COMMENT] * len(texts), texts)[0]


def intervals(annotations: Annotations | None, n_samples: int) -> pd.DataFrame:
    """Stretches of :func:`interval_annotations`; a stretch without an end reaches to the end of the recording.

    Returns:
        ``start``, ``end`` (samples, end excluded), ``kind``, in order of start.
    """
    rows: list[tuple[int, int, str]] = []
    opened: dict[str, list[int]] = {}
    if annotations is not None:
        for sample, symbol, text in zip(
            annotations.sample, annotations.symbol, annotations.text, strict=True
        ):
            if symbol != COMMENT or not text:
                continue
            if text.startswith("("):
                opened.setdefault(text[1:], []).append(int(sample))
            elif text.endswith(")") and opened.get(text[:-1]):
                rows.append((opened[text[:-1]].pop(0), int(sample), text[:-1]))
    rows += [(start, n_samples, kind) for kind, starts in opened.items() for start in starts]
    return pd.DataFrame(sorted(rows), columns=["start", "end", "kind"]).astype(
        {"start": "int64", "end": "int64"}
    )


def interval_mask(annotations: Annotations | None, n_samples: int) -> np.ndarray:
    """(n_samples,) bool, True inside any stretch."""
    mask = np.zeros(n_samples, dtype=bool)
    for row in intervals(annotations, n_samples).itertuples():
        mask[row.start : row.end] = True
    return mask


def runs(flags: np.ndarray) -> np.ndarray:
    """(n_runs, 2) int64: first sample of each stretch of True, and the sample after its last."""
    edges = np.diff(np.concatenate([[0], np.asarray(flags, dtype=np.int8), [0]]))
    return np.flatnonzero(edges).reshape(-1, 2).astype(np.int64)
