import io

import numpy as np
import pytest
from dicom_files import dicom, ramp
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import JPEG2000Lossless, RLELossless

from medanomaly.core.errors import InputError
from medanomaly.imaging.sources.dicom import decode_dicom, header
from medanomaly.imaging.sources.raw_image import decode


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
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table.LUTData = (65535 * (np.linspace(0, 1, 4096) ** 2)).astype(np.uint16).tobytes()
    table["LUTData"].VR = "OW"
    content = dicom(ramp(), VOILUTSequence=[table])
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (dicom(ramp())[:-500], "decoded|readable"),
        (dicom(ramp(), NumberOfFrames=2), "2 frames"),
        (dicom(ramp(), photometric="PALETTE COLOR"), "PALETTE COLOR"),
        (dicom(ramp(), WindowCenter=0, WindowWidth=-3), "window"),
        (b"\0" * 128 + b"DICM" + b"\xff" * 40, "readable|no pixels"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_a_reason(content, message):
    with pytest.raises(InputError, match=message):
        decode(content, "image.dcm")
