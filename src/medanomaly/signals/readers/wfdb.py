"""WFDB records (PhysioNet): any storage format of the ``wfdb`` package, multi-frequency, multi-segment, with skew.

Skew is removed, segments are joined with gaps between them, and leads stored at different rates are brought to one.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.signals.beats.aami import mitbih_patient
from medanomaly.signals.readers.atr import decode_atr
from medanomaly.signals.readers.wfdb_package import wfdb_package
from medanomaly.signals.readers.wfdb_segments import (
    Leads,
    join_segments,
    nested_header,
    nested_signals,
    single_segment,
)
from medanomaly.signals.recordings.annotation_order import in_time_order
from medanomaly.signals.recordings.annotation_text import QUALITY, quality_text
from medanomaly.signals.recordings.common_rate import at_common_rate
from medanomaly.signals.recordings.leads import unique_names
from medanomaly.signals.recordings.recording import Annotations, Recording
from medanomaly.signals.recordings.time_axis import LONGEST_GAP_SAMPLES

if TYPE_CHECKING:
    import wfdb

_LONGEST_LINE = 1000
# a rate, with the rate of its counter where it has one: 360, 62.5, 360/1(0)
_RATE = re.compile(r"(\d+\.?\d*|\.\d+)(/\S*)?")
_FASTEST = 1e7
# the spellings of age and sex in PhysioNet's comment lines
_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}


def record_path(path: str | Path) -> Path:
    """Path of a record without the suffix of one of its files."""
    path = Path(path)
    return path.with_suffix("") if path.suffix in {".hea", ".dat", ".atr", ".mat"} else path


def read_header(path: str | Path) -> wfdb.Record | wfdb.MultiRecord:
    """Header of a record, segments included.

    Raises:
        DataNotFoundError: there is no header file.
        InputError: the header cannot be read, or names files outside its own folder.
    """
    path = record_path(path)
    header_file = path.with_name(path.name + ".hea")
    if not header_file.is_file():
        raise DataNotFoundError(
            "the header file does not exist",
            remedy="A WFDB record is a .hea file and the signal files that it names, in one folder.",
            source=header_file,
        )
    _check_lines(header_file)
    segments = segment_names(header_file)
    for name in segments:
        if (file := path.parent / f"{name}.hea").is_file():
            _check_lines(file)
    try:
        if any("/" in name for name in segments):
            header = nested_header(path, _lines(header_file))
        else:
            header = wfdb_package().rdheader(str(path), rd_segments=True)
    except FileNotFoundError as error:
        raise _absent(path, error) from None
    except Exception as error:  # the parser raises any error of its regular expressions and casts
        raise InputError(f"the file is not a WFDB header: {error}", source=header_file) from error
    if not header.fs or not header.n_sig:
        raise InputError(
            f"{header.n_sig or 0} signals at {header.fs} Hz",
            remedy="Give a record with one signal or more and a rate above 0.",
            source=header_file,
        )
    return header


def _lines(header_file: Path) -> list[str]:
    """Lines of a header that are not empty and no comments."""
    lines = header_file.read_text("utf-8", errors="replace").splitlines()
    return [line for line in lines if line.split() and not line.startswith("#")]


def _check_lines(header_file: Path) -> None:
    """Refuse a header that the parser would read as something else, or that names files outside its folder."""
    lines = _lines(header_file)

    def refuse(problem: str, remedy: str):
        raise InputError(problem, remedy=remedy, source=header_file)

    if not lines or len(lines[0].split()) < 2:
        refuse(
            "the header has no record line",
            "Its first line gives the record, the number of leads and the rate.",
        )
    if (longest := max(map(len, lines))) > _LONGEST_LINE:
        refuse(f"a line has {longest:,} characters", f"Give at most {_LONGEST_LINE:,}.")
    words = lines[0].split()
    rate = _RATE.fullmatch(words[2]) if len(words) > 2 else None
    if len(words) > 2 and (rate is None or not 0 < float(rate[1]) <= _FASTEST):
        refuse(f"the sampling rate is '{words[2]}'", "Give a number of Hz above 0, without an exponent.")
    if len(words) > 3 and not words[3].isdigit() and ":" not in words[3]:
        refuse(f"the number of samples is '{words[3]}'", "Give a whole number.")
    n_lines = re.fullmatch(r"\d+", words[0].rpartition("/")[2] if "/" in words[0] else words[1])
    if n_lines is None or len(lines) - 1 < int(n_lines[0]):
        refuse(
            f"the first line promises {n_lines[0] if n_lines else words[1]} lines, and {len(lines) - 1} follow",
            "Give one line per lead, or per segment.",
        )
    if "/" in words[0]:
        segments = [line.split() for line in lines[1 : 1 + int(n_lines[0])]]
        if any(len(segment) < 2 or not segment[1].isdigit() for segment in segments):
            refuse("a segment has no length", "Give its name and its number of samples.")
        gaps = sum(int(length) for name, length, *_ in segments if name == "~")
        held = sum(int(length) for name, length, *_ in segments if name != "~")
        if gaps > max(LONGEST_GAP_SAMPLES, 2 * held):
            refuse(f"gaps of {gaps:,} samples between {held:,}", "Divide the record there.")
    for line in lines:
        name = line.split()[0]
        # a segment of a multi-segment record may lie in a folder below
        if name.startswith(("/", "\\")) or ".." in PurePosixPath(name).parts or ":" in name or "\\" in name:
            refuse(f"the header names '{name}'", "The files of a record lie in the folder of its header.")


def segment_names(header_file: Path) -> list[str]:
    """Names of the segments of a multi-segment record, relative to its folder; none for another record."""
    lines = [line.split() for line in _lines(header_file)]
    return [words[0] for words in lines[1:] if words[0] != "~"] if lines and "/" in lines[0][0] else []


def _defaults(header_file: Path) -> tuple[str, ...]:
    """Notes on what the header does not state: the format then takes 250 Hz and 200 counts per mV, which may be wrong."""
    lines = [line.split() for line in _lines(header_file)]
    if len(lines[0]) < 3:
        return ("the header states no sampling rate: 250 Hz were taken",)
    if "/" in lines[0][0]:
        return ()
    n = sum(len(words) < 3 or bool(re.match(r"0+(\.0*)?($|[(/])", words[2])) for words in lines[1:])
    return (f"{n} lead(s) have no gain in the header: 200 counts per mV were taken",) if n else ()


def _absent(path: Path, error: FileNotFoundError) -> DataNotFoundError:
    named = Path(str(error.filename)).name if error.filename else "a signal file"
    return DataNotFoundError(
        f"the header names '{named}', which does not exist",
        remedy="Put all files of the record into one folder.",
        source=path.with_name(path.name + ".hea"),
        record=path.name,
    )


def read_wfdb(
    path: str | Path,
    channels: Sequence[str] | None = None,
    *,
    annotator: str | None = "atr",
    patient_id: str | None = None,
    start_s: float = 0.0,
    stop_s: float | None = None,
) -> Recording:
    """Read a record.

    Args:
        path: the record, with or without ``.hea``.
        channels: names of leads to read, in this order; None reads all.
        annotator: suffix of the annotation file; None reads no annotations. Where the file is absent there are none.
        patient_id: whose it is; None takes the name of the record.
        start_s: first second to read.
        stop_s: second before which to stop; None reads to the end.

    Returns:
        The recording in float32, in the units of the header, with NaN for missing samples. Annotations are counted from
        ``start_s`` at the rate of the recording. ``notes`` say what was changed.

    Raises:
        DataNotFoundError: the header or a signal file is absent.
        InputError: a file is damaged, a lead does not exist, or the stretch lies outside the record.
    """
    path = record_path(path)
    header = read_header(path)
    stored = _names(header)
    names, numbered = unique_names(stored)
    if channels is not None and (unknown := [c for c in channels if c not in names]):
        raise InputError(
            f"there is no lead {unknown}", remedy=f"There are {list(names)}.", source=path, record=path.name
        )
    # leads are read by number: of two leads with one name, a name would find only the first
    wanted = list(range(len(names))) if channels is None else [names.index(c) for c in channels]
    first, last = _frames(header, path, start_s, stop_s)
    leads = _signals(path, header, wanted, [stored[j] for j in wanted], first, last)
    rates = [float(header.fs) * s for s in leads.samples_per_frame]
    signal, fs, notes = at_common_rate(leads.columns, rates, [names[j] for j in wanted])
    notes += numbered + _defaults(path.with_name(path.name + ".hea"))
    notes += tuple(
        f"lead {names[j]}: a skew of {s} frames was taken out"
        for j, s in zip(wanted, leads.skew, strict=True)
        if s
    )
    marks, marked = None, ()
    if annotator is not None:
        marks, marked = read_atr(path, annotator, fs, frame_rate=float(header.fs), default=None)
        # those of a whole record are kept, also behind its end: the account of the marks says so
        if marks is not None and (start_s > 0 or stop_s is not None):
            marks = _within(marks, round(start_s * fs), len(signal))
    return Recording(
        record=path.name,
        patient_id=path.name if patient_id is None else patient_id,
        signal=signal,
        fs=fs,
        leads=tuple(names[j] for j in wanted),
        units=tuple(leads.units),
        annotations=marks,
        attributes=_attributes(header),
        notes=notes + marked,
        own_rates=dict(zip([names[j] for j in wanted], rates, strict=True)),
    )


def _names(header: wfdb.Record | wfdb.MultiRecord) -> list[str]:
    names = header.get_sig_name() if isinstance(header, wfdb_package().MultiRecord) else header.sig_name
    # a name is optional in a header
    return [str(n) if n else f"lead {j + 1}" for j, n in enumerate(names)]


def _frames(header, path: Path, start_s: float, stop_s: float | None) -> tuple[int, int | None]:
    first = round(start_s * header.fs)
    last = None if stop_s is None else round(stop_s * header.fs)
    length = header.sig_len
    if length is not None and last is not None:
        last = min(last, length)
    end = length if last is None else last
    if first < 0 or (end is not None and first >= end):
        raise InputError(
            f"seconds {start_s:g} to {stop_s if stop_s is not None else 'the end'} lie outside a record of "
            f"{(length or 0) / header.fs:g} s",
            remedy="Choose start_s and stop_s inside the record.",
            source=path,
            record=path.name,
        )
    return first, last


def _signals(
    path: Path,
    header: wfdb.Record | wfdb.MultiRecord,
    wanted: list[int],
    names: list[str],
    first: int,
    last: int | None,
) -> Leads:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if any("/" in name for name in getattr(header, "seg_name", None) or ()):
                record = nested_signals(path, header, wanted, first, last)
            else:
                record = wfdb_package().rdrecord(
                    str(path),
                    sampfrom=first,
                    sampto=last,
                    channels=wanted,
                    smooth_frames=False,
                    m2s=False,
                    return_res=32,
                )
        if isinstance(record, wfdb_package().MultiRecord):
            return join_segments(record, names)
        return single_segment(record, names)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise _absent(path, error) from None
    except Exception as error:  # a damaged file can raise any error of numpy or of the FLAC decoder
        raise InputError(
            f"the signal cannot be read: {error}",
            remedy="The file is shorter than its header says, or damaged: get it again.",
            source=path,
            record=path.name,
        ) from error


def _within(marks: Annotations, offset: int, n_samples: int) -> Annotations:
    position = marks.sample - offset
    keep = (position >= 0) & (position < n_samples)
    return Annotations(position[keep], marks.symbol[keep], marks.text[keep])


def _attributes(header) -> dict[str, str]:
    """Age and sex from a first comment like ``69 M 1085 1629 x1``, or from ``age: 69 sex: M``; all comments as text."""
    comments = [str(c).strip() for c in header.comments or [] if str(c).strip()]
    out = {"comments": "\n".join(comments)} if comments else {}
    for line in comments:
        words = line.replace("<", " ").replace(">", " ").replace(":", " ").lower().split()
        found = dict(pairwise(words))
        if "age" in found and found["age"].isdigit():
            out["age"] = found["age"]
        if found.get("sex", found.get("gender")) in _SEXES:
            out["sex"] = _SEXES[found.get("sex", found.get("gender"))]
    first = comments[0].split() if comments else []
    if len(first) >= 2 and first[0].lstrip("-").isdigit() and first[1].lower() in _SEXES:
        # -1 means an unknown age
        out |= {"age": first[0]} if int(first[0]) >= 0 else {}
        out["sex"] = _SEXES[first[1].lower()]
    return out


def read_atr(
    path: str | Path,
    annotator: str = "atr",
    fs: float | None = None,
    *,
    frame_rate: float | None = None,
    default: object = "raise",
) -> tuple[Annotations | None, tuple[str, ...]]:
    """Annotations of a record.

    Args:
        path: the record.
        annotator: suffix of the file.
        fs: rate at which positions are wanted; None keeps those of the file.
        frame_rate: rate of the positions where the file states none; None takes ``fs``.
        default: what to return where the file is absent; "raise" raises.

    Returns:
        ``(annotations, notes)``; a note says how many marks were out of order.

    Raises:
        DataNotFoundError: the file is absent.
        InputError: the file cannot be read.
    """
    path = record_path(path)
    file = path.with_name(f"{path.name}.{annotator}")
    if not file.is_file():
        if default is None:
            return None, ()
        raise DataNotFoundError("the annotation file does not exist", source=file, record=path.name)
    marks = decode_atr(file)
    own = marks.fs or frame_rate or fs
    sample = np.asarray(marks.sample, dtype=np.int64)
    if fs is not None and own and own != fs:
        sample = np.rint(sample * (fs / own)).astype(np.int64)
    # the subtype says which leads a change of quality concerns
    text = [
        t or quality_text(subtype) if symbol == QUALITY else t
        for symbol, subtype, t in zip(marks.symbol, marks.subtype, marks.text, strict=True)
    ]
    return in_time_order(sample, marks.symbol, text, source=file)


def read_mitbih(
    folder: str | Path, record: str, channels: Sequence[str] | None = None, **options
) -> Recording:
    """A record of the MIT-BIH Arrhythmia Database, with its patient; 201 and 202 are of the same patient.

    Args:
        folder: holds ``<record>.hea``, ``.dat`` and ``.atr``.
        record: its number, ``"100"``.
        channels: as for :func:`read_wfdb`, which takes the other options too.
    """
    return read_wfdb(Path(folder) / str(record), channels, patient_id=mitbih_patient(str(record)), **options)
