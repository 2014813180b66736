"""Readers of files of boxes: COCO, and the tables of the RSNA, VinDr-CXR and NIH chest X-ray sets."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError, did_you_mean
from medanomaly.evaluation.images.box_overlap import pairwise_iou
from medanomaly.imaging.boxes.table import CORNERS, BoxTable, box_table

# boxes of two readers that overlap by so much are about one thing
SAME_THING = 0.5
OPACITY = "lung opacity"  # the only label of RSNA's table
NO_FINDING = "no finding"


def read_boxes(path: str | Path, form: str, **options) -> BoxTable:
    """Read a file of boxes.

    Args:
        path: of the file.
        form: ``coco``, ``rsna``, ``vindr`` or ``nih``.
        options: of the reader of that form.

    Raises:
        ConfigurationError: no such form.
        DataNotFoundError: the file does not exist.
        InputError: the file is not of this form.
    """
    if form not in FORMS:
        raise ConfigurationError(
            f"'{form}' is no form of a file of boxes",
            remedy=f"{did_you_mean(form, FORMS)}There are {', '.join(FORMS)}.",
        )
    path = Path(path)
    if not path.is_file():
        raise DataNotFoundError("the file of boxes does not exist", remedy="Correct the path.", source=path)
    return FORMS[form](path, **options)


def read_coco(path: Path) -> BoxTable:
    """Object detection in COCO's JSON: ``images``, ``annotations`` (``bbox``: x, y, width, height) and ``categories``.

    Images without an annotation are normal. Annotations of crowds are refused: they are no box about one thing.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        images = {one["id"]: str(one["file_name"]) for one in content["images"]}
        labels = {one["id"]: str(one["name"]) for one in content["categories"]}
        annotations = list(content["annotations"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"this is no COCO file: {type(error).__name__} {error}",
            remedy="Expected images (id, file_name), categories (id, name) and annotations (image_id, category_id, bbox).",
            source=path,
        ) from error
    rows, refused, with_annotation = [], [], set()
    for number, given in enumerate(annotations):
        one = given if isinstance(given, dict) else {}
        record, image = one.get("id", number), images.get(one.get("image_id"))
        label, box = labels.get(one.get("category_id")), one.get("bbox")
        with_annotation.add(image)
        numbers = isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box)
        problem = (
            "its image_id is not among the images" if image is None
            else "its category_id is not among the categories" if label is None
            else "the annotation is of a crowd" if one.get("iscrowd")
            else "bbox is not four numbers" if not numbers
            else ""
        )  # fmt: skip
        if problem:
            refused.append((record, image, label, problem))
        else:
            x, y, width, height = box
            rows.append((record, image, label, x, y, x + width, y + height))
    empty = [name for name in images.values() if name not in with_annotation]
    return box_table(_rows(rows), empty, refused)


def read_rsna(path: Path) -> BoxTable:
    """The table of the RSNA pneumonia challenge (2018): patientId, x, y, width, height, Target.

    A row with Target 0 says that its image has no opacity.
    """
    table = _csv(path, ["patientId", "x", "y", "width", "height", "Target"])
    target, box = pd.to_numeric(table["Target"], errors="coerce"), table[["x", "y", "width", "height"]]
    no_box = box.isna().all(axis=1)
    empty, positive = target.eq(0) & no_box, target.eq(1)
    refused = [
        (
            i + 2,
            table["patientId"][i],
            OPACITY,
            "Target is 0 and there is a box" if target[i] == 0 else "Target is neither 0 nor 1",
        )
        for i in table.index[~empty & ~positive]
    ]
    rows = _of_sides(table[positive], "patientId", *box.columns).assign(label=OPACITY)
    return box_table(rows, table["patientId"][empty].dropna().tolist(), refused)


def read_vindr(path: Path, least_readers: int = 1) -> BoxTable:
    """The table of VinDr-CXR: image_id, class_name, x_min, y_min, x_max, y_max and, where there is one, rad_id.

    Several readers marked each image. Their boxes of one label that overlap by .5 or more (intersection over union),
    directly or through a third box, are one: the mean of their corners. It is kept where ``least_readers`` or more drew it.

    Args:
        path: of the file.
        least_readers: readers that must agree; a box of fewer is refused.
    """
    table = _csv(path, ["image_id", "class_name", "x_min", "y_min", "x_max", "y_max"])
    sides = ["x_min", "y_min", "x_max", "y_max"]
    nothing = table["class_name"].str.lower().eq(NO_FINDING).fillna(False) & table[sides].isna().all(axis=1)
    rows = pd.DataFrame({"record": table.index + 2, "image": table["image_id"], "label": table["class_name"]})
    rows[CORNERS] = table[sides].to_numpy()
    rows["reader"] = table["rad_id"].fillna("") if "rad_id" in table else ""
    found = box_table(rows[~nothing], table["image_id"][nothing].dropna().tolist())
    merged = _merged(found.boxes)
    few = merged["readers"].to_numpy() < least_readers
    notes = list(found.notes)
    if len(merged) < len(found.boxes):
        notes.append(
            f"{len(found.boxes)} boxes of several readers became {len(merged)}: overlapping ones of one label are one."
        )
    of_all = BoxTable(merged.drop(columns="readers"), found.normals, found.refused, tuple(notes))
    return of_all.without({f"fewer than {least_readers} readers drew the box": few})


def read_nih(path: Path) -> BoxTable:
    """NIH's BBox_List_2017.csv: Image Index, Finding Label, then x, y, width, height under a broken header.

    Its header ``Bbox [x,y,w,h],,,`` is one name that commas divided, so the four columns after the label are taken by their
    place. The list names only images with a box: no image is called normal.
    """
    table = _csv(path, ["Image Index", "Finding Label"])
    if table.shape[1] < 6:
        raise InputError(
            f"{table.shape[1]} columns", remedy="Expected an image, a label and four numbers.", source=path
        )
    start = table.columns.get_loc("Finding Label") + 1
    sides = table.iloc[:, start : start + 4].set_axis(["x", "y", "width", "height"], axis=1)
    together = table[["Image Index", "Finding Label"]].join(sides)
    rows = _of_sides(together, "Image Index", *sides.columns).assign(label=together["Finding Label"])
    return box_table(rows, notes=["The list of boxes names no normal image."])


FORMS: dict[str, Callable[..., BoxTable]] = {
    "coco": read_coco,
    "rsna": read_rsna,
    "vindr": read_vindr,
    "nih": read_nih,
}


def _csv(path: Path, needed: list[str]) -> pd.DataFrame:
    """A delimited file, every cell as it is written; empty cells are missing."""
    try:
        table = pd.read_csv(
            path, dtype="string", keep_default_na=False, na_values=["", "NaN", "nan"], encoding="utf-8-sig"
        )
    except (ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"the table cannot be read: {error}", source=path) from error
    table.columns = table.columns.str.strip()
    if missing := [name for name in needed if name not in table]:
        raise InputError(
            f"columns {missing} are missing",
            remedy=f"There are {[*table.columns]}; is it a file of another form?",
            source=path,
        )
    return table.apply(lambda column: column.str.strip())


def _rows(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["record", "image", "label", *CORNERS])


def _of_sides(table: pd.DataFrame, image: str, x: str, y: str, width: str, height: str) -> pd.DataFrame:
    """Rows of a reader from a corner, a width and a height."""
    left, top, across, down = (
        pd.to_numeric(table[name], errors="coerce").astype(np.float64) for name in (x, y, width, height)
    )
    return pd.DataFrame(
        {
            "record": table.index + 2,
            "image": table[image],
            "x0": left,
            "y0": top,
            "x1": left + across,
            "y1": top + down,
        }
    )


def _merged(boxes: pd.DataFrame) -> pd.DataFrame:
    """Boxes of one image and label that overlap as one, with the number of readers that drew it."""
    from scipy.sparse.csgraph import connected_components

    parts = []
    for (image, label), own in boxes.groupby(["image", "label"], sort=False):
        corners = own[CORNERS].to_numpy()
        _, group = connected_components(pairwise_iou(corners, corners) >= SAME_THING, directed=False)
        by_group = own.groupby(group)
        together = (
            by_group[CORNERS]
            .mean()
            .assign(record=by_group["record"].first(), readers=by_group["reader"].nunique())
        )
        parts.append(together.assign(image=image, label=label))
    columns = ["record", "image", "label", *CORNERS, "readers"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
