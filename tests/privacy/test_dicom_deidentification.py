"""DICOM files by PS3.15: every attribute of the table is treated as it asks, nested and private ones too."""

import io

import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import keyword_for_tag

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.privacy.dicom import Deidentifier
from medanomaly.privacy.profile import OPTIONS, profile, table
from tests.privacy.dicom_corpus import BIRTH, KEPT, NAME, NUMBER, as_bytes, corpus_file

KEY = b"a secret of this test"


def cleaned(dataset=None, options=(), key=KEY):
    source = corpus_file() if dataset is None else dataset
    found, changes = Deidentifier(profile(options), key).clean(as_bytes(source), "film.dcm")
    stream = io.BytesIO()
    found.save_as(stream, enforce_file_format=True)
    return dcmread(io.BytesIO(stream.getvalue())), changes, stream.getvalue()


def test_the_table_is_whole():
    rows = table()
    assert len(rows) == 655
    assert {row["basic"] for row in rows} == {"X", "Z", "D", "U", "Z/D", "X/Z", "X/D", "X/Z/D", "X/Z/U*"}
    by_keyword = {row["keyword"]: row for row in rows}
    assert by_keyword["PatientName"]["basic"] == "Z"
    assert by_keyword["PatientBirthDate"]["basic"] == "Z"
    assert by_keyword["PatientID"]["basic"] == "Z/D"
    assert by_keyword["SOPInstanceUID"]["uids"] == "K"
    assert by_keyword["StudyDate"]["full_dates"] == "K"
    assert by_keyword["StudyDate"]["modified_dates"] == "C"
    assert by_keyword["PatientSex"]["characteristics"] == "K"
    assert by_keyword["StationName"]["device"] == "K"
    assert by_keyword["InstitutionName"]["institution"] == "K"


def test_every_attribute_of_the_table_is_treated_as_it_asks():
    source, (found, _, _) = corpus_file(), cleaned()
    of = profile()
    wrong = []
    written = ("PatientID", "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
               "LongitudinalTemporalInformationModified")  # fmt: skip
    for element in source:
        if element.tag.is_private or element.keyword in written:
            continue
        action, now = of.action(element.tag, element.VR), found.get_item(element.tag)
        value = None if now is None else found[element.tag].value
        right = {
            "X": now is None,
            "Z": now is not None and not value,
            "D": now is not None and value != element.value,
            "U": now is not None and value != element.value,
            "K": now is not None and (element.VR == "SQ" or value == element.value),
        }[action]
        if not right:
            wrong.append((element.keyword, action, value))
    assert not wrong
    assert len(source) > 600


def test_what_an_image_needs_is_kept():
    found, _, _ = cleaned()
    source = corpus_file()
    assert {k for k in KEPT if found.get(k) != source.get(k)} == set()
    assert found.SOPClassUID == source.SOPClassUID


def test_no_name_number_or_date_of_birth_is_left_anywhere_in_the_file():
    _, _, content = cleaned()
    for text in ("Mustermann", "Erika", NUMBER, BIRTH, "KH-4", "WARD"):
        assert text.encode() not in content
    # the corpus does hold them
    whole = as_bytes(corpus_file())
    assert all(text.encode() in whole for text in ("Mustermann", NUMBER, BIRTH))


def test_private_attributes_overlays_and_the_preamble_go():
    found, changes, content = cleaned()
    assert not [element for element in found.iterall() if element.tag.is_private]
    assert changes.private >= 2
    assert 0x60003000 not in found
    assert 0x60004000 not in found
    assert content[:128] == b"\0" * 128


def test_nested_names_go_and_nested_uids_follow_the_mapping():
    source = corpus_file()
    item, deeper = Dataset(), Dataset()
    deeper.PatientName, deeper.ReferencedSOPInstanceUID = NAME, source.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [deeper]
    source.SourceImageSequence = [item]
    found, _, _ = cleaned(source)
    inner = found.SourceImageSequence[0].PurposeOfReferenceCodeSequence[0]
    assert not inner.PatientName
    assert inner.ReferencedSOPInstanceUID == found.SOPInstanceUID
    assert found.SOPInstanceUID != source.SOPInstanceUID
    assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID


def test_files_of_a_study_stay_a_study_and_another_key_gives_others():
    first, _, _ = cleaned()
    second, _, _ = cleaned(corpus_file(SOPInstanceUID="1.3.6.1.4.1.9590.101"))
    other, _, _ = cleaned(key=b"another secret of the test")
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.PatientID == second.PatientID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.StudyInstanceUID != other.StudyInstanceUID
    assert first.PatientID != other.PatientID


def test_every_option_keeps_what_it_names_and_says_so():
    source = corpus_file()
    plain, _, _ = cleaned()
    expected = {
        "uids": ("StudyInstanceUID",),
        "device": ("StationName", "DeviceSerialNumber"),
        "institution": ("InstitutionName",),
        "characteristics": ("PatientSex", "PatientAge"),
        "full_dates": ("StudyDate", "AcquisitionDateTime"),
    }
    for option, keywords in expected.items():
        found, _, _ = cleaned(options=[option])
        for keyword in keywords:
            assert found[keyword].value == source[keyword].value, (option, keyword)
            assert plain.get(keyword) != source[keyword].value
        meanings = [code.CodeMeaning for code in found.DeidentificationMethodCodeSequence]
        assert meanings == ["Basic Application Confidentiality Profile", OPTIONS[option][1]]
    assert plain.PatientIdentityRemoved == "YES"
    assert plain.LongitudinalTemporalInformationModified == "REMOVED"


def test_shifted_dates_keep_their_distances_within_a_patient():
    source = corpus_file(StudyDate="20200301", SeriesDate="20200311", StudyTime="101500")
    found, _, _ = cleaned(source, options=["modified_dates"])
    from datetime import datetime

    study, series = (datetime.strptime(found[k].value, "%Y%m%d") for k in ("StudyDate", "SeriesDate"))
    assert (series - study).days == 10
    assert found.StudyDate != "20200301"
    assert found.StudyTime == "101500"
    assert found.LongitudinalTemporalInformationModified == "MODIFIED"
    # a birth date is no date of the examination
    assert not found.PatientBirthDate


def test_a_name_that_stands_in_an_attribute_that_stays_refuses_the_file():
    with pytest.raises(InputError, match="Manufacturer holds a value that was taken out"):
        cleaned(corpus_file(Manufacturer="on loan from Mustermann"))
    cleaned(corpus_file(Manufacturer="Example Imaging"))


def test_a_name_of_a_person_that_the_table_does_not_know_is_emptied():
    unknown = 0x00720999
    assert unknown not in profile().actions
    assert profile().action(unknown, "PN") == "Z"
    assert profile().action(unknown, "LO") == "K"


@pytest.mark.parametrize("content", [b"", b"no DICOM at all", b"\0" * 128 + b"DICM" + b"\xff" * 50])
def test_what_is_no_dicom_is_refused(content):
    with pytest.raises(InputError, match=r"x\.dcm"):
        Deidentifier(profile(), KEY).clean(content, "x.dcm")


def test_unknown_and_contradicting_options_are_refused():
    with pytest.raises(ConfigurationError, match=r"no option 'date'.*Known"):
        profile(["date"])
    with pytest.raises(ConfigurationError, match="kept and shifted at once"):
        profile(["full_dates", "modified_dates"])


def test_keywords_are_those_of_the_dictionary():
    for row in table():
        if "x" not in row["tag"] and row["keyword"]:
            assert keyword_for_tag(int(row["tag"], 16)) == row["keyword"]
