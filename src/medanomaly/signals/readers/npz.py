"""Recordings as ``.npz``: arrays only, nothing pickled."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.signals.recordings.annotation_order import in_time_order
from medanomaly.signals.recordings.annotation_text import as_codes
from medanomaly.signals.recordings.recording import Annotations, Recording

_MARKS = ("annotation_sample", "annotation_symbol", "annotation_text")


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
    path: str | Path, *, fs: float | None = None, units: str = "mV", patient_id: str | None = None
) -> Recording:
    """Read a recording.

    Args:
        path: a file with ``signal`` (n,) or (n_samples, n_leads) and, where known, ``fs``, ``leads``, ``units``,
            ``patient_id``, ``annotation_sample``, ``annotation_symbol``, ``annotation_text``.
        fs: rate in Hz where the file states none.
        units: of every lead where the file states none.
        patient_id: whose it is; None takes ``patient_id`` of the file, or the name of the file.

    Raises:
        DataNotFoundError: no file.
        InputError: the arrays are absent, do not fit, or need pickle.
    """
    path = Path(path)
    if not path.is_file():
        raise DataNotFoundError("the file does not exist", source=path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, BadZipFile, OSError, EOFError, AttributeError) as error:
        raise InputError(f"the file is not an npz of plain arrays: {error}", source=path) from error
    signal = arrays.get("signal")
    if signal is None or signal.dtype.kind not in "fiu" or signal.ndim not in {1, 2}:
        found = {name: value.shape for name, value in arrays.items()}
        raise InputError(
            f"there is no array signal of numbers with one or two dimensions: {found}",
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
    notes = [] if "units" in arrays else [f"the file states no units: {units} was taken"]
    leads = _texts(arrays, "leads", [f"lead {j + 1}" for j in range(signal.shape[1])])
    marks = None
    if _MARKS[0] in arrays:
        marks, more = _annotations(arrays, path)
        notes += more
    patient = _texts(arrays, "patient_id", [path.stem])[0]
    return Recording(
        record=path.stem,
        patient_id=patient if patient_id is None else patient_id,
        signal=signal,
        fs=rate,
        leads=tuple(leads),
        units=tuple(_texts(arrays, "units", [units] * signal.shape[1])),
        annotations=marks,
        attributes=dict(
            zip(_texts(arrays, "attribute_names", []), _texts(arrays, "attribute_values", []), strict=True)
        ),
        notes=tuple(notes),
    )


def npz_patient(path: str | Path) -> str | None:
    """The patient that a file names, read without its signal; None where it names none or is not an npz."""
    try:
        with np.load(Path(path), allow_pickle=False) as file:
            return str(file["patient_id"]) if "patient_id" in file.files else None
    except (ValueError, BadZipFile, OSError, EOFError, AttributeError):
        return None


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
