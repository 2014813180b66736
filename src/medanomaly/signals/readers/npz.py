"""Recordings as ``.npz``: arrays only, nothing pickled."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.core.unpacked_size import check_unpacked_size
from medanomaly.signals.recordings.annotation_order import in_time_order
from medanomaly.signals.recordings.annotation_text import as_codes
from medanomaly.signals.recordings.leads import unique_names
from medanomaly.signals.recordings.patient_ids import stated_id
from medanomaly.signals.recordings.recording import Annotations, Recording
from medanomaly.signals.recordings.voltage import COUNTS, whole_numbers

_MARKS = ("annotation_sample", "annotation_symbol", "annotation_text")
_TEXTS = ("leads", "units", "patient_id", "attribute_names", "attribute_values")
_LONGEST_TEXTS = 2**20


def write_npz(recording: Recording, path: str | Path) -> Path:
    """Write a recording without its notes; NaN stays NaN, numbers stay exact.

    Args:
        recording: any recording.
        path: the file.
    """
    arrays = {
        "signal": recording.signal,
        "fs": np.float64(recording.fs),
        "leads": np.array(recording.leads, dtype=str),
        "units": np.array(recording.units, dtype=str),
        "patient_id": np.array(recording.patient_id, dtype=str),
        "attribute_names": np.array(list(recording.attributes), dtype=str),
        "attribute_values": np.array(list(recording.attributes.values()), dtype=str),
    }
    if recording.annotations is not None:
        marks = recording.annotations
        arrays |= dict(
            zip(_MARKS, (marks.sample, marks.symbol.astype(str), marks.text.astype(str)), strict=True)
        )
    path = Path(path)
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return path


def read_npz(
    path: str | Path, *, fs: float | None = None, units: str | None = None, patient_id: str | None = None
) -> Recording:
    """Read a recording.

    Args:
        path: a file with ``signal`` (n,) or (n_samples, n_leads) and, where known, ``fs``, ``leads``, ``units``,
            ``patient_id``, ``annotation_sample``, ``annotation_symbol``, ``annotation_text``.
        fs: rate in Hz where the file states none.
        units: of every lead where the file states none; None takes mV, or counts of an ADC for whole numbers.
        patient_id: whose it is; None takes ``patient_id`` of the file, or the name of the file.

    Raises:
        DataNotFoundError: no file.
        InputError: the arrays are absent, do not fit, or need pickle.
    """
    path = Path(path)
    if not path.is_file():
        raise DataNotFoundError("the file does not exist", source=path)
    arrays = _arrays(path, ("signal", "fs", *_TEXTS, *_MARKS))
    signal = arrays.get("signal")
    if signal is None or signal.dtype.kind not in "fiu" or signal.ndim not in {1, 2}:
        found = "none" if signal is None else f"{signal.dtype} {signal.shape}"
        raise InputError(
            f"there is no array signal of numbers with one or two dimensions, but {found}",
            remedy="Add an array signal with one row per sample and one column per lead.",
            source=path,
        )
    signal = signal.astype(np.float32).reshape(len(signal), -1)
    if signal.shape[1] > signal.shape[0] > 0:
        raise InputError(
            f"{signal.shape[0]} samples of {signal.shape[1]} leads",
            remedy="Transpose the array: one row per sample, one column per lead.",
            source=path,
        )
    rate = _rate(arrays, fs, path)
    notes = []
    if "units" not in arrays and units is None:
        units = COUNTS if whole_numbers(signal) else "mV"
        counts = ", and the values are whole numbers: counts of an ADC, whose scale is unknown"
        notes = [f"the file states no units{counts if units == COUNTS else ': mV was taken'}"]
    names = _texts(arrays, "leads", [f"lead {j + 1}" for j in range(signal.shape[1])])
    leads, numbered = unique_names(names)
    notes += numbered
    marks = None
    if _MARKS[0] in arrays:
        marks, more = _annotations(arrays, path)
        notes += more
    if patient_id is None and (patient_id := _stated(arrays)) is None:
        patient_id = path.stem
        if "patient_id" in arrays:
            notes.append("patient_id of the file is empty or a placeholder: it was not taken as an id")
    keys, values = (_texts(arrays, f"attribute_{part}", []) for part in ("names", "values"))
    if len(keys) != len(values):
        raise InputError(
            f"{len(keys)} attribute_names and {len(values)} attribute_values",
            remedy="Give one value per name.",
            source=path,
        )
    return Recording(
        record=path.stem,
        patient_id=patient_id,
        signal=signal,
        fs=rate,
        leads=leads,
        units=tuple(_texts(arrays, "units", [units] * signal.shape[1])),
        annotations=marks,
        attributes=dict(zip(keys, values, strict=True)),
        notes=tuple(notes),
    )


def npz_patient(path: str | Path) -> str | None:
    """The patient that a file names, read without its signal; None where it names none or is not an npz."""
    try:
        return _stated(_arrays(Path(path), ("patient_id",)))
    except InputError:
        return None


def _arrays(path: Path, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of these names that are there; sizes are looked at before anything is decoded."""
    try:
        with np.load(path, allow_pickle=False) as file:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in file.zip.infolist()}
            check_unpacked_size((sizes.get(name, 0) for name in wanted), path.stat().st_size, path)
            if long := [name for name in _TEXTS if name in wanted and sizes.get(name, 0) > _LONGEST_TEXTS]:
                raise InputError(
                    f"array {long[0]} has {sizes[long[0]]:,} bytes", remedy="Give short names.", source=path
                )
            return {name: file[name] for name in wanted if name in file.files}
    except InputError:
        raise
    except Exception as error:  # a damaged file can raise any error of zipfile, zlib or numpy
        raise InputError(f"the file is not an npz of plain arrays: {error}", source=path) from error


def _stated(arrays: dict[str, np.ndarray]) -> str | None:
    texts = _texts(arrays, "patient_id", [])
    return stated_id(texts[0]) if texts else None


def _texts(arrays: dict[str, np.ndarray], name: str, default: list[str]) -> list[str]:
    return [str(v) for v in np.atleast_1d(arrays[name])] if name in arrays else default


def _rate(arrays: dict[str, np.ndarray], fs: float | None, path: Path) -> float:
    stated = arrays.get("fs", fs)
    try:
        return float(np.asarray(stated).item())
    except (TypeError, ValueError):
        raise InputError(
            "the file states no sampling rate", remedy="Add an array fs (Hz), or pass fs.", source=path
        ) from None


def _annotations(arrays: dict[str, np.ndarray], path: Path) -> tuple[Annotations, tuple[str, ...]]:
    sample = np.atleast_1d(arrays[_MARKS[0]])
    symbol = _texts(arrays, _MARKS[1], [""] * len(sample))
    text = _texts(arrays, _MARKS[2], [""] * len(sample))
    if sample.dtype.kind not in "iu" or not len(sample) == len(symbol) == len(text):
        raise InputError(
            f"{len(sample)} annotation positions of type {sample.dtype}, {len(symbol)} symbols, {len(text)} texts",
            remedy="Give one of each per mark; positions are integers.",
            source=path,
        )
    symbol, understood = as_codes(symbol)
    marks, order = in_time_order(sample, symbol, text, source=path)
    return marks, (*understood, *order)
