"""The environment of a folder of images."""

import csv
from collections.abc import Iterator
from pathlib import Path

from medanomaly.commands.environments.files import Written, global_settings, listed, raw_path, scalar
from medanomaly.core.errors import InputError
from medanomaly.imaging.sources.folders import MASK_FOLDERS, NORMAL_CLASSES
from medanomaly.imaging.sources.manifest import PARTS
from medanomaly.imaging.sources.raw_image import DICOM_SUFFIXES, SUFFIXES, is_dicom
from medanomaly.imaging.sources.readers import LARGEST_FILE

# a class folder with fewer images is not named: its name may be that of a patient
LEAST_IMAGES = 5
# a folder with more folders of images than this has one per patient or per day, not one per class
MOST_CLASSES = 20
_PATH, _LABEL, _PATIENT = ("path", "file", "filename", "image", "name"), ("label", "abnormal", "anomalous", "target"), (
    "patient", "patient_id", "subject", "subject_id",
)  # fmt: skip
# files without a known ending that are looked into
_LOOKED_INTO = 20
_HEAD = 1 << 16


def count(folder: Path) -> int:
    """Number of files that may be images; DICOM files may have any name."""
    files = list(_files(folder))
    named = sum(file.suffix.lower() in (*SUFFIXES, *DICOM_SUFFIXES) for file in files)
    bare = [file for file in files if not file.suffix or file.suffix[1:].isdigit()]
    return named or (len(bare) if any(_is_dicom(file) for file in bare[:_LOOKED_INTO]) else 0)


def image_environment(name: str, folder: Path) -> Written:
    """Catalog, globals and parameters for a folder of images."""
    files = list(_files(folder))
    dicom = [file for file in files if file.suffix.lower() in DICOM_SUFFIXES]
    plain = [file for file in files if file.suffix.lower() in SUFFIXES]
    classes = _classes(folder, plain)
    tables = [file for file in folder.glob("*.csv") if not file.name.startswith("subjects")]
    described = next(filter(None, (_labels(folder, table) for table in sorted(tables))), None)
    if described is not None:
        lines, said = described
    elif classes and not dicom:
        lines, said = _class_folders(folder, classes)
    elif plain and len(plain) >= len(dicom):
        lines, said = _unlabelled(folder)
    else:
        lines, said = _dicom(folder)
    n = len(plain) + len(dicom) or len(files)
    return _written(name, lines, [f"{n:,} images", *said])


def medmnist_environment(name: str, file: Path) -> Written:
    """The environment of a file in the format of MedMNIST."""
    lines = [
        "imaging.raw:",
        "  type: medanomaly.datasets.images.MedMNISTDataset",
        f"  url: {raw_path(file)}",
        "  # normal: [0] # QUESTION: which classes are normal? All others are anomalous",
    ]
    return _written(name, lines, ["the file names no patient: every image counts as one"])


def _files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts):
            yield file


def _is_dicom(file: Path) -> bool:
    if file.stat().st_size > LARGEST_FILE:
        return False
    with file.open("rb") as stream:
        return is_dicom(stream.read(_HEAD))


def _classes(folder: Path, images: list[Path]) -> dict[str, int]:
    """Class folders and how many images each holds; empty where folders do not look like classes."""
    counted: dict[str, int] = {}
    for image in images:
        parts = image.relative_to(folder).parts[:-1]
        if any(part.lower() in MASK_FOLDERS for part in parts):
            continue
        if not parts or parts[-1].lower() in PARTS:
            return {}
        counted[parts[-1]] = counted.get(parts[-1], 0) + 1
    shared = {name: n for name, n in counted.items() if n >= LEAST_IMAGES}
    return counted if shared and len(counted) <= MOST_CLASSES else {}


def _class_folders(folder: Path, classes: dict[str, int]) -> tuple[list[str], list[str]]:
    shared = sorted(name for name, n in classes.items() if n >= LEAST_IMAGES)
    known = [name for name in shared if name.lower() in (*NORMAL_CLASSES, "control", "negative")]
    normal = known or [max(shared, key=classes.__getitem__)]
    lines = [
        "# One folder per class; the others are kinds of anomaly. subjects.csv (path,subject) at the root says",
        "# which images belong to one patient; without it the names of files do.",
        "imaging.raw:",
        "  type: medanomaly.datasets.images.ClassFoldersDataset",
        f"  url: {raw_path(folder)}",
        f"  # QUESTION: which hold normal images? With {LEAST_IMAGES} images or more: {', '.join(map(ascii, shared))}",
        f"  normal: {listed([name.lower() for name in normal])}",
    ]
    return lines, [f"class folders: {', '.join(shared)}; is {' or '.join(normal)} what is normal?"]


def _labels(folder: Path, table: Path) -> tuple[list[str], list[str]] | None:
    """A table with a column of paths and one of labels."""
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        header = next(csv.reader(stream), [])
    columns = {name.strip().lower(): name for name in header}
    path, label, patient = (
        next((columns[name] for name in names if name in columns), None)
        for names in (_PATH, _LABEL, _PATIENT)
    )
    if path is None or label is None:
        return None
    given = {"path_column": path, "label_column": label} | ({"patient_column": patient} if patient else {})
    lines = [
        "# Images with a table: labels are 0 (normal), 1 (anomalous) or empty; other text columns become subgroups.",
        "imaging.raw:",
        "  type: medanomaly.datasets.images.LabelledImagesDataset",
        f"  url: {raw_path(folder)}",
        f"  labels: {raw_path(table)}",
        f"  columns: {{{', '.join(f'{key}: {scalar(name)}' for key, name in given.items())}}}",
    ]
    if patient is None:
        lines.append("  # QUESTION: which column says whose image it is? Add patient_column to columns")
    return lines, [f"labels: column {label} of {table.name}"]


def _unlabelled(folder: Path) -> tuple[list[str], list[str]]:
    lines = [
        "# Images without labels: each counts as usual, so the report ranks them and cannot say how often that is right.",
        "imaging.raw:",
        "  type: medanomaly.datasets.images.LabelledImagesDataset",
        f"  url: {raw_path(folder)}",
        "  # labels: images/labels.csv # QUESTION: is there a table of labels? With path, label (0 or 1), patient:",
        "  # columns: {path_column: path, label_column: label, patient_column: patient}",
        "  pseudonyms: true # names of files may name people; false shows them as ids",
    ]
    return lines, ["no labels and no patients: each image counts as a usual one of a patient of its own"]


def _dicom(folder: Path) -> tuple[list[str], list[str]]:
    lines = [
        "# DICOM files of any name. Case and patient ids are pseudonyms; the first run makes their key in conf/local.",
        "imaging.raw:",
        "  type: medanomaly.datasets.images.DicomFolderDataset",
        f"  url: {raw_path(folder)}",
        "  labels: null # QUESTION: is there a table of labels? A CSV with path (below the folder) and label (0 or 1)",
    ]
    return lines, ["DICOM: patients come from the headers; without labels every image counts as usual"]


def _written(name: str, lines: list[str], said: list[str]) -> Written:
    if not lines:
        raise InputError("there is no image")
    head = "# Where the images are. Nothing is copied. docs/data/your_own_images.md has all layouts that can be read."
    catalog = "\n".join((head, *lines, "  metadata: {kedro-viz: {layer: raw}}")) + "\n"
    chosen = (
        "# Models: lbe needs no network and trains in seconds. Others: autoencoder, denoising_unet, inpainting_unet,",
        "# reversed_autoencoder, lesion_segmenter; without this line all are trained.",
        "models: {imaging: [lbe]}",
    )
    parameters = (
        "# How images are prepared: proportions stay, and no image is flipped.\n"
        "imaging_processing:\n"
        "  contract:\n"
        "    size: 64 # side, px; larger shows more, and takes longer\n"
        "    geometry: centre_crop # pad: the shorter side is filled with black\n"
        "# Share of normal images that may be flagged.\n"
        "alarm:\n"
        "  alpha: 0.05\n"
    )
    files = {
        "catalog.yml": catalog,
        "globals.yml": global_settings(name, *chosen),
        "parameters.yml": parameters,
    }
    return Written(files, said)
