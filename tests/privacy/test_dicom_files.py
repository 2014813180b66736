"""A folder of films: text in the pixels is covered and nothing else changes, and the record says what was done."""

import io
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread

from medanomaly.commands.cli import cli
from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.privacy.burned_in import cover_text
from medanomaly.privacy.dicom import Deidentifier
from medanomaly.privacy.dicom_files import RECORD, deidentify_files, dicom_files, faults
from medanomaly.privacy.profile import profile
from tests.privacy.dicom_corpus import NAME, as_bytes, corpus_file, film

KEY = b"a secret of this test"
ocr = pytest.mark.skipif(
    pytest.importorskip("importlib.util").find_spec("rapidocr") is None,
    reason="rapidocr is not installed (extra privacy)",
)


def with_text(pixels, *texts, size=22):
    """Texts and their places written in the brightest grey; the image and a mask of where letters may be."""
    top = int(pixels.max() * 1.2)
    image, mask = Image.fromarray(pixels.astype(np.int32)), Image.new("1", pixels.shape[::-1])
    font = ImageFont.load_default(size)
    for text, at in texts:
        ImageDraw.Draw(image).text(at, text, fill=top, font=font)
        ImageDraw.Draw(mask).text(at, text, fill=1, font=font)
    return np.asarray(image).astype(pixels.dtype), np.asarray(mask)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three films: with a name and a marker in the pixels, without text, and a file that is no DICOM."""
    path = tmp_path_factory.mktemp("films")
    pixels, _ = with_text(film(1), ("MUSTERMANN E 1957-03-02", (20, 30)), ("L", (340, 60)))
    (path / "Mustermann_1.dcm").write_bytes(as_bytes(corpus_file(pixels)))
    (path / "b.dcm").write_bytes(as_bytes(corpus_file(film(2), SOPInstanceUID="1.3.6.1.4.1.9590.101")))
    (path / "notes.txt").write_text("Mustermann")
    return path


@pytest.fixture(scope="module")
def shared(folder, tmp_path_factory):
    """What the command makes of them."""
    out = tmp_path_factory.mktemp("out") / "shared"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDANOMALY_DEIDENTIFY_KEY", KEY.decode())
        return out, CliRunner().invoke(cli, ["deidentify", str(folder), "-o", str(out)])


def films(out):
    return [dcmread(path) for path in sorted(out.rglob("*.dcm"))]


@ocr
class TestCommand:
    def test_it_writes_what_it_can_and_says_what_it_did_not(self, shared):
        out, result = shared
        assert result.exit_code == 1
        assert "2 of 3 files written" in result.stdout
        assert "notes.txt" in result.stderr
        assert "not written" in result.stderr
        assert "wrong:" not in result.stderr
        assert len(films(out)) == 2

    def test_the_text_is_gone_and_only_boxes_changed(self, shared, folder):
        out, _ = shared
        entries = json.loads((out / RECORD).read_text())["files"]
        by_input = {entry["input"]: entry for entry in entries}
        changed = dcmread(out / by_input[1]["file"]).pixel_array
        before = dcmread(folder / "Mustermann_1.dcm").pixel_array
        assert by_input[1]["texts_covered"] >= 1
        differ = changed != before
        assert differ[20:70, 15:330].any()
        assert not differ[80:].any()
        # the marker of the side stays
        assert not differ[60:90, 335:].any()
        assert by_input[2]["texts_covered"] == 0
        same = dcmread(out / by_input[2]["file"]).pixel_array
        assert np.array_equal(same, dcmread(folder / "b.dcm").pixel_array)

    def test_each_file_says_what_was_done(self, shared):
        out, _ = shared
        for found in films(out):
            assert found.PatientIdentityRemoved == "YES"
            assert found.BurnedInAnnotation == "NO"
            codes = [code.CodeValue for code in found.DeidentificationMethodCodeSequence]
            assert codes == ["113100", "113101"]

    def test_neither_the_record_nor_a_file_name_names_anybody(self, shared):
        out, _ = shared
        names = " ".join(path.name for path in out.rglob("*"))
        assert "Mustermann" not in (out / RECORD).read_text() + names
        record = json.loads((out / RECORD).read_text())
        assert record["refused"][0]["input"] == 3
        assert record["pixels"] == "read for text"

    def test_a_changed_file_is_found(self, shared):
        out, _ = shared
        path = next(out.rglob("*.dcm"))
        content = path.read_bytes()
        found = dcmread(io.BytesIO(content))
        found.PatientName = NAME
        found.save_as(path)
        try:
            wrong = list(faults(out, profile()))
            assert any("not as it was written" in fault for fault in wrong)
            assert any("holds a value of PatientName" in fault for fault in wrong)
        finally:
            path.write_bytes(content)
        assert list(faults(out, profile())) == []


def test_unread_pixels_are_not_called_free_of_identity(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDANOMALY_DEIDENTIFY_KEY", KEY.decode())
    result = CliRunner().invoke(
        cli, ["deidentify", str(folder / "b.dcm"), "-o", str(tmp_path / "x"), "--without-pixel-check"]
    )
    assert result.exit_code == 0, result.output
    assert "no file says that identity was removed" in result.output
    (found,) = films(tmp_path / "x")
    assert found.PatientIdentityRemoved == "NO"
    assert found.get("BurnedInAnnotation") != "NO"
    assert json.loads((tmp_path / "x" / RECORD).read_text())["pixels"] == "not read for text"


def test_without_the_reader_the_command_refuses(folder, tmp_path, monkeypatch):
    import sys

    from medanomaly.privacy.burned_in import text_reader

    text_reader.cache_clear()
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(ConfigurationError, match=r"medanomaly\[privacy\]"):
        text_reader()
    text_reader.cache_clear()


def test_a_folder_with_files_and_a_file_given_twice_are_refused(folder, tmp_path):
    cleaner = Deidentifier(profile(), KEY)
    with pytest.raises(ConfigurationError, match="not empty"):
        deidentify_files(dicom_files(folder), folder, cleaner, None)
    outcome = deidentify_files([folder / "b.dcm", folder / "b.dcm"], tmp_path / "twice", cleaner, None)
    assert len(outcome.written) == 1
    assert "same SOP Instance UID" in outcome.refused[0][1]


def test_text_that_cannot_be_covered_refuses_the_image():
    with pytest.raises(InputError, match="even after it was covered"):
        cover_text(film(), lambda image: [((0, 5, 0, 5), "DOE")])


def test_markers_stay_and_an_image_without_text_is_the_same():
    pixels = film()
    found = cover_text(pixels, lambda image: [((0, 5, 0, 5), "R"), ((9, 12, 0, 5), "PA erect")])
    assert found.boxes == ()
    assert np.array_equal(found.pixels, pixels)


def test_anatomy_that_is_read_as_one_letter_stays_and_a_long_text_read_as_one_letter_goes():
    pixels, large, long = film(), ((0, 247, 0, 210), "1"), ((5, 25, 5, 60), "1")
    assert cover_text(pixels, lambda image: [large]).boxes == ()
    seen = iter([[large, long], []])
    assert cover_text(pixels, lambda image: next(seen)).boxes == (long[0],)


def test_a_box_takes_the_grey_around_it():
    pixels = np.full((40, 60), 100, np.uint16)
    pixels[10:20, 10:30] = 4000
    seen = iter([[((10, 20, 10, 30), "DOE")], []])
    found = cover_text(pixels, lambda image: next(seen))
    assert (found.pixels == 100).all()
    assert found.boxes == ((10, 20, 10, 30),)
