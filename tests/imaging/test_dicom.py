import contextlib
import io
import tracemalloc
import zlib

import numpy as np
import pytest
from dicom_files import dicom, ramp
from pydicom import DataElement, dcmread
from pydicom.data import get_testdata_file
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from medanomaly.core.errors import InputError
from medanomaly.imaging.sources.dicom import decode_dicom, header
from medanomaly.imaging.sources.raw_image import decode


def odd(**texts) -> bytes:
    """A file whose elements are texts, whatever their type should be."""
    content = dicom(ramp())
    dataset = dcmread(io.BytesIO(content))
    for keyword, text in texts.items():
        tag = tag_for_keyword(keyword)
        dataset[tag] = DataElement(tag, "LO", text)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def table(entries, bits, first=0, length=None) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries) if length is None else length, first, bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = np.asarray(entries, dtype="<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item


@pytest.mark.parametrize(
    ("bits", "dtype"), [(8, np.uint8), (10, np.uint16), (12, np.uint16), (16, np.uint16)]
)
def test_darkest_is_0_and_brightest_is_1_at_any_depth(bits, dtype):
    pixels = decode(dicom(ramp(bits, dtype), bits), "a.dcm").pixels
    assert pixels.dtype == np.float32
    assert pixels[0, 0] == 0
    assert pixels[-1, -1] == 1
    assert np.allclose(pixels.ravel(), np.linspace(0, 1, pixels.size), atol=1.5 / (2**bits - 1))


def test_monochrome1_is_inverted():
    plain, inverted = (
        decode(dicom(ramp(), photometric=p), "a").pixels for p in ("MONOCHROME2", "MONOCHROME1")
    )
    assert np.allclose(inverted, 1 - plain)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_after_rescale_is_that_of_pydicom(function):
    content = dicom(
        ramp(), RescaleSlope="2", RescaleIntercept="-1000", WindowCenter=[1500, 99], WindowWidth=[2500, 9],
        VOILUTFunction=function,
    )  # fmt: skip
    dataset = dcmread(io.BytesIO(content))
    values = apply_modality_lut(dataset.pixel_array, dataset)
    # pydicom scales a window to the range that the stored values have after rescale
    low, high = -1000.0, (2**12 - 1) * 2 - 1000.0
    expected = (apply_voi_lut(values, dataset) - low) / (high - low)
    assert np.allclose(decode(content, "a").pixels, expected, atol=1e-4)


def test_a_table_of_values_of_interest_is_applied():
    content = dicom(ramp(), VOILUTSequence=[table(65535 * (np.linspace(0, 1, 4096) ** 2), 16)])
    assert np.allclose(decode(content, "a").pixels, (ramp() / 4095.0) ** 2, atol=1e-3)
    assert decode(content, "a").attributes["window"] == "table"


def test_signed_values_are_read_as_signed():
    pixels = decode(dicom((ramp().astype(np.int32) - 2048).astype(np.int16)), "a").pixels
    assert (np.diff(pixels.ravel()) >= 0).all()


def test_padding_is_black_and_does_not_stretch_the_range():
    stored = ramp().copy()
    stored[:, :5] = 4095
    stored[:, 5:] = 1000 + stored[:, 5:] // 8
    pixels = decode(dicom(stored, PixelPaddingValue=4095), "a").pixels
    assert (pixels[:, :5] == 0).all()
    assert pixels[:, 5:].max() == 1


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_images_give_the_same_pixels(syntax):
    pytest.importorskip("openjpeg" if syntax == JPEG2000Lossless else "rle")
    stored = np.random.default_rng(0).integers(0, 4096, (40, 50)).astype(np.uint16)
    compressed = dicom(stored, syntax=syntax)
    assert (decode(compressed, "a").pixels == decode(dicom(stored), "a").pixels).all()
    assert header(compressed, "a")["transfer_syntax"] == syntax.name


def test_colours_become_luminance():
    red = np.zeros((20, 30, 3), np.uint8)
    red[:, 15:, 0] = 255
    pixels = decode_dicom(dicom(red, 8, "RGB", WindowCenter=128, WindowWidth=256), "a").pixels
    assert np.allclose(pixels[:, 20], 0.299, atol=0.01)


def test_header_says_burned_in_and_names_nobody():
    content = dicom(ramp(), BurnedInAnnotation="YES")
    kept = header(content, "a")
    assert kept["burned_in"] == "YES"
    assert kept["age"] == 34
    assert (kept["width"], kept["height"], kept["bits"]) == (50, 40, 12)
    assert not any(word in str(kept) for word in ("4711", "Doe", "Jane"))
    assert header(dicom(ramp()), "a")["burned_in"] == "unknown"
    assert header(dicom(ramp()), "a")["patient_id"] == kept["patient_id"]


def test_a_name_in_a_field_for_something_else_is_not_said_again():
    header_fields = dcmread(
        io.BytesIO(dicom(ramp(), WindowCenter=1, WindowWidth=2, RescaleSlope=1, NumberOfFrames=1))
    )
    keywords = [element.keyword for element in header_fields if element.keyword != "PixelData"]
    keywords += [
        "PatientSex",
        "PixelPaddingValue",
        "BurnedInAnnotation",
        "VOILUTFunction",
        "PresentationLUTShape",
    ]
    for keyword in keywords:
        content, said = odd(**{keyword: "DOEJOHN"}), []
        assert b"DOEJOHN" in content
        for kept in (lambda c: header(c, "a"), lambda c: decode_dicom(c, "a").attributes):
            try:
                said.append(str(kept(content)))
            except InputError as error:
                said.append(str(error))
        assert not any("DOE" in text for text in said), keyword


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (dicom(ramp())[:-500], "decoded|readable"),
        (dicom(ramp(), NumberOfFrames=2), "2 frames"),
        (dicom(ramp(), photometric="PALETTE COLOR"), "PALETTE COLOR"),
        (dicom(ramp(), WindowCenter=0, WindowWidth=-3), "window"),
        (odd(WindowCenter="auto", WindowWidth="7"), "WindowCenter is no number"),
        (odd(RescaleSlope="x"), "RescaleSlope is no number"),
        (odd(Rows="wide"), "Rows is no number"),
        (dicom(np.stack([ramp()] * 3).reshape(-1, 50), Rows=40), "3 frames"),
        (dicom(ramp(), Rows=65535, Columns=65535), "too many"),
        (b"\0" * 128 + b"DICM" + b"\xff" * 40, "readable|no pixels"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_a_reason(content, message):
    with pytest.raises(InputError, match=message):
        decode(content, "image.dcm")


def test_a_table_declared_wider_than_its_data_is_scaled_by_its_own_maximum():
    image = decode(dicom(ramp(), VOILUTSequence=[table(np.arange(4096), 16)]), "a")
    assert np.allclose(image.pixels, ramp() / 4095.0, atol=1e-6)
    assert any("wider than its data" in note for note in image.attributes["notes"])
    # a table that uses all of its bits keeps its scale, whatever its maximum
    whole = decode(dicom(ramp(), VOILUTSequence=[table(np.linspace(0, 60000, 4096), 16)]), "a").pixels
    assert whole.max() == pytest.approx(60000 / 65535)


def test_a_table_shorter_than_declared_goes_on_with_its_last_entry_and_an_empty_one_is_none():
    short = decode(dicom(ramp(), VOILUTSequence=[table(np.arange(2048) * 32, 16, length=4096)]), "a").pixels
    assert np.allclose(short, np.minimum(ramp(), 2047) * 32 / 65535, atol=1e-6)
    assert (
        decode(dicom(ramp(), VOILUTSequence=[Dataset()]), "a").pixels == decode(dicom(ramp()), "a").pixels
    ).all()


def test_a_table_of_eight_bits_and_a_table_before_the_window_are_applied():
    packed = Dataset()
    packed.LUTDescriptor, packed.LUTData = [256, 0, 8], bytes(range(255, -1, -1))
    packed["LUTData"].VR = "OW"
    eight = ramp(8, np.uint8)
    assert np.allclose(decode(dicom(eight, 8, VOILUTSequence=[packed]), "a").pixels, 1 - eight / 255)
    modality = table(np.arange(4096)[::-1], 12)
    assert np.allclose(decode(dicom(ramp(), ModalityLUTSequence=[modality]), "a").pixels, 1 - ramp() / 4095.0)


@pytest.mark.parametrize(("value", "vr"), [(-2000, "SS"), (63536, "US")])
def test_padding_of_either_sign_is_recognised(value, vr):
    stored = (ramp().astype(np.int32) - 1000).astype(np.int16)
    stored[:, :5] = -2000
    tag = tag_for_keyword("PixelPaddingValue")
    dataset = dcmread(io.BytesIO(dicom(stored, 16)))
    dataset[tag] = DataElement(tag, vr, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    pixels = decode(buffer.getvalue(), "a").pixels
    assert (pixels[:, :5] == 0).all()
    inside = stored[:, 5:].astype(float)
    assert np.allclose(pixels[:, 5:], (inside - inside.min()) / np.ptp(inside), atol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_the_stored_ones_are_found_by_the_high_bit(signed):
    values = ramp().astype(np.int32) - (2048 if signed else 0)
    shifted = (values << 4).astype(np.int16 if signed else np.uint16)
    pixels = decode(dicom(shifted, 12, HighBit=15), "a").pixels
    assert np.allclose(pixels, ramp() / 4095.0, atol=1e-6)


def test_unused_bits_above_the_high_bit_do_not_count():
    overlaid = ramp() | (0xA << 12)
    assert np.allclose(decode(dicom(overlaid.astype(np.uint16), 12), "a").pixels, ramp() / 4095.0, atol=1e-6)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [("MONOCHROME2", "IDENTITY", False), ("MONOCHROME2", "INVERSE", True), ("MONOCHROME1", "INVERSE", True)],
)
def test_the_presentation_shape_is_applied_once(photometric, shape, inverted):
    pixels = decode(dicom(ramp(), photometric=photometric, PresentationLUTShape=shape), "a").pixels
    assert np.allclose(pixels, 1 - ramp() / 4095.0 if inverted else ramp() / 4095.0, atol=1e-6)


def test_a_slope_of_0_is_ignored_and_it_is_said():
    image = decode(dicom(ramp(), RescaleSlope="0", RescaleIntercept="-7"), "a")
    assert np.allclose(image.pixels, ramp() / 4095.0, atol=1e-6)
    assert any("slope of 0" in note for note in image.attributes["notes"])


def test_a_window_of_width_0_shows_the_full_range_and_a_narrow_one_is_exact():
    zero = decode(dicom(ramp(), WindowCenter=0, WindowWidth=0), "a")
    assert np.allclose(zero.pixels, ramp() / 4095.0, atol=1e-6)
    assert any("width 0" in note for note in zero.attributes["notes"])
    tags = {"RescaleSlope": "0.0001", "RescaleIntercept": "0"}
    narrow = decode(dicom(ramp(), WindowCenter="0.2", WindowWidth="0.4", **tags), "a").pixels
    assert np.allclose(narrow, np.clip(ramp() * 1e-4 / 0.4, 0, 1), atol=1e-6)


@pytest.mark.parametrize(
    "texts",
    [
        {"RescaleSlope": "", "RescaleIntercept": "0"},
        {"NumberOfFrames": "one"},
        {"NumberOfFrames": "1\\1"},
        {"BitsStored": "12\\12"},
        {"PixelPaddingValue": "5000\\1"},
        {"WindowCenter": "2047,5", "WindowWidth": "4096", "VOILUTFunction": "LINEAR_EXACT"},
    ],
)
def test_odd_values_with_an_obvious_meaning_are_read(texts):
    expected = ramp() / (4096.0 if "WindowCenter" in texts else 4095.0)
    assert np.allclose(decode(odd(**texts), "a").pixels, expected, atol=2e-4)
    assert header(odd(**texts), "a")["bits"] == 12


def test_a_file_without_preamble_gives_the_same_image():
    content = dicom(ramp())
    dataset = dcmread(io.BytesIO(content))
    for implicit, little in ((True, True), (False, True)):
        buffer = io.BytesIO()
        del dataset.file_meta
        dataset.file_meta = type(dcmread(io.BytesIO(content)).file_meta)()
        dataset.save_as(buffer, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
        bare = buffer.getvalue()[buffer.getvalue().find(b"\x08\0\x16\0") :]
        assert (decode(bare, "a").pixels == decode(content, "a").pixels).all()
        assert header(bare, "a")["bits"] == 12


def test_headers_cut_or_altered_anywhere_raise_one_kind_of_error():
    whole = dicom(
        ramp()[:6, :6].copy(),
        WindowCenter=[1500, 99],
        WindowWidth=[2500, 9],
        RescaleSlope="1",
        PixelPaddingValue=3,
    )
    random = np.random.default_rng(0)
    altered = [whole[:i] for i in range(0, len(whole), 3)]
    for _ in range(200):
        content = bytearray(whole)
        for place in random.integers(132, len(whole), 3):
            content[place] = random.integers(256)
        altered.append(bytes(content))
    for content in altered:
        for read in (header, decode):
            with contextlib.suppress(InputError):
                read(content, "image.dcm")


def test_several_images_in_a_stream_without_a_number_of_frames_are_refused():
    pytest.importorskip("rle")
    stored = np.stack([ramp()] * 3)
    dataset = dcmread(io.BytesIO(dicom(stored.reshape(120, 50), Rows=40, NumberOfFrames=3)))
    dataset.compress(RLELossless, generate_instance_uid=False)
    del dataset.NumberOfFrames
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    with pytest.raises(InputError, match="3 frames"):
        decode(buffer.getvalue(), "a")


def test_jpeg_of_12_bits_is_decoded_by_gdcm():
    gdcm = pytest.importorskip("gdcm")
    path = get_testdata_file("JPEG-lossy.dcm", download=False)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    content = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    values = np.frombuffer(content, "<u2").reshape(1024, 256).astype(float)
    with open(path, "rb") as stream:
        pixels = decode(stream.read(), "a").pixels
    assert np.allclose(pixels, (values - values.min()) / np.ptp(values), atol=1e-6)


def test_a_deflated_bomb_is_refused_before_it_is_unpacked():
    dataset = dcmread(io.BytesIO(dicom(ramp())))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    assert np.allclose(decode(buffer.getvalue(), "a").pixels, ramp() / 4095.0, atol=1e-6)
    start = buffer.getvalue()[: 144 + int.from_bytes(buffer.getvalue()[140:144], "little")]
    packer = zlib.compressobj(1, wbits=-15)
    packed = b"".join(packer.compress(bytes(2**24)) for _ in range(9)) + packer.flush()
    tracemalloc.start()
    for read in (header, decode):
        with pytest.raises(InputError, match="larger than 128 MiB"):
            read(start + packed, "a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20


@pytest.mark.parametrize("depth", [50, 2000, 100_000])
@pytest.mark.parametrize("closed", [False, True])
def test_nested_sequences_and_unknown_types_cost_only_their_file(depth, closed):
    content = dicom(ramp())
    start = 144 + int.from_bytes(content[140:144], "little")
    opened = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * depth
    ends = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" * depth if closed else b""
    unknown = content.replace(b"\x28\0\x10\0US", b"\x28\0\x10\0ZZ")
    for damaged in (content[:start] + opened + ends + content[start:], unknown):
        for read in (header, decode):
            with contextlib.suppress(InputError):
                read(damaged, "a")


@pytest.mark.parametrize("placeholder", ["", "ANONYMOUS", "-1", "X "])
def test_a_placeholder_is_no_patient(placeholder):
    assert header(dicom(ramp(), PatientID=placeholder), "a")["patient_id"] is None


def test_pseudonyms_depend_on_the_key():
    one, same, other = (
        header(dicom(ramp()), "a", key)["patient_id"] for key in (b"1" * 16, b"1" * 16, b"2" * 16)
    )
    assert one == same != other
