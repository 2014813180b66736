"""DICOM radiographs: stored values to grey values in [0, 1], and the part of the header that may be kept."""

import hashlib
import io

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.imaging.sources.raw_image import RawImage

_CODECS = "Install the extra: pip install 'medanomaly[dicom]'."


def pseudonym(patient_id: str) -> str:
    """A patient id that does not show the id of the hospital: 12 hexadecimal digits of its BLAKE2b hash.

    Short ids can be found by trying all of them. This keeps names out of tables; it does not anonymise a study.
    """
    return "D" + hashlib.blake2b(patient_id.encode(), digest_size=6).hexdigest()


def header(content: bytes, name: str) -> dict:
    """The part of a header that is kept; it names no person.

    Returns:
        ``patient_id`` (pseudonym, None without one), ``sex``, ``age`` (years), ``view``, ``photometric``, ``bits``,
        ``transfer_syntax``, ``width``, ``height``, ``burned_in`` (``YES``, ``NO`` or ``unknown``), ``series``.
    """
    return _attributes(_dataset(content, name, stop_before_pixels=True))


def decode_dicom(content: bytes, name: str, window: str = "file") -> RawImage:
    """Decode one single-frame radiograph.

    Stored values pass the modality transformation (rescale slope and intercept, or its table), then the value-of-interest
    transformation. That is the first window or table of the file (DICOM PS3.3 C.11.2). Without one, or with
    ``window="full"``, it is the range from the darkest to the brightest pixel. MONOCHROME1 (low = bright) is inverted,
    colours become luminance, and padding pixels become black.

    Args:
        content: the file.
        name: shown in errors.
        window: ``file`` or ``full``.

    Raises:
        InputError: the file is not DICOM, has no pixels or several frames, or needs a codec or a photometric
            interpretation that is not supported.
        ConfigurationError: ``window`` has another value.
    """
    if window not in ("file", "full"):
        raise ConfigurationError(f"window '{window}'", remedy="Give 'file' or 'full'.")
    dataset = _dataset(content, name)
    if "PixelData" not in dataset:
        raise InputError("the file holds no pixels", source=name)
    if int(dataset.get("NumberOfFrames", 1) or 1) > 1:
        raise InputError(
            f"{dataset.NumberOfFrames} frames in one file", remedy="Give one image per file.", source=name
        )
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    try:
        stored = dataset.pixel_array
    # codecs raise errors of many kinds on damaged data
    except Exception as error:
        raise InputError(
            f"pixels in {_syntax(dataset)} cannot be decoded: {error}", remedy=_CODECS, source=name
        ) from error
    if stored.ndim == 3:
        # pydicom converts YBR to RGB; weights of ITU-R BT.601
        stored = stored @ np.array([0.299, 0.587, 0.114])
    elif photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(
            f"photometric interpretation '{photometric}'",
            remedy="Expected MONOCHROME1, MONOCHROME2 or RGB.",
            source=name,
        )
    padding = _padding(dataset, stored)
    values = np.asarray(apply_modality_lut(stored, dataset), dtype=np.float64)
    shown, applied = _window(values, dataset, window, ~padding, name)
    if photometric == "MONOCHROME1":
        shown = 1.0 - shown
    shown[padding] = 0.0
    return RawImage(shown.astype(np.float32), _attributes(dataset) | {"window": applied})


def _dataset(content: bytes, name: str, **options) -> Dataset:
    try:
        return dcmread(io.BytesIO(content), **options)
    except (InvalidDicomError, EOFError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"not a readable DICOM file: {error}", source=name) from error


def _padding(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """Pixels outside the image (PS3.3 C.7.5.1.1.2): one value, or a range of them."""
    if dataset.get("PixelPaddingValue") is None:
        return np.zeros(stored.shape, dtype=bool)
    first = int(dataset.PixelPaddingValue)
    last = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((first, first if last is None else int(last)))
    return (stored >= low) & (stored <= high)


def _first(value: object) -> float:
    return float(value if isinstance(value, int | float | str) else next(iter(value)))


def _window(values, dataset: Dataset, window: str, inside: np.ndarray, name: str) -> tuple[np.ndarray, str]:
    """Values in [0, 1], and the name of the rule that was applied."""
    if window == "file" and dataset.get("VOILUTSequence"):
        table = dataset.VOILUTSequence[0]
        looked_up = apply_voi_lut(values.astype(np.int64), dataset, index=0, prefer_lut=True)
        return np.clip(looked_up / (2.0 ** int(table.LUTDescriptor[2]) - 1), 0, 1), "table"
    if (
        window == "file"
        and dataset.get("WindowCenter") is not None
        and dataset.get("WindowWidth") is not None
    ):
        centre, width = _first(dataset.WindowCenter), _first(dataset.WindowWidth)
        function = str(dataset.get("VOILUTFunction", "LINEAR") or "LINEAR").upper()
        if (width < 1 and function == "LINEAR") or width <= 0:
            raise InputError(f"a window of width {width:g}", remedy="Widths are at least 1.", source=name)
        if function == "SIGMOID":
            return 1.0 / (
                1.0 + np.exp(np.clip(-4.0 * (values - centre) / width, -700, 700))
            ), "sigmoid window"
        if function == "LINEAR_EXACT":
            return np.clip((values - centre) / width + 0.5, 0, 1), "exact window"
        if width == 1:
            return (values > centre - 0.5).astype(np.float64), "linear window"
        return np.clip((values - (centre - 0.5)) / (width - 1.0) + 0.5, 0, 1), "linear window"
    shown = values[inside]
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 0.0)
    return np.clip((values - low) / (high - low if high > low else 1.0), 0, 1), "full range"


def _syntax(dataset: Dataset) -> str:
    syntax = getattr(dataset.file_meta, "TransferSyntaxUID", None)
    return syntax.name if syntax is not None else "an unknown transfer syntax"


def _attributes(dataset: Dataset) -> dict:
    patient = str(dataset.get("PatientID", "") or "").strip()
    age = str(dataset.get("PatientAge", "") or "").strip()
    years = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
    burned = str(dataset.get("BurnedInAnnotation", "") or "").upper()
    return {
        "patient_id": pseudonym(patient) if patient else None,
        "sex": str(dataset.get("PatientSex", "") or "") or None,
        "age": int(age[:3]) * years[age[3]] if age[:3].isdigit() and age[3:] in years else None,
        "view": str(dataset.get("ViewPosition", "") or "") or None,
        "photometric": str(dataset.get("PhotometricInterpretation", "")),
        "bits": int(dataset.get("BitsStored", 0) or 0),
        "transfer_syntax": _syntax(dataset),
        "width": int(dataset.get("Columns", 0) or 0),
        "height": int(dataset.get("Rows", 0) or 0),
        "burned_in": burned if burned in ("YES", "NO") else "unknown",
    }
