"""EDF, EDF+ and BDF: recordings in and out, with their annotations.

EDF has no value for "nothing was recorded". Here the samples of a gap are written as 0, and an annotation
``missing@@MLII`` gives its onset and duration. EDF+ ties an annotation to a signal by ``@@``; without it the gap is in
every lead. Reading turns these samples back into NaN. Records of EDF have a fixed length, so the last one is padded; the
annotation ``padding`` says from where, and reading cuts there.

Source: Kemp, Olivan 2003, "European data format 'plus' (EDF+)", Clinical Neurophysiology 114; edfplus.info.
"""

import re
import shutil
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyedflib

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.signals.recordings.annotated_intervals import runs
from medanomaly.signals.recordings.annotation_order import in_time_order
from medanomaly.signals.recordings.annotation_text import from_lines, to_text
from medanomaly.signals.recordings.common_rate import at_common_rate
from medanomaly.signals.recordings.leads import unique_names
from medanomaly.signals.recordings.patient_ids import free_text_id, stated_id
from medanomaly.signals.recordings.recording import Annotations, Recording

MISSING, PADDING = "missing", "padding"
_DIGITAL_MAX = 32767
# limits of the format and of the library that writes it, in bytes
_LABEL, _DIMENSION, _TEXT = 16, 8, 40
_LONGEST_RECORD_S = 60
# where the header counts the data records; -1 until the recording is closed
_COUNT = slice(236, 244)
_LONGEST_CODE, _LARGEST_NUMBER = 60, 99_999_999
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
# code, sex, birth date and name, as EDF+ wants the field of the patient
_EDF_PLUS_FIELD = re.compile(r"\S+ [MFX] (X|\d{2}-[A-Z]{3}-\d{4})( .*)?")
# EDF+ writes X for what is unknown
_NO_CODE = frozenset({"", "X"})
_ANNOTATION_SIGNALS = 64


@contextmanager
def _opened(path: Path) -> Iterator[tuple[pyedflib.EdfReader, tuple[str, ...]]]:
    """The open file, and a note where its header does not count its data records, as where a recording was not closed."""
    if not path.is_file():
        raise DataNotFoundError("the file does not exist", source=path)
    found = _layout(path)
    if found is None or found.n_records > 0:
        with closing(_reader(path, path)) as file:
            yield file, ()
        return
    n_records, rest = divmod(path.stat().st_size - found.header_bytes, found.record_bytes)
    if n_records < 1:
        raise InputError("the file holds no complete data record", source=path)
    note = f"the header does not count the data records: {n_records} follow from the size of the file" + (
        "; the last one is incomplete and left out" if rest else ""
    )
    with TemporaryDirectory() as folder:
        # the library reads no file without a count, and the file itself stays as it is
        counted = Path(shutil.copyfile(path, Path(folder) / path.name))
        with counted.open("r+b") as file:
            file.seek(_COUNT.start)
            file.write(str(n_records).ljust(_COUNT.stop - _COUNT.start).encode())
        with closing(_reader(counted, path)) as file:
            yield file, (note,)


def _reader(at: Path, path: Path) -> pyedflib.EdfReader:
    try:
        return pyedflib.EdfReader(str(at))
    except (OSError, ValueError, UnicodeDecodeError) as error:
        problem = str(error).removeprefix(f"{at}: ")
        remedy = "Give EDF, EDF+C or BDF that keeps to the standard."
        if "discontinuous" in problem.lower():
            remedy = "Export it as a continuous file (EDF+C), with gaps as annotations 'missing'."
        raise InputError(f"the file cannot be read: {problem}", remedy=remedy, source=path) from error


@dataclass(frozen=True)
class _Layout:
    """What the header says of the data records; a count that is no number is 0."""

    n_records: int
    header_bytes: int
    record_bytes: int


def _layout(path: Path) -> _Layout | None:
    """How the data records of a file lie in it; None where its header is none of EDF or BDF."""
    try:
        with path.open("rb") as file:
            fixed = file.read(256)
            n_signals = int(fixed[252:256])
            file.seek(256 + 216 * n_signals)
            samples = sum(int(file.read(8)) for _ in range(n_signals))
        size = samples * (3 if fixed[:1] == b"\xff" else 2)
        header_bytes = int(fixed[184:192])
    except (ValueError, OSError):
        return None
    if size < 1 or header_bytes < 256:
        return None
    try:
        return _Layout(int(fixed[_COUNT]), header_bytes, size)
    except ValueError:
        return _Layout(0, header_bytes, size)


def _marks(file: pyedflib.EdfReader) -> list[tuple[float, float, str]]:
    onset, duration, text = file.readAnnotations()
    return [
        (float(o), max(0.0, float(d)), str(t).strip()) for o, d, t in zip(onset, duration, text, strict=True)
    ]


def edf_patient(path: str | Path) -> str | None:
    """Patient code of a file, or None where it has none.

    In EDF+ it is the first word of the patient field. In plain EDF that field is free text: it counts only where it has the
    form of EDF+, or is one word with a digit in it. Placeholders (``X``, ``anonymous``) are no codes.
    """
    with Path(path).open("rb") as file:
        header = file.read(256)
    text = header[8:88].decode("ascii", errors="replace").strip()
    if header[192:197] in (b"EDF+C", b"EDF+D", b"BDF+C", b"BDF+D") or _EDF_PLUS_FIELD.fullmatch(text):
        return stated_id(text.partition(" ")[0])
    return free_text_id(text)


def read_edf(
    path: str | Path, channels: Sequence[str] | None = None, *, patient_id: str | None = None
) -> Recording:
    """Read a recording.

    Args:
        path: an EDF, EDF+C or BDF file.
        channels: labels of signals to read, in this order; None reads all.
        patient_id: whose it is; None takes the patient code of the file, or the name of the file where there is none.

    Returns:
        The recording in float32, in the units of the header. Signals of different rates come at the highest of them. The
        position of an annotation is its onset. An annotation that is a WFDB code (``V``, or ``V: text``) has this code as
        its symbol, and so has a usual name of a beat; any other has the symbol ``"`` (comment) and its text.

    Raises:
        DataNotFoundError: no file.
        InputError: the file is not EDF, is EDF+D (discontinuous), holds no signal, or lacks a signal that is asked for.
    """
    path = Path(path)
    with _opened(path) as (file, uncounted):
        labels, notes = unique_names([label.strip() for label in file.getSignalLabels()])
        if not labels:
            raise InputError(
                "the file holds only annotations", remedy="Read them by read_edf_annotations.", source=path
            )
        wanted = list(labels) if channels is None else list(channels)
        if unknown := [name for name in wanted if name not in labels]:
            raise InputError(
                f"there is no signal {unknown}", remedy=f"There are {list(labels)}.", source=path
            )
        if not file.datarecord_duration > 0:
            raise InputError(
                f"data records last {file.datarecord_duration:g} s",
                remedy="Write the length of a data record in seconds into the header.",
                source=path,
            )
        numbers = list(range(len(labels))) if channels is None else [labels.index(name) for name in wanted]
        rates = [float(file.getSampleFrequency(j)) for j in numbers]
        if not min(rates) > 0:
            raise InputError(f"sampling rates are {rates}", source=path)
        columns = [file.readSignal(j) for j in numbers]
        signal, fs, changed = at_common_rate(columns, rates, tuple(wanted))
        units = tuple(file.getPhysicalDimension(j).strip() for j in numbers)
        marks, header = _marks(file), file.getHeader()
        behind = _behind(path, file.datarecords_in_file, file.datarecord_duration)
    if patient_id is None and (patient_id := edf_patient(path)) is None:
        notes += (
            "the patient field of the file is empty, free text or a placeholder: it was not taken as an id",
        )
    signal, marks, gaps = _with_gaps(signal, fs, wanted, marks)
    annotations, sorted_note = _annotations(marks, fs, path) if marks else (None, ())
    code = str(header.get("patientcode", "")).strip()
    known = {"sex": str(header.get("sex", ""))[:1].upper(), "patient_code": code}
    return Recording(
        record=path.stem,
        patient_id=path.stem if patient_id is None else patient_id,
        signal=signal,
        fs=fs,
        leads=tuple(wanted),
        units=units,
        annotations=annotations,
        attributes={name: value for name, value in known.items() if value not in _NO_CODE},
        notes=(*notes, *uncounted, *behind, *changed, *gaps, *sorted_note),
        own_rates=dict(zip(wanted, rates, strict=True)),
    )


def _behind(path: Path, n_records: int, seconds: float) -> tuple[str, ...]:
    """A note on what lies in the file behind the data records that its header counts."""
    found = _layout(path)
    left = 0 if found is None else path.stat().st_size - found.header_bytes - n_records * found.record_bytes
    if found is None or left < found.record_bytes:
        return ()
    return (
        f"the header counts {n_records * seconds:g} s; {left // found.record_bytes * seconds:g} s behind them were not "
        "read: correct the number of data records in the header",
    )


def _with_gaps(signal, fs, leads, marks):
    """Put NaN where the file says that nothing was recorded; such annotations are removed."""
    rest, lost = [], 0
    for onset, duration, text in marks:
        what, _, lead = text.partition("@@")
        first, last = round(onset * fs), round((onset + duration) * fs)
        if what == PADDING:
            signal = signal[:first]
        elif what == MISSING and (not lead or lead in leads):
            columns = [leads.index(lead)] if lead else slice(None)
            signal[first:last, columns] = np.nan
            lost += 1
        elif what != MISSING:
            rest.append((onset, duration, text))
    return signal, rest, (f"{lost} stretches that the file marks as missing became gaps",) if lost else ()


def _annotations(marks, fs, path):
    symbols, texts, understood = from_lines([text for _, _, text in marks])
    at = np.rint([max(0.0, onset) * fs for onset, _, _ in marks]).astype(np.int64)
    annotations, order = in_time_order(at, symbols, texts, source=path)
    return annotations, (*understood, *order)


def read_edf_annotations(path: str | Path, fs: float) -> Annotations:
    """Annotations of a file, whether or not it holds signals.

    Args:
        path: an EDF+ file.
        fs: rate in Hz of the recording they belong to.
    """
    path = Path(path)
    with _opened(path) as (file, _):
        marks = [m for m in _marks(file) if m[2].partition("@@")[0] not in {MISSING, PADDING}]
    return _annotations(marks, fs, path)[0]


def _outward(low: float, high: float) -> tuple[float, float]:
    """Limits with four digits, or fewer, that include every value and that EDF can write in eight characters."""
    widest = max(abs(low), abs(high), 1e-3)
    for digits in (4, 3, 2, 1):
        step = 10.0 ** (np.floor(np.log10(widest)) - digits + 1)
        bottom, top = np.floor(low / step) * step, np.ceil(high / step) * step
        limits = float(f"{bottom:.{digits}g}"), float(f"{max(top, bottom + 2 * step):.{digits}g}")
        if all(len(_number(limit)) <= _DIMENSION for limit in limits):
            break
    return limits


def _number(x: float) -> str:
    """A number in as few characters as it needs, without an exponent where eight are enough."""
    plain = np.format_float_positional(x, trim="-")
    return plain if len(plain) <= _DIMENSION else np.format_float_scientific(x, trim="-", exp_digits=1)


def _patient_code(patient: str, record: str) -> str:
    """The id in ASCII, as EDF+ wants it: Mueller for Müller, e for é, _ for a blank.

    Raises:
        InputError: a letter has no ASCII form, or the id is too long.
    """
    plain = unicodedata.normalize("NFC", patient).translate(_UMLAUTS).replace(" ", "_")
    plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    if not plain.isascii() or len(plain) > _LONGEST_CODE:
        raise InputError(
            f"the patient id is no ASCII text of at most {_LONGEST_CODE} characters",
            record=record,
            remedy="Give the recording a patient_id of Latin letters and digits.",
        )
    return plain


def _record_seconds(fs: float, record: str) -> int:
    exact = Fraction(str(float(fs))).limit_denominator(10**6)
    if exact.denominator > _LONGEST_RECORD_S:
        raise InputError(
            f"{fs:g} Hz has no whole number of samples in {_LONGEST_RECORD_S} s",
            record=record,
            remedy="Resample to a whole rate first (medanomaly.signals.recordings.resampling).",
        )
    return exact.denominator


def write_edf(recording: Recording, path: str | Path) -> Path:
    """Write a recording and its annotations as EDF+C, with 16 bits per sample over the range of each lead.

    Args:
        recording: any recording; NaN is stored as the docstring of this module says.
        path: the file; an existing one is replaced.

    Raises:
        InputError: a lead name, a unit or an annotation is longer than EDF+ allows, or the rate does not fit.
    """
    path, name = Path(path), recording.record
    if recording.n_samples == 0 or not recording.leads:
        raise InputError(
            "there is nothing to write", record=name, remedy="Give a recording with leads and samples."
        )
    seconds = _record_seconds(recording.fs, name)
    headers, columns, marks = [], [], []
    for j, lead in enumerate(recording.leads):
        unit = recording.units[j].replace("µ", "u").replace("μ", "u").replace("°", "deg")
        for text, limit in ((lead, _LABEL), (unit, _DIMENSION)):
            if len(text) > limit or not text.isascii():
                raise InputError(
                    f"'{text}' is not an ASCII text of at most {limit} characters",
                    record=name,
                    remedy="Rename the lead or the unit.",
                )
        values = recording.signal[:, j].astype(np.float64)
        missing = np.isnan(values)
        marks += [(a / recording.fs, (b - a) / recording.fs, f"{MISSING}@@{lead}") for a, b in runs(missing)]
        values[missing] = 0.0
        low, high = _outward(values.min(), values.max())
        if max(abs(low), abs(high)) > _LARGEST_NUMBER:
            raise InputError(
                f"lead {lead} reaches from {low:g} to {high:g} {unit}",
                record=name,
                remedy=f"EDF holds numbers up to {_LARGEST_NUMBER:,}: convert the lead to a larger unit.",
            )
        headers.append(
            {
                "label": lead,
                "dimension": unit,
                "sample_frequency": recording.fs,
                "physical_min": low,
                "physical_max": high,
                "digital_min": -_DIGITAL_MAX - 1,
                "digital_max": _DIGITAL_MAX,
                "transducer": "",
                "prefilter": "",
            }
        )
        columns.append(values)
    per_record = round(recording.fs * seconds)
    n_records = -(-recording.n_samples // per_record)
    padding = n_records * per_record - recording.n_samples
    if padding:
        marks.append((recording.duration, padding / recording.fs, PADDING))
        columns = [np.concatenate([c, np.zeros(padding)]) for c in columns]
    if recording.annotations is not None:
        a = recording.annotations
        marks += [
            (s / recording.fs, -1, to_text(str(y), str(t)))
            for s, y, t in zip(a.sample, a.symbol, a.text, strict=True)
        ]
    for onset, _, text in marks:
        if len(text.encode()) > _TEXT:
            raise InputError(
                f"the annotation '{text}' at {onset:.3f} s is longer than {_TEXT} bytes",
                record=name,
                remedy="Shorten it, or write the annotations as CSV.",
            )
    _write(path, recording, headers, columns, sorted(marks), seconds, n_records)
    return path


def _write(path, recording, headers, columns, marks, seconds, n_records):
    needed = max(1, -(-len(marks) // n_records))
    if needed > _ANNOTATION_SIGNALS:
        raise InputError(
            f"{len(marks)} annotations and gaps in {recording.duration:g} s are more than EDF+ allows",
            record=recording.record,
            remedy="Write the annotations as CSV.",
        )
    code = _patient_code(recording.patient_id, recording.record)
    with warnings.catch_warnings():
        # the library cuts limits off after eight characters; they are written again below
        warnings.simplefilter("ignore", UserWarning)
        file = pyedflib.EdfWriter(str(path), len(headers), file_type=pyedflib.FILETYPE_EDFPLUS)
        try:
            if seconds != 1:
                file.setDatarecordDuration(seconds)
            file.setSignalHeaders(headers)
            file.setPatientCode(code)
            file.set_number_of_annotation_signals(needed)
            file.writeSamples(columns)
            for onset, duration, text in marks:
                file.writeAnnotation(onset, duration, text)
        finally:
            file.close()
    _write_limits(path, headers)


def _write_limits(path: Path, headers: list[dict]) -> None:
    """Write the physical limits of every signal in eight characters that say the same number."""
    with path.open("r+b") as file:
        file.seek(252)
        n_signals = int(file.read(4))
        for j, header in enumerate(headers):
            for k, limit in enumerate((header["physical_min"], header["physical_max"])):
                file.seek(256 + n_signals * (104 + 8 * k) + 8 * j)
                file.write(_number(limit).ljust(_DIMENSION).encode())
