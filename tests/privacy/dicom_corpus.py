"""DICOM files whose every attribute of the table holds something that could identify a person."""

import io

import numpy as np
from pydicom import DataElement, Dataset, FileMetaDataset
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.uid import ExplicitVRLittleEndian

from medanomaly.privacy.profile import table

CR = "1.2.840.10008.5.1.4.1.1.1"
NAME, BIRTH, NUMBER = "Mustermann^Erika", "19570302", "KH-4711-88"
# what an image is without; none of it names anybody
KEPT = {
    "Modality": "CR",
    "BodyPartExamined": "CHEST",
    "ViewPosition": "PA",
    "PatientOrientation": ["L", "F"],
    "KVP": "70",
    "ExposureIndex": "230",
    "ImagerPixelSpacing": ["0.143", "0.143"],
    "WindowCenter": "2048",
    "WindowWidth": "4096",
    "RescaleIntercept": "0",
    "RescaleSlope": "1",
    "PresentationLUTShape": "IDENTITY",
    "LossyImageCompression": "00",
    "ImageLaterality": "U",
}


def value_of(vr, number):
    """Something of this value representation that could identify."""
    return {
        "PN": NAME,
        "DA": BIRTH,
        "DT": BIRTH + "101500",
        "TM": "101500",
        "AS": "067Y",
        "UI": f"1.3.6.1.4.1.9590.{number + 1}",
        "DS": "47.11",
        "IS": "4711",
        "UR": "http://example.org/4711",
        "CS": "SECRET",
        "AE": f"WARD{4000 + number}",
        "SH": f"KH-{4000 + number}-88",
        "LO": f"KH-{4000 + number}-89",
        "ST": f"seen in room KH-{4000 + number}-90",
        "LT": f"seen in room KH-{4000 + number}-90",
        "UT": f"seen in room KH-{4000 + number}-90",
        "UC": f"KH-{4000 + number}-91",
        "AT": 0x00100010,
    }.get(vr)


def element_of(tag, number):
    vr = dictionary_VR(tag).split(" or ")[0]
    if vr == "SQ":
        item = Dataset()
        item.PatientName = NAME
        item.CodeValue = "T-11111"
        item.ReferencedSOPInstanceUID = "1.3.6.1.4.1.9590.77"
        return DataElement(tag, vr, [item])
    if vr in ("OB", "UN"):
        return DataElement(tag, vr, b"Mustermann")
    if vr == "OW":
        return DataElement(tag, vr, b"Mustermann")
    value = value_of(vr, number)
    if value is None:
        value = 47
    return DataElement(tag, vr, value if dictionary_VM(tag) == "1" or vr != "UI" else [value])


def corpus_file(pixels=None, **also):
    """A film with every attribute of the table, and with what an image needs."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = CR
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.SourceApplicationEntityTitle = "WARD4711"
    for number, row in enumerate(table()):
        if "x" in row["tag"] or row["tag"].startswith(("0000", "0002", "0004")) or not row["keyword"]:
            continue
        if row["keyword"] in ("MediaStorageSOPInstanceUID", "PixelData"):
            continue
        try:
            dataset.add(element_of(int(row["tag"], 16), number))
        except KeyError:
            continue  # retired, and not in the dictionary any more
    for keyword, value in KEPT.items():
        setattr(dataset, keyword, value)
    dataset.SOPClassUID = CR
    dataset.SOPInstanceUID = "1.3.6.1.4.1.9590.100"
    dataset.StudyInstanceUID = "1.3.6.1.4.1.9590.200"
    dataset.SeriesInstanceUID = "1.3.6.1.4.1.9590.300"
    dataset.PatientName, dataset.PatientID = NAME, NUMBER
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    block = dataset.private_block(0x0029, "HOSPITAL 1", create=True)
    block.add_new(0x10, "LO", NAME)
    dataset.add(DataElement(0x60003000, "OW", b"\1\2"))
    dataset.add(DataElement(0x60004000, "LT", NAME))
    for keyword, value in also.items():
        setattr(dataset, keyword, value)
    if pixels is not None:
        dataset.Rows, dataset.Columns = pixels.shape[:2]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        bits = 8 * pixels.dtype.itemsize
        dataset.BitsAllocated = dataset.BitsStored = bits
        dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
        dataset.add(DataElement(0x7FE00010, "OW" if bits > 8 else "OB", pixels.tobytes()))
    return dataset


def as_bytes(dataset):
    stream = io.BytesIO()
    dataset.preamble = NAME.encode().ljust(128, b"\0")
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def film(seed=0, size=(480, 400), bits=16):
    """A smooth grey film with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    grey = 0.45 + 0.25 * np.sin(y / 90 + seed) * np.cos(x / 110) + rng.normal(0, 0.02, size)
    return (np.clip(grey, 0, 1) * (2**bits - 1) * 0.7).astype(np.uint16 if bits > 8 else np.uint8)
