"""Manifests of image data sets: class folders, MedMNIST files, DICOM folders, folders with a table of labels."""

from pathlib import PurePosixPath

import pandas as pd

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.imaging.sources.manifest import ImageSource, manifest_table, quarantine_table
from medanomaly.imaging.sources.raw_image import DICOM_SUFFIXES, SUFFIXES
from medanomaly.imaging.sources.readers import FileReader, NpzReader, split_url
from medanomaly.imaging.sources.subjects import subject_from_name, subtype_from_name

PARTS = {"train": "train", "val": "train", "valid": "train", "validation": "train", "test": "test"}
NORMAL_CLASSES = ("normal", "healthy", "no_finding", "good")


def _files(url: str, **storage_options) -> tuple[FileReader, str, list[PurePosixPath]]:
    """Every file below a folder except hidden ones (a name or a folder that begins with a dot, ``__MACOSX``)."""
    filesystem, root = split_url(url, **storage_options)
    if not filesystem.isdir(root):
        raise DataNotFoundError(
            "the folder does not exist", remedy="Correct the path, or set MEDANOMALY_DATA.", source=url
        )
    root = root.rstrip("/")
    names = [PurePosixPath(path[len(root) :].lstrip("/")) for path in sorted(filesystem.find(root))]
    shown = [n for n in names if not any(part.startswith(".") or part == "__MACOSX" for part in n.parts)]
    return FileReader(filesystem), root, shown


def class_folders(url: str, normal: tuple[str, ...] = NORMAL_CLASSES, **storage_options) -> ImageSource:
    """Images in one folder per class, with or without folders ``train``, ``test`` and ``val`` (used as train) above them.

    Subject and subtype come from ``subjects*.csv`` at the root if there is one (columns ``path``, ``subject``,
    ``subtype``, and ``aspect_confidence``, which is kept), else from the file names. An image whose name shows no
    subject counts as its own patient; a note says how many there are.

    Args:
        url: root folder, any fsspec URL.
        normal: names of the class folders with normal images, in lower case; all other classes are anomalous.
        storage_options: of the file system.

    Raises:
        DataNotFoundError: the folder does not exist.
        InputError: no class folder holds an image, or no class folder is normal.
    """
    reader, root, names = _files(url, **storage_options)
    rows, rejected, tables = [], [], []
    for name in names:
        if name.suffix.lower() not in SUFFIXES + DICOM_SUFFIXES:
            if name.suffix.lower() == ".csv" and name.name.startswith("subjects"):
                tables.append(name)
            else:
                rejected.append((str(name), f"{root}/{name}", "its name is not that of an image"))
            continue
        if len(name.parts) < 2:
            rejected.append((str(name), f"{root}/{name}", "not in a class folder"))
            continue
        part = next((PARTS[p.lower()] for p in name.parts[:-2] if p.lower() in PARTS), pd.NA)
        if name.parts[-2].lower() in PARTS:
            rejected.append((str(name), f"{root}/{name}", "not in a class folder"))
            continue
        label = 0 if name.parts[-2].lower() in normal else 1
        subtype = subtype_from_name(name.stem)
        rows.append(
            {
                "case_id": str(name.with_suffix("")),
                "patient_id": subject_from_name(name.stem),
                "label": label,
                # where a file name contradicts its folder, the subtype is unknown
                "kind": name.parts[-2].lower() if not label or subtype in (None, "normal") else subtype,
                "split_official": part,
                "path": f"{root}/{name}",
                "_key": "/".join(name.parts[-3:]).lower(),
            }
        )
    frame = pd.DataFrame(rows)
    if frame.empty:
        raise InputError("no class folder holds an image", remedy="Expected <class>/<image>.", source=url)
    if not (frame["label"] == 0).any():
        found = sorted({PurePosixPath(p).parent.name for p in frame["path"]})
        raise InputError(
            f"none of the classes {found} is normal",
            remedy=f"Name it in 'normal' (now {normal}).",
            source=url,
        )
    for table in tables:
        frame = _with_subjects(frame, reader, f"{root}/{table}")
    unknown = int(frame["patient_id"].isna().sum())
    notes = [f"{unknown} images show no subject; each counts as its own patient."] if unknown else []
    return ImageSource(
        manifest_table(frame.drop(columns="_key"), url), reader, quarantine_table(rejected), tuple(notes), url
    )


def _with_subjects(frame: pd.DataFrame, reader: FileReader, path: str) -> pd.DataFrame:
    with reader.filesystem.open(path) as stream:
        table = pd.read_csv(stream, dtype={"subject": "string", "subtype": "string"})
    if not {"path", "subject"} <= set(table.columns):
        raise InputError("columns 'path' and 'subject' are missing", source=path)
    key = table["path"].str.split("/").str[-3:].str.join("/").str.lower()
    if key.duplicated().any():
        raise InputError("a path occurs twice", source=path, record=table["path"][key.duplicated()].iloc[0])
    known = table.set_index(key).reindex(frame["_key"]).reset_index(drop=True)
    frame["patient_id"] = known["subject"].fillna(frame["patient_id"].astype("string"))
    if "subtype" in known:
        frame["kind"] = known["subtype"].fillna(frame["kind"].astype("string"))
    if "aspect_confidence" in known:
        frame["aspect_confidence"] = known["aspect_confidence"].astype(float)
    return frame


def medmnist(url: str, normal: tuple[int, ...] = (0,), **storage_options) -> ImageSource:
    """A MedMNIST file: arrays ``<part>_images`` and ``<part>_labels`` for train, val and test.

    ``val`` counts as train. The files name no patient, so every image counts as its own patient; a note says so.

    Args:
        url: the npz file.
        normal: classes that are normal.
        storage_options: of the file system.
    """
    reader = NpzReader(url, **storage_options)
    arrays = reader.arrays()
    frames = []
    for part in ("train", "val", "test"):
        if f"{part}_images" not in arrays:
            continue
        images, labels = arrays[f"{part}_images"], arrays.get(f"{part}_labels")
        if labels is None or len(labels) != len(images) or labels.reshape(len(images), -1).shape[1] != 1:
            raise InputError(
                f"'{part}_labels' does not hold one class for each of {len(images)} images", source=url
            )
        labels = labels.ravel().astype(int)
        numbers = [f"{part}_images/{i}" for i in range(len(images))]
        frames.append(
            pd.DataFrame(
                {
                    "case_id": [f"{part}-{i:06d}" for i in range(len(images))],
                    "label": [int(k not in normal) for k in labels],
                    "kind": [f"class {k}" for k in labels],
                    "split_official": PARTS[part],
                    "path": numbers,
                }
            )
        )
    if not frames:
        raise InputError(
            f"not a MedMNIST file: it holds {sorted(arrays)}",
            remedy="Expected train_images, train_labels.",
            source=url,
        )
    note = (
        "The file names no patient: every image counts as one, so images of one patient may be in two parts."
    )
    return ImageSource(manifest_table(pd.concat(frames), url), reader, notes=(note,), name=url)


def dicom_folder(url: str, labels: pd.DataFrame | None = None, **storage_options) -> ImageSource:
    """Every DICOM file below a folder, with any name. Only headers are read.

    Args:
        url: root folder.
        labels: columns ``path`` (relative to the folder) and ``label``, optionally ``kind``, ``split_official``,
            ``mask_path``. Without this table, labels are unknown.
        storage_options: of the file system.

    Returns:
        The source. Its manifest also has ``sex``, ``age``, ``view``, ``photometric``, ``bits``, ``transfer_syntax`` and
        ``burned_in``; patient ids are pseudonyms. A note counts images with burned-in text.
    """
    from medanomaly.imaging.sources.dicom import header

    reader, root, names = _files(url, **storage_options)
    rows, rejected = [], []
    for name in names:
        path = f"{root}/{name}"
        if name.suffix.lower() in (".csv", ".txt", ".md") or name.name.upper() == "DICOMDIR":
            rejected.append((str(name), path, "its name is not that of an image"))
            continue
        try:
            rows.append({"case_id": str(name), "path": path} | header(reader.content(path), path))
        except InputError as error:
            rejected.append((str(name), path, error.problem))
    frame = pd.DataFrame(rows).drop(columns=["width", "height"], errors="ignore")
    if labels is not None and len(frame):
        frame, missing = _with_labels(frame, labels, "path", url)
        rejected += [(m, f"{root}/{m}", "in the label table, but the file does not exist") for m in missing]
    burned = int((frame["burned_in"] == "YES").sum()) if len(frame) else 0
    notes = [f"{burned} images say that text is burned into their pixels."] if burned else []
    return ImageSource(manifest_table(frame, url), reader, quarantine_table(rejected), tuple(notes), url)


def labelled_folder(
    url: str,
    table: pd.DataFrame,
    path_column: str = "path",
    label_column: str = "label",
    patient_column: str | None = None,
    kind_column: str | None = None,
    split_column: str | None = None,
    mask_column: str | None = None,
    **storage_options,
) -> ImageSource:
    """PNG or JPEG files with a table of labels; each image may have a mask.

    Args:
        url: root folder that the paths of the table are relative to.
        table: one row per image.
        path_column, label_column: of the table; labels are 0, 1 or missing.
        patient_column, kind_column, split_column, mask_column: of the table, optional; mask paths are also relative to
            the root.
        storage_options: of the file system.

    Returns:
        The source. Rows without a file and images without a row go to quarantine. Files that a row names as its mask are
        not images. Other columns of the table become subgroup columns.
    """
    given = {
        "path": path_column,
        "label": label_column,
        "patient_id": patient_column,
        "kind": kind_column,
        "split_official": split_column,
        "mask_path": mask_column,
    }
    absent = [column for column in given.values() if column is not None and column not in table]
    if absent:
        raise ConfigurationError(
            f"columns {absent} are not in the label table", remedy=f"There are {list(table.columns)}."
        )
    table = table.rename(columns={old: new for new, old in given.items() if old is not None})
    reader, root, names = _files(url, **storage_options)
    masks = set(table["mask_path"].dropna()) if "mask_path" in table else set()
    rows, rejected = [], []
    for name in names:
        if str(name) in masks:
            continue
        if name.suffix.lower() in SUFFIXES + DICOM_SUFFIXES:
            rows.append({"case_id": str(name.with_suffix("")), "path": f"{root}/{name}", "_name": str(name)})
        else:
            rejected.append((str(name), f"{root}/{name}", "its name is not that of an image"))
    frame = pd.DataFrame(rows, columns=["case_id", "path", "_name"])
    known = set(table["path"].astype(str))
    unlisted = frame[~frame["_name"].isin(known)]
    rejected += [(r.case_id, r.path, "has no row in the label table") for r in unlisted.itertuples()]
    frame, missing = _with_labels(frame[frame["_name"].isin(known)], table, "_name", url)
    rejected += [(m, f"{root}/{m}", "in the label table, but the file does not exist") for m in missing]
    if "mask_path" in frame:
        frame["mask_path"] = [pd.NA if pd.isna(m) else f"{root}/{m}" for m in frame["mask_path"]]
    return ImageSource(
        manifest_table(frame.drop(columns="_name"), url), reader, quarantine_table(rejected), (), url
    )


def _with_labels(
    frame: pd.DataFrame, labels: pd.DataFrame, name_column: str, source: str
) -> tuple[pd.DataFrame, list[str]]:
    """Join a label table by relative path; returns the rows, and the paths in the table that have no file."""
    labels = labels.assign(path=labels["path"].astype(str))
    twice = labels["path"][labels["path"].duplicated()]
    if len(twice):
        raise InputError("an image has two rows in the label table", source=source, record=twice.iloc[0])
    name = frame["case_id"] if name_column == "path" else frame[name_column]
    joined = labels.set_index("path").reindex(name).reset_index(drop=True)
    frame = frame.reset_index(drop=True)
    for column in joined.columns:
        if column not in ("case_id", "path"):
            frame[column] = (
                joined[column].to_numpy()
                if column not in frame
                else joined[column].combine_first(frame[column])
            )
    return frame, sorted(set(labels["path"]) - set(name))
