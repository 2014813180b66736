"""Annotations from the columns of a file, sorted by time and checked."""

from collections.abc import Sequence

import numpy as np

from medanomaly.core.errors import InputError
from medanomaly.signals.recordings.recording import Annotations


def in_time_order(
    sample: Sequence[int] | np.ndarray,
    symbol: Sequence[str],
    text: Sequence[str],
    source: object = None,
) -> tuple[Annotations, tuple[str, ...]]:
    """Annotations of unordered marks; marks at the same sample keep their order.

    Returns:
        ``(annotations, notes)``; a note says how many marks were out of order.

    Raises:
        InputError: a position is below 0.
    """
    sample = np.asarray(sample, dtype=np.int64)
    if np.any(sample < 0):
        raise InputError(
            f"an annotation at sample {sample.min()}", remedy="Positions begin at 0.", source=source
        )
    back = int(np.count_nonzero(np.diff(sample) < 0))
    order = np.argsort(sample, kind="stable") if back else slice(None)
    marks = Annotations(
        sample=sample[order],
        symbol=np.asarray(symbol, dtype=object).astype(str)[order],
        text=np.asarray(text, dtype=object).astype(str)[order],
    )
    return marks, ((f"{back} annotations stood out of time order and were sorted",) if back else ())
