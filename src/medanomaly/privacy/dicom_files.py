"""A folder of DICOM files without what identifies people, and a record of what was done to each."""

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from medanomaly.core.errors import ConfigurationError, InputError, MedanomalyError
from medanomaly.privacy.burned_in import Reader, cover_text
from medanomaly.privacy.dicom import Deidentifier
from medanomaly.privacy.profile import Profile

RECORD = "deidentified.json"
# not burned in: the pixels were checked, and what was found was covered
_PIXELS_CODE = ("113101", "Clean Pixel Data Option")


@dataclass(frozen=True)
class Outcome:
    """What became of the files.

    Attributes:
        written: one entry per file of the output, as it stands in the record.
        refused: path of the source and why; the record names the position only, because a file name may name a person.
    """

    written: list[dict]
    refused: list[tuple[Path, str]]


def deidentify_files(
    sources: Sequence[Path],
    target: Path,
    deidentifier: Deidentifier,
    read_text: Reader | None,
    said: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Write each file without what identifies a person; a file for which that fails is not written.

    Args:
        sources: the files.
        target: folder of the output, empty or absent; files are named by their new UIDs.
        deidentifier: of the project.
        read_text: finds text in pixels; None leaves the pixels unchecked, and then no file says that identity was removed.
        said: told how many files are done.

    Raises:
        ConfigurationError: the target is not empty, or it lies among the sources.
    """
    if target.exists() and any(target.iterdir()):
        raise ConfigurationError("the folder is not empty", source=target, remedy="Give a new folder.")
    written, refused = [], []
    for number, path in enumerate(sources, start=1):
        try:
            written.append(_one(path, target, deidentifier, read_text) | {"input": number})
        except MedanomalyError as error:
            refused.append((path, str(error).replace(str(path), f"input {number}")))
        said(number, len(sources))
    target.mkdir(parents=True, exist_ok=True)
    record = {
        "profile": "DICOM PS3.15 Table E.1-1, edition 2026c",
        "options": list(deidentifier.profile.options),
        "pixels": "read for text" if read_text is not None else "not read for text",
        "files": written,
        "refused": [{"input": sources.index(path) + 1, "why": why} for path, why in refused],
    }
    half = target / f"{RECORD}.part"
    half.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    os.replace(half, target / RECORD)
    return Outcome(written, refused)


def dicom_files(path: Path) -> list[Path]:
    """A file itself, or every file below a folder, in the order of their names."""
    if path.is_file():
        return [path]
    return sorted(found for found in path.rglob("*") if found.is_file())


def faults(folder: Path, profile: Profile) -> Iterator[str]:
    """What is wrong with the output of :func:`deidentify_files`, read again: bytes, attributes, private ones."""
    record = json.loads((folder / RECORD).read_text("utf-8"))
    known = {entry["file"]: entry for entry in record["files"]}
    present = {found.relative_to(folder).as_posix() for found in folder.rglob("*.dcm")}
    yield from (f"{name} is not in the record" for name in sorted(present - set(known)))
    for name, entry in known.items():
        if name not in present:
            yield f"{name} is missing"
            continue
        content = (folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            yield f"{name} is not as it was written"
        for element in dcmread(io.BytesIO(content)).iterall():
            action = profile.action(element.tag, element.VR)
            if element.tag.is_private:
                yield f"{name} holds the private attribute {element.tag}"
            elif action == "X" and element.keyword not in _WRITTEN:
                yield f"{name} holds {element.keyword or element.tag}, which is to be removed"
            elif action == "Z" and element.value and element.keyword not in _WRITTEN:
                yield f"{name} holds a value of {element.keyword or element.tag}, which is to be empty"


# what the output says of itself
_WRITTEN = (
    "PatientID",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
)


def _one(path: Path, target: Path, deidentifier: Deidentifier, read_text: Reader | None) -> dict:
    content = path.read_bytes()
    dataset, changes = deidentifier.clean(content, str(path))
    boxes = _clean_pixels(dataset, read_text, str(path)) if "PixelData" in dataset else 0
    if "PixelData" in dataset and read_text is None:
        # whether a name stands in the pixels is not known
        dataset.PatientIdentityRemoved = "NO"
    instance = str(dataset.file_meta.MediaStorageSOPInstanceUID)
    study = str(dataset.get("StudyInstanceUID", "") or "no_study")
    file = Path(study) / f"{instance}.dcm"
    if (target / file).exists():
        raise InputError(
            "another file has the same SOP Instance UID", source=path, remedy="Give each image once."
        )
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    (target / study).mkdir(parents=True, exist_ok=True)
    (target / file).write_bytes(stream.getvalue())
    return {
        "file": file.as_posix(),
        "sha256": hashlib.sha256(stream.getvalue()).hexdigest(),
        "actions": dict(sorted(changes.actions.items())),
        "private_removed": changes.private,
        "texts_covered": boxes,
    }


def _clean_pixels(dataset: Dataset, read_text: Reader | None, name: str) -> int:
    """Cover text in every frame; the number of boxes."""
    if read_text is None:
        return 0
    try:
        pixels = dataset.pixel_array
    except Exception as error:
        raise InputError(f"its pixels cannot be read: {error}", source=name) from error
    colour = int(dataset.get("SamplesPerPixel", 1)) > 1
    frames = pixels if pixels.ndim == (4 if colour else 3) else pixels[None]
    covered = [cover_text(frame, read_text, name) for frame in frames]
    boxes = sum(len(found.boxes) for found in covered)
    if boxes:
        changed = np.stack([found.pixels for found in covered]).reshape(pixels.shape)
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress()
        if dataset.get("PlanarConfiguration", 0):
            dataset.PlanarConfiguration = 0
        dataset.PixelData = changed.tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.BurnedInAnnotation = "NO"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = _PIXELS_CODE[0], "DCM", _PIXELS_CODE[1]
    dataset.DeidentificationMethodCodeSequence.append(code)
    return boxes


def counts(entries: Collection[dict]) -> Counter:
    """Actions over all files."""
    total: Counter = Counter()
    for entry in entries:
        total.update(entry["actions"])
    return total
