"""Manifests of image data sets: class folders, MedMNIST files, DICOM folders, folders with a table of labels."""

from pathlib import PurePosixPath

import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.imaging.sources.label_tables import label_columns, matching_files, with_labels
from medanomaly.imaging.sources.manifest import (
    MANIFEST_COLUMNS,
    PARTS,
    ImageSource,
    manifest_table,
    quarantine_table,
)
from medanomaly.imaging.sources.pseudonyms import pseudonym
from medanomaly.imaging.sources.raw_image import DICOM_SUFFIXES, SUFFIXES
from medanomaly.imaging.sources.readers import FileReader, NpzReader, split_url
from medanomaly.imaging.sources.subjects import subject_from_name, subtype_from_name

NORMAL_CLASSES = ("normal", "healthy", "no_finding", "good")
# folders of masks, as in MVTec AD and anomalib: ground_truth/<class>/<image>_mask.png
MASK_FOLDERS = ("ground_truth", "groundtruth", "gt", "masks", "mask")
_MASK_ENDINGS = ("_mask", "_gt", "-mask", "-gt")


Rejected = list[tuple[str, str, str]]


def _files(url: str, **storage_options) -> tuple[FileReader, str, list[PurePosixPath], Rejected]:
    """Every file below a folder except hidden ones (a name or a folder that begins with a dot, ``__MACOSX``).

    Returns:
        ``(reader, root, names, rejected)``: the reader, the root folder, names below it, and what is no regular file, such
        as a named pipe, which would be read for ever.
    """
    filesystem, root = split_url(url, **storage_options)
    if not filesystem.isdir(root):
        raise DataNotFoundError(
            "the folder does not exist", remedy="Correct the path, or set MEDANOMALY_DATA.", source=url
        )
    root = root.rstrip("/")
    kinds = {
        PurePosixPath(path[len(root) :].lstrip("/")): info.get("type", "file")
        for path, info in sorted(filesystem.find(root, detail=True).items())
    }
    shown = [n for n in kinds if not any(part.startswith(".") or part == "__MACOSX" for part in n.parts)]
    # a link is neither a file nor a folder here
    names = [n for n in shown if kinds[n] == "file" or filesystem.isfile(f"{root}/{n}")]
    rejected = [(str(n), f"{root}/{n}", "it is no regular file") for n in shown if n not in set(names)]
    return FileReader(filesystem), root, names, rejected


def class_folders(url: str, normal: tuple[str, ...] = NORMAL_CLASSES, **storage_options) -> ImageSource:
    """Images in one folder per class, with or without folders ``train``, ``test`` and ``val`` (used as train) above them.

    Files in a folder of ``MASK_FOLDERS`` (``ground_truth/<class>/<image>_mask.png`` in the layout of MVTec AD and anomalib)
    are the masks of the images of that class and name. One that fits no image, or several, goes to quarantine.

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
    reader, root, names, rejected = _files(url, **storage_options)
    rows, tables, masks = [], [], []
    for name in names:
        if name.suffix.lower() not in SUFFIXES + DICOM_SUFFIXES:
            if name.suffix.lower() == ".csv" and name.name.startswith("subjects"):
                tables.append(name)
            else:
                rejected.append((str(name), f"{root}/{name}", "its name is not that of an image"))
            continue
        if any(part.lower() in MASK_FOLDERS for part in name.parts[:-1]):
            masks.append(name)
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
                "_name": str(name),
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
    # a.png and a.jpeg are two images
    same = frame["case_id"].duplicated(keep=False)
    frame.loc[same, "case_id"] = frame.loc[same, "_name"]
    for table in tables:
        frame = _with_subjects(frame, reader, f"{root}/{table}")
    if masks:
        rejected += _with_masks(frame, masks, root)
    unknown = int(frame["patient_id"].isna().sum())
    notes = [f"{unknown} images show no subject; each counts as its own patient."] if unknown else []
    return ImageSource(
        manifest_table(frame.drop(columns=["_key", "_name"]), url),
        reader,
        quarantine_table(rejected),
        tuple(notes),
        url,
    )


def _with_masks(frame: pd.DataFrame, masks: list[PurePosixPath], root: str) -> Rejected:
    """Give images their masks, by class and name; returns the masks that belong to no image."""

    def key(name: PurePosixPath, stem: str) -> tuple[str, ...]:
        folders = (part.lower() for part in name.parts[:-1])
        return (*(part for part in folders if part not in PARTS and part not in MASK_FOLDERS), stem)

    images: dict[tuple, list[int]] = {}
    # a test part is where masks are: its images go before those of train with the same name
    for row in sorted(frame.index, key=lambda i: frame["split_official"].eq("test").fillna(False)[i]):
        name = PurePosixPath(frame["_name"][row])
        images.setdefault(key(name, name.stem.lower()), []).append(row)
    frame["mask_path"] = pd.array([pd.NA] * len(frame), dtype="string")
    rejected = []
    for name in masks:
        stem = name.stem.lower()
        bare = next((stem.removesuffix(end) for end in _MASK_ENDINGS if stem.endswith(end)), stem)
        rows = images.get(key(name, bare)) or images.get(key(name, stem)) or []
        if not rows:
            rejected.append((str(name), f"{root}/{name}", "a mask that belongs to no image"))
        elif pd.notna(frame.loc[rows[-1], "mask_path"]):
            rejected.append((str(name), f"{root}/{name}", "a second mask of one image"))
        else:
            frame.loc[rows[-1], "mask_path"] = f"{root}/{name}"
    return rejected


def _with_subjects(frame: pd.DataFrame, reader: FileReader, path: str) -> pd.DataFrame:
    with reader.filesystem.open(path) as stream:
        table = pd.read_csv(stream, dtype={"path": "string", "subject": "string", "subtype": "string"})
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


def dicom_folder(
    url: str, labels: pd.DataFrame | None = None, key: bytes | None = None, **storage_options
) -> ImageSource:
    """Every DICOM file below a folder, with any name. Only headers are read.

    Args:
        url: root folder.
        labels: columns ``path`` (relative to the folder) and ``label``, optionally ``kind``, ``split_official``,
            ``mask_path``, ``patient_id``. Without this table, labels are unknown. Paths are compared as in
            :func:`labelled_folder`.
        key: of the pseudonyms; None for a random one of this process.
        storage_options: of the file system.

    Returns:
        The source. Its manifest also has ``sex``, ``age``, ``view``, ``photometric``, ``bits``, ``transfer_syntax`` and
        ``burned_in``; patient ids are pseudonyms. A note counts images with burned-in text.

    Raises:
        InputError: no file is a readable DICOM file, or the table fits half of the files or less.
    """
    from medanomaly.imaging.sources.dicom import header

    reader, root, names, rejected = _files(url, **storage_options)
    rows = []
    for name in names:
        path = f"{root}/{name}"
        if name.suffix.lower() in (".csv", ".txt", ".md") or name.name.upper() == "DICOMDIR":
            rejected.append((str(name), path, "its name is not that of an image"))
            continue
        try:
            row = header(reader.content(path), path, key)
        except InputError as error:
            rejected.append((str(name), path, error.problem))
        except OSError as error:
            rejected.append((str(name), path, f"cannot be read: {error.strerror or type(error).__name__}"))
        else:
            rows.append({"case_id": str(name), "path": path, "_name": str(name)} | row)
    if not rows:
        why = f": {rejected[0][2]}" if rejected else ""
        raise InputError(f"none of {len(rejected)} files is a DICOM image{why}", source=url)
    frame, notes = pd.DataFrame(rows).drop(columns=["width", "height"]), []
    if labels is not None:
        given = {c: c for c in MANIFEST_COLUMNS if c != "case_id" and (c in labels or c in ("path", "label"))}
        labels, notes = label_columns(labels, given)
        if "patient_id" in labels:
            labels["patient_id"] = [
                pd.NA if pd.isna(p) else pseudonym(p, "D", key) for p in labels["patient_id"]
            ]
        frame, missing = with_labels(frame, labels, root, url)
        rejected += [(m, f"{root}/{m}", "in the label table, but the file does not exist") for m in missing]
        rejected += _mask_paths(frame, names, root)
    unknown = int(frame["patient_id"].isna().sum())
    notes += [f"{unknown} images show no patient; each counts as its own patient."] if unknown else []
    burned = int((frame["burned_in"] == "YES").sum())
    notes += [f"{burned} images say that text is burned into their pixels."] if burned else []
    frame = frame.drop(columns=["_name", "_listed"], errors="ignore")
    return ImageSource(manifest_table(frame, url), reader, quarantine_table(rejected), tuple(notes), url)


def labelled_folder(
    url: str,
    table: pd.DataFrame | None = None,
    path_column: str = "path",
    label_column: str = "label",
    patient_column: str | None = None,
    kind_column: str | None = None,
    split_column: str | None = None,
    mask_column: str | None = None,
    **storage_options,
) -> ImageSource:
    """PNG or JPEG files with a table of labels; each image may have a mask.

    Paths are compared as text. Backslashes, ``./``, the name of the root folder in front, a missing suffix and the case of
    letters make no difference; a name without folders fits the one file that has it.

    Args:
        url: root folder that the paths of the table are relative to.
        table: one row per image; without it every image is used, and its label is unknown.
        path_column, label_column: of the table; labels are 0, 1 or missing.
        patient_column, kind_column, split_column, mask_column: of the table, optional; mask paths are also relative to
            the root.
        storage_options: of the file system.

    Returns:
        The source. Rows without a file and images without a row go to quarantine. Files that a row names as its mask are
        not images. Other columns of the table become subgroup columns.

    Raises:
        ConfigurationError: a column is not in the table.
        InputError: the table fits half of the files or less, or an image has two rows.
    """
    given = {
        "path": path_column,
        "label": label_column,
        "patient_id": patient_column,
        "kind": kind_column,
        "split_official": split_column,
        "mask_path": mask_column,
    }
    reader, root, names, rejected = _files(url, **storage_options)
    if table is None:
        images = [str(name) for name in names if name.suffix.lower() in SUFFIXES + DICOM_SUFFIXES]
        table = pd.DataFrame({path_column: images, label_column: ""}, dtype="string")
    table, notes = label_columns(table, {new: old for new, old in given.items() if old is not None})
    masks = set(matching_files(table["mask_path"], names, root)) if "mask_path" in table else set()
    rows = []
    for name in names:
        if str(name) in masks:
            continue
        if name.suffix.lower() in SUFFIXES + DICOM_SUFFIXES:
            rows.append({"case_id": str(name.with_suffix("")), "path": f"{root}/{name}", "_name": str(name)})
        else:
            rejected.append((str(name), f"{root}/{name}", "its name is not that of an image"))
    frame = pd.DataFrame(rows, columns=["case_id", "path", "_name"])
    same = frame["case_id"].duplicated(keep=False)
    frame.loc[same, "case_id"] = frame.loc[same, "_name"]
    frame, missing = with_labels(frame, table, root, url)
    unlisted = ~frame.pop("_listed").astype(bool)
    rejected += [(r.case_id, r.path, "has no row in the label table") for r in frame[unlisted].itertuples()]
    rejected += [(m, f"{root}/{m}", "in the label table, but the file does not exist") for m in missing]
    frame = frame[~unlisted].reset_index(drop=True)
    rejected += _mask_paths(frame, names, root)
    return ImageSource(
        manifest_table(frame.drop(columns="_name"), url),
        reader,
        quarantine_table(rejected),
        tuple(notes),
        url,
    )


def _mask_paths(frame: pd.DataFrame, names: list[PurePosixPath], root: str) -> Rejected:
    """Replace the masks that a table names by their paths; returns those that do not exist."""
    if "mask_path" not in frame:
        return []
    found = pd.Series(matching_files(frame["mask_path"], names, root), index=frame.index, dtype="string")
    absent = sorted(set(frame["mask_path"][found.isna() & frame["mask_path"].notna()]))
    frame["mask_path"] = root + "/" + found
    return [(m, f"{root}/{m}", "a mask in the label table, but the file does not exist") for m in absent]
