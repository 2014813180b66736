"""Segments of a multi-segment WFDB record, joined in time; times that no segment covers are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medanomaly.core.errors import InputError
from medanomaly.signals.readers.wfdb_package import wfdb_package

if TYPE_CHECKING:
    import wfdb


@dataclass(frozen=True)
class Leads:
    """Leads as they are stored, each at its own rate.

    Attributes:
        names: of the leads.
        units: of the leads.
        columns: one (n_i,) array of physical values per lead, NaN = missing.
        samples_per_frame: of each lead; the rate of the lead is this number times the frame rate.
        skew: of each lead in frames, already removed.
    """

    names: list[str]
    units: list[str]
    columns: list[np.ndarray]
    samples_per_frame: list[int]
    skew: list[int]


def single_segment(record: wfdb.Record, names: list[str]) -> Leads:
    """Leads of a record of one segment, read with ``smooth_frames=False``."""
    n = len(names)
    return Leads(
        names=names,
        units=[str(u or "") for u in record.units or [""] * n],
        columns=list(record.e_p_signal),
        samples_per_frame=[max(1, int(s or 1)) for s in record.samps_per_frame or [1] * n],
        skew=[int(s or 0) for s in record.skew or [0] * n],
    )


def nested_header(path: Path, lines: Sequence[str]) -> wfdb.MultiRecord:
    """Header of a multi-segment record some of whose segments lie in folders below, which ``wfdb`` does not read.

    Args:
        path: the record, without ``.hea``.
        lines: of its header: the record line, then one line per segment.
    """
    first, *rest = [line.split() for line in lines]
    names, lengths = [words[0] for words in rest], [int(words[1]) for words in rest]
    return wfdb_package().MultiRecord(
        record_name=path.name,
        n_sig=int(first[1]),
        fs=float(first[2].partition("/")[0]) if len(first) > 2 else 250.0,
        sig_len=sum(lengths),
        seg_name=names,
        seg_len=lengths,
        segments=[
            None if name == "~" else wfdb_package().rdheader(str(path.parent / name)) for name in names
        ],
        # the first segment of a variable layout describes the leads and has no samples
        layout="variable" if lengths[0] == 0 else "fixed",
        comments=[],
    )


def nested_signals(
    path: Path, header: wfdb.MultiRecord, wanted: list[int], first: int, last: int | None
) -> wfdb.MultiRecord:
    """The record of :func:`nested_header` with the samples of frames ``first`` to ``last``."""
    segments, lengths, start = [], [], 0
    for name, segment, length in zip(header.seg_name, header.segments, header.seg_len, strict=True):
        low, high = max(0, first - start), min(length, length if last is None else last - start)
        start += length
        lengths.append(max(0, high - low))
        if segment is None or high <= low:
            segments.append(None)
            continue
        segments.append(
            wfdb_package().rdrecord(
                str(path.parent / name),
                sampfrom=low,
                sampto=high,
                channels=None if header.layout == "variable" else wanted,
                smooth_frames=False,
                return_res=32,
            )
        )
    return wfdb_package().MultiRecord(
        record_name=header.record_name, segments=segments, seg_len=lengths, layout=header.layout
    )


def join_segments(record: wfdb.MultiRecord, names: list[str]) -> Leads:
    """Leads of a multi-segment record, read with ``m2s=False`` and ``smooth_frames=False``.

    Args:
        record: of fixed layout (all segments have the leads in the same order) or variable layout (leads are found by
            name).
        names: the leads wanted.

    Raises:
        InputError: a lead changes its unit or its rate from segment to segment.
    """
    variable = record.layout == "variable"
    segments = [
        (segment, int(length))
        for i, (segment, length) in enumerate(zip(record.segments, record.seg_len, strict=True))
        # the first of a variable layout is its description, without samples
        if not (variable and i == 0)
    ]
    units: list[str | None] = [None] * len(names)
    rates: list[int | None] = [None] * len(names)
    parts: list[list[tuple[int, int, np.ndarray]]] = [[] for _ in names]
    frame = 0
    for segment, length in segments:
        for j, name in enumerate(names):
            column = _column(segment, name, names[:j].count(name) if variable else j, variable)
            if column is None:
                continue
            rate = max(1, int((segment.samps_per_frame or [1] * segment.n_sig)[column] or 1))
            unit = str(segment.units[column] or "")
            if rates[j] not in {None, rate} or units[j] not in {None, unit}:
                raise InputError(
                    f"lead {name} changes from {units[j]}, {rates[j]} per frame, to {unit}, {rate} per frame, in segment "
                    f"{segment.record_name}",
                    remedy="Read the segments one by one.",
                    record=record.record_name,
                )
            units[j], rates[j] = unit, rate
            parts[j].append((frame * rate, rate * length, segment.e_p_signal[column]))
        frame += length
    columns = []
    for j in range(len(names)):
        column = np.full(frame * (rates[j] or 1), np.nan, dtype=np.float32)
        for start, length, values in parts[j]:
            column[start : start + length] = values[:length]
        columns.append(column)
    return Leads(
        names=names,
        units=[u or "" for u in units],
        columns=columns,
        samples_per_frame=[r or 1 for r in rates],
        skew=[0] * len(names),
    )


def _column(segment: wfdb.Record | None, name: str, number: int, variable: bool) -> int | None:
    if segment is None:
        return None
    if not variable:
        return number
    # of several leads of one name, the first is the first in every segment
    found = [column for column, own in enumerate(segment.sig_name) if own == name]
    return found[number] if number < len(found) else None
