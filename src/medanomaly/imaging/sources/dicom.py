"""DICOM radiographs: stored values to grey values in [0, 1], and the part of the header that may be kept."""

import io
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from pydicom import DataElement, Dataset, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.encaps import generate_fragments, parse_basic_offsets
from pydicom.filereader import read_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
    RLELossless,
)

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.imaging.sources.pseudonyms import pseudonym
from medanomaly.imaging.sources.raw_image import LARGEST_PIXELS, RawImage, is_dicom, notes_on_range

_CODECS = "Install the extra: pip install 'medanomaly[dicom]'."
LARGEST_INFLATED = 128 * 2**20  # bytes of a deflated file; a radiograph has 2 to 50 MB
# what an image of a stream begins with: JPEG and JPEG-LS, JPEG 2000
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")
# of the standard; anything else may be what belongs into another field
_PHOTOMETRIC = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420",
                "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT", "ARGB", "CMYK", "HSV", "XYB")  # fmt: skip
_SEXES = ("F", "M", "O")
_QUOTED = r"b?('[^']*'|\"[^\"]*\")"
# what programs write in place of a patient id; all people of an archive would become one
_NO_PATIENT = ("anonymous", "anonymized", "anonymised", "anon", "unknown", "none", "removed", "x", "-1")


def header(content: bytes, name: str, key: bytes | None = None) -> dict:
    """The part of a header that is kept; it names no person.

    Args:
        content: the file.
        name: shown in errors.
        key: of the pseudonyms; see :func:`medanomaly.imaging.sources.pseudonyms.pseudonym`.

    Returns:
        ``patient_id`` (pseudonym, None without one), ``sex``, ``age`` (years), ``view``, ``photometric``, ``bits``,
        ``transfer_syntax``, ``width``, ``height``, ``burned_in`` (``YES``, ``NO`` or ``unknown``).

    Raises:
        InputError: the file is not DICOM, or a number of its header is none.
    """
    with _only_input_errors("the header cannot be read", name):
        return _attributes(_dataset(content, name, stop_before_pixels=True), name, key)


def decode_dicom(content: bytes, name: str, window: str = "file") -> RawImage:
    """Decode one single-frame radiograph.

    Stored values pass the modality transformation (rescale slope and intercept, or its table), then the value-of-interest
    transformation. That is the first table or window of the file (DICOM PS3.3 C.11.2). Without one, with a window of width
    0, or with ``window="full"``, it is the range from the darkest to the brightest pixel. MONOCHROME1 (low = bright) and
    the presentation shape INVERSE are inverted, colours become luminance, and padding pixels become black.

    Args:
        content: the file.
        name: shown in errors.
        window: ``file`` or ``full``.

    Returns:
        The image; its attributes are those of :func:`header`, ``window`` (the rule that was applied) and ``notes``.

    Raises:
        InputError: the file is not DICOM, has no pixels, several frames or too many pixels, a number of its header is
            none, or it needs a codec or a photometric interpretation that is not supported.
        ConfigurationError: ``window`` has another value.
    """
    if window not in ("file", "full"):
        raise ConfigurationError(f"window '{window}'", remedy="Give 'file' or 'full'.")
    with _only_input_errors("the image cannot be decoded", name):
        return _decoded(_dataset(content, name), name, window)


@contextmanager
def _only_input_errors(problem: str, name: str) -> Iterator[None]:
    """Damaged files make pydicom and its codecs raise errors of many kinds; one file is all that they cost."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{problem}: {_words(error)}", source=name) from error


def _decoded(dataset: Dataset, name: str, window: str) -> RawImage:
    if "PixelData" not in dataset:
        raise InputError("the file holds no pixels", source=name)
    photometric = _text(dataset, "PhotometricInterpretation")
    colours = _integer(dataset, "SamplesPerPixel", name, 1) > 1
    if not colours and photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(
            f"photometric interpretation '{photometric}'"
            if photometric in _PHOTOMETRIC
            else "an unknown photometric interpretation",
            remedy="Expected MONOCHROME1, MONOCHROME2 or RGB.",
            source=name,
        )
    attributes, notes = _attributes(dataset, name), []
    stored = _stored(dataset, name)
    if colours:
        # pydicom converts YBR to RGB; weights of ITU-R BT.601
        stored = stored @ np.array([0.299, 0.587, 0.114])
    # values of at most 16 bits are transformed once each, not once per pixel
    low, high = (int(stored.min()), int(stored.max())) if stored.dtype.kind in "iu" else (0, 2**16)
    few = high - low < 2**16
    places = (stored.astype(np.int64) - low).astype(np.uint16) if few else slice(None)
    levels = np.arange(low, high + 1) if few else stored
    occurs = np.zeros(levels.shape, dtype=bool)
    occurs[places] = True
    padding = _padding(dataset, levels, name)
    values = _rescaled(dataset, levels, name, notes)
    shown, applied = _window(values, dataset, window, occurs & ~padding, name, notes)
    inverse = _text(dataset, "PresentationLUTShape").upper() == "INVERSE"
    if photometric == "MONOCHROME1" or inverse:
        shown = 1.0 - shown
    shown[padding] = 0.0
    pixels = shown.astype(np.float32)[places]
    notes += notes_on_range(pixels[~padding[places]])
    return RawImage(pixels, attributes | {"window": applied, "notes": tuple(notes)})


def _dataset(content: bytes, name: str, **options) -> Dataset:
    """The file as pydicom reads it; its values are converted later, when they are asked for."""
    if not is_dicom(content):
        raise InputError("not a DICOM file", remedy="Expected DICM after 128 bytes.", source=name)
    with _only_input_errors("not a readable DICOM file", name):
        _refuse_bomb(content, name)
        dataset = dcmread(io.BytesIO(content), force=True, **options)
        if not isinstance(dataset.file_meta.get("TransferSyntaxUID"), UID):
            implicit, little = dataset.original_encoding
            plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else plain
    return dataset


def _words(error: Exception) -> str:
    """What an error says, without values of the header, which it quotes."""
    return re.sub(_QUOTED, "'...'", str(error)) or type(error).__name__


def _refuse_bomb(content: bytes, name: str) -> None:
    """Refuse a deflated file that grows beyond the limit; nothing of it is kept in memory."""
    if DeflatedExplicitVRLittleEndian.encode() not in content[:4096]:
        return
    stream = io.BytesIO(content)
    stream.seek(132 if content[128:132] == b"DICM" else 0)
    # the elements before the compressed data set
    meta = read_dataset(stream, False, True, stop_when=lambda tag, *_: tag.group != 2)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    inflater, rest, size = zlib.decompressobj(-zlib.MAX_WBITS), stream.read(), 0
    while rest and not inflater.eof:
        size += len(inflater.decompress(rest, 2**20))
        rest = inflater.unconsumed_tail
        if size > LARGEST_INFLATED:
            raise InputError(
                f"its compressed data set is larger than {LARGEST_INFLATED // 2**20} MiB",
                remedy="No radiograph is as large as that.",
                source=name,
            )


def _numbers(dataset: Dataset, keyword: str, name: str) -> list[float]:
    """Numbers of an element, [] where it is absent or empty; a decimal comma is understood.

    Raises:
        InputError: a value is no finite number.
    """
    try:
        value = dataset.get(keyword)
    # the text does not fit the type of the element; its bytes are still there
    except Exception:
        value = dataset.get_item(tag_for_keyword(keyword)).value
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        value = value.split("\\")
    values = value if isinstance(value, Sequence) else [] if value is None else [value]
    texts = [str(v).strip(" \0\t\r\n") for v in values]
    try:
        numbers = [float(text.replace(",", ".")) for text in texts if text]
    except ValueError:
        numbers = [math.nan]
    if not all(math.isfinite(number) for number in numbers):
        # what stands there may belong into another field, and name a person
        raise InputError(f"{keyword} is no number", source=name)
    return numbers


def _integer(dataset: Dataset, keyword: str, name: str, default: int) -> int:
    """The first number of an element as an integer."""
    return int(next(iter(_numbers(dataset, keyword, name)), default))


def _text(dataset: Dataset, keyword: str) -> str:
    """The first text of an element, "" where it is absent or cannot be read."""
    try:
        value = dataset.get(keyword)
    # the element holds bytes that are no text
    except Exception:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = next(iter(value), "")
    return "" if value is None else str(value).strip(" \0")


def _stored(dataset: Dataset, name: str) -> np.ndarray:
    """Stored values, (H, W) or (H, W, 3).

    Raises:
        InputError: several frames, too many pixels, or pixels that cannot be decoded.
    """
    rows, columns = (_integer(dataset, keyword, name, 0) for keyword in ("Rows", "Columns"))
    samples = _integer(dataset, "SamplesPerPixel", name, 1)
    if rows < 1 or columns < 1:
        raise InputError(f"an image of {columns} x {rows} px", source=name)
    if rows * columns > LARGEST_PIXELS:
        raise InputError(f"{columns} x {rows} px are too many", source=name)
    frames = _frames(dataset, name)
    if frames > 1:
        raise InputError(f"{frames} frames in one file", remedy="Give one image per file.", source=name)
    allocated = _integer(dataset, "BitsAllocated", name, 0)
    bits = _integer(dataset, "BitsStored", name, allocated)
    high = _integer(dataset, "HighBit", name, bits - 1)
    # the highest bit may lie above the number of stored bits: pydicom would cut off what is above them
    shift = high + 1 - bits if bits - 1 < high < allocated and not _is_stream(dataset) else 0
    _set(dataset, "BitsStored", bits + shift)
    try:
        stored = dataset.pixel_array
    # codecs raise errors of many kinds on damaged data
    except Exception as error:
        if _syntax_uid(dataset) != JPEGExtended12Bit or bits <= 8:
            remedy = _CODECS if "missing dependencies" in str(error) else ""
            raise InputError(
                f"pixels in {_syntax(dataset)} cannot be decoded: {_words(error)}", remedy=remedy, source=name
            ) from error
        stored = _jpeg_of_12_bits(dataset, rows, columns, name)
    if stored.ndim != (2 if samples == 1 else 3):
        raise InputError(f"{len(stored)} frames in one file", remedy="Give one image per file.", source=name)
    return stored >> shift if shift else stored


def _frames(dataset: Dataset, name: str) -> int:
    """Number of images in the file; a number of frames that is no number counts as absent."""
    try:
        frames = _integer(dataset, "NumberOfFrames", name, 0)
    except InputError:
        frames = 0
    _set(dataset, "NumberOfFrames", max(frames, 1))
    if frames:
        return frames
    del dataset.NumberOfFrames
    if not _is_stream(dataset) and _syntax_uid(dataset) != RLELossless:
        return 1  # pydicom counts the images of plain pixels
    stream = io.BytesIO(dataset.PixelData)
    parse_basic_offsets(stream)
    fragments = generate_fragments(stream)
    if _syntax_uid(dataset) == RLELossless:
        return sum(1 for _ in fragments)
    return sum(fragment.startswith(_STARTS) for fragment in fragments)


def _set(dataset: Dataset, keyword: str, value: int) -> None:
    """Replace an element whose value may not be readable."""
    tag = tag_for_keyword(keyword)
    dataset[tag] = DataElement(tag, dictionary_VR(tag), value)


def _jpeg_of_12_bits(dataset: Dataset, rows: int, columns: int, name: str) -> np.ndarray:
    """Pixels of a lossy 12-bit JPEG, which pydicom does not pass to GDCM; (H, W) uint16."""
    try:
        import gdcm
    except ImportError as error:
        raise InputError("pixels in 12-bit JPEG need GDCM", remedy=_CODECS, source=name) from error
    stream = io.BytesIO(dataset.PixelData)
    parse_basic_offsets(stream)
    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(b"".join(generate_fragments(stream)))
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(_text(dataset, "PhotometricInterpretation"))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(JPEGExtended12Bit))))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    decoded = image.GetBuffer()
    # GDCM returns bytes as text
    content = decoded.encode("utf-8", "surrogateescape") if decoded else b""
    if len(content) != 2 * rows * columns:
        raise InputError("pixels in 12-bit JPEG cannot be decoded", source=name)
    return np.frombuffer(content, dtype="<u2").reshape(rows, columns)


def _padding(dataset: Dataset, stored: np.ndarray, name: str) -> np.ndarray:
    """Pixels outside the image (PS3.3 C.7.5.1.1.2): one value, or a range of them."""
    first, last = (_numbers(dataset, k, name)[:1] for k in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if not first:
        return np.zeros(stored.shape, dtype=bool)
    signed = _integer(dataset, "PixelRepresentation", name, 0) == 1
    limits = sorted(_same_sign(value, signed) for value in first + (last or first))
    return (stored >= limits[0]) & (stored <= limits[1])


def _same_sign(value: float, signed: bool) -> float:
    """A number of 16 bits that was written with the other sign than the pixels have."""
    if signed:
        return value - 2**16 if 2**15 <= value < 2**16 else value
    return value + 2**16 if -(2**15) <= value < 0 else value


def _rescaled(dataset: Dataset, stored: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    """Values after the modality transformation (PS3.3 C.11.1), float64."""
    table = _table(dataset, "ModalityLUTSequence", stored, name)
    if table is not None:
        return _looked_up(stored, *table[:2])
    slope, intercept = (
        next(iter(_numbers(dataset, keyword, name)), None) for keyword in ("RescaleSlope", "RescaleIntercept")
    )
    values = stored.astype(np.float64)
    if slope == 0:
        notes.append("have a rescale slope of 0, which is ignored")
        return values
    if slope is None and intercept is None:
        return values
    return values * (1.0 if slope is None else slope) + (intercept or 0.0)


def _table(
    dataset: Dataset, keyword: str, values: np.ndarray, name: str
) -> tuple[np.ndarray, float, int] | None:
    """Entries, first input and bits of the first look-up table of a sequence; None without one, or if it is empty.

    Descriptors are often wrong: tables are shorter than they say, and first inputs have the wrong sign.
    """
    sequence = dataset.get(keyword)
    if not sequence:
        return None
    item = sequence[0]
    described, data = _numbers(item, "LUTDescriptor", name), item.get("LUTData")
    if not described or data is None or len(data) == 0:
        return None
    if len(described) != 3:
        raise InputError(f"the table of {keyword} has no valid descriptor", source=name)
    length, bits = int(described[0]) or 2**16, int(described[2])
    if isinstance(data, bytes):
        little = _syntax_uid(dataset) != ExplicitVRBigEndian
        packed = bits <= 8 and len(data) in (length, length + length % 2)
        data = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little else ">u2") if not packed else data
    entries = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else np.atleast_1d(np.asarray(data))
    if not 1 <= bits <= 16 or entries.size == 0:
        raise InputError(f"the table of {keyword} has no valid descriptor", source=name)
    first = _same_sign(described[1], signed=True) if values.min() < 0 else described[1]
    return entries[:length].astype(np.float64), first, bits


def _looked_up(values: np.ndarray, entries: np.ndarray, first: float) -> np.ndarray:
    """Entry of each value; the ends of the table go on."""
    return entries[np.clip(np.trunc(values) - first, 0, len(entries) - 1).astype(np.int64)]


def _window(
    values: np.ndarray, dataset: Dataset, window: str, inside: np.ndarray, name: str, notes: list[str]
) -> tuple[np.ndarray, str]:
    """Values in [0, 1], and the name of the rule that was applied."""
    table = _table(dataset, "VOILUTSequence", values, name) if window == "file" else None
    if table is not None:
        entries, first, bits = table
        top, largest = 2.0**bits - 1, float(entries.max())
        if 0 < largest < 2 ** (bits - 1):
            # a descriptor of 16 bits for entries of 12 would make the image almost black
            notes.append(
                "have a table of grey values that is declared wider than its data: its own maximum is white"
            )
            top = largest
        return np.clip(_looked_up(values, entries, first) / top, 0, 1), "table"
    centre, width = (
        next(iter(_numbers(dataset, keyword, name)), None) if window == "file" else None
        for keyword in ("WindowCenter", "WindowWidth")
    )
    if width == 0:
        notes.append("have a window of width 0, which is ignored: the full range is shown")
    elif centre is not None and width is not None:
        function = _text(dataset, "VOILUTFunction").upper()
        if width < 0:
            raise InputError(f"a window of width {width:g}", remedy="Widths are positive.", source=name)
        if function == "SIGMOID":
            return 1.0 / (
                1.0 + np.exp(np.clip(-4.0 * (values - centre) / width, -700, 700))
            ), "sigmoid window"
        if function == "LINEAR_EXACT" or width < 1:
            if function != "LINEAR_EXACT":
                notes.append("have a window narrower than 1, which is applied as LINEAR_EXACT")
            return np.clip((values - centre) / width + 0.5, 0, 1), "exact window"
        if width == 1:
            return (values > centre - 0.5).astype(np.float64), "linear window"
        return np.clip((values - (centre - 0.5)) / (width - 1.0) + 0.5, 0, 1), "linear window"
    shown = values[inside]
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 0.0)
    return np.clip((values - low) / (high - low if high > low else 1.0), 0, 1), "full range"


def _syntax_uid(dataset: Dataset):
    return getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")


def _is_stream(dataset: Dataset) -> bool:
    """Whether pixels are compressed by a codec that keeps only the stored bits."""
    syntax = _syntax_uid(dataset)
    return bool(
        syntax is not None and syntax.is_compressed and not syntax.is_deflated and syntax != RLELossless
    )


def _syntax(dataset: Dataset) -> str:
    syntax = _syntax_uid(dataset)
    return syntax.name if syntax is not None and syntax.is_valid else "an unknown transfer syntax"


def _attributes(dataset: Dataset, name: str, key: bytes | None = None) -> dict:
    patient, age = _text(dataset, "PatientID"), _text(dataset, "PatientAge")
    years = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
    burned = _text(dataset, "BurnedInAnnotation").upper()
    sex, photometric = _text(dataset, "PatientSex").upper(), _text(dataset, "PhotometricInterpretation")
    return {
        "patient_id": pseudonym(patient, "D", key) if patient.lower() not in ("", *_NO_PATIENT) else None,
        "sex": sex if sex in _SEXES else None,
        "age": int(age[:3]) * years[age[3]] if age[:3].isdecimal() and age[3:] in years else None,
        "view": _text(dataset, "ViewPosition") or None,
        "photometric": photometric if photometric in _PHOTOMETRIC else "unknown",
        "bits": _integer(dataset, "BitsStored", name, 0),
        "transfer_syntax": _syntax(dataset),
        "width": _integer(dataset, "Columns", name, 0),
        "height": _integer(dataset, "Rows", name, 0),
        "burned_in": burned if burned in ("YES", "NO") else "unknown",
    }
