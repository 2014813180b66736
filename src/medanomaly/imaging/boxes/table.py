"""The one table of boxes, whatever file they come from: what is wrong with a box is said, and no box is lost silently."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.geometry import square_of
from medanomaly.imaging.sources.label_tables import matching_files

CORNERS = ["x0", "y0", "x1", "y1"]
BOX_COLUMNS = ("image", "label", *CORNERS)
REFUSED_COLUMNS = ("record", "image", "label", "reason")


def refused_table(rows: list[tuple]) -> pd.DataFrame:
    """Rows (record, image, label, reason) as a table of strings."""
    return pd.DataFrame(rows, columns=list(REFUSED_COLUMNS)).astype("string")


@dataclass(frozen=True)
class BoxTable:
    """Boxes about what is on images.

    Attributes:
        boxes: ``image`` (name as in the file), ``label``, ``x0, y0, x1, y1`` in px of the original image; the pixels
            x0 to x1 - 1 and y0 to y1 - 1 are inside.
        normals: names of images of which the file says that nothing is there.
        refused: ``record, image, label, reason`` of the boxes that cannot be used. Their images are not normal.
        notes: sentences that a reader of the results should know.
    """

    boxes: pd.DataFrame
    normals: tuple[str, ...] = ()
    refused: pd.DataFrame = field(default_factory=lambda: refused_table([]))
    notes: tuple[str, ...] = ()

    def without(self, problems: dict[str, np.ndarray]) -> "BoxTable":
        """The table without the boxes of which a problem is known.

        Args:
            problems: reason to (n,) bool, which boxes it is about; the first reason counts.
        """
        reason = pd.Series(pd.NA, index=self.boxes.index, dtype="string")
        for said, about in problems.items():
            reason = reason.mask(np.asarray(about, dtype=bool) & reason.isna().to_numpy(), said)
        out = self.boxes[reason.notna()]
        rows = list(zip(out["record"], out["image"], out["label"], reason.dropna(), strict=True))
        refused = pd.concat([self.refused, refused_table(rows)], ignore_index=True)
        unclear = set(refused["image"].dropna())
        return replace(
            self,
            boxes=self.boxes[reason.isna()].reset_index(drop=True),
            normals=tuple(name for name in self.normals if name not in unclear),
            refused=refused,
        )


def box_table(
    rows: pd.DataFrame, normals: list[str] = (), refused: list[tuple] = (), notes: list[str] = ()
) -> BoxTable:
    """A table of boxes as a reader found them, without those that are no boxes.

    Args:
        rows: ``record`` (place in the file), ``image``, ``label``, ``x0, y0, x1, y1``, numbers or text.
        normals: images of which the file says that nothing is there; one with a box is not normal.
        refused: rows (record, image, label, reason) that the reader could not read.
        notes: of the reader.

    Returns:
        The table. A box of one pixel is a box.
    """
    rows = rows.reset_index(drop=True).copy()
    for column in CORNERS:
        rows[column] = pd.to_numeric(rows[column], errors="coerce").astype(np.float64)
    corners = rows[CORNERS].to_numpy()
    shown = set(rows["image"].dropna())
    quiet = tuple(name for name in dict.fromkeys(normals) if name not in shown)
    both = len(set(normals)) - len(quiet)
    said = [
        *notes,
        *(
            [f"Images that are called empty and have a box all the same: {both}; the box counts."]
            if both
            else []
        ),
    ]
    table = BoxTable(rows, quiet, refused_table(list(refused)), tuple(said))
    with np.errstate(invalid="ignore"):
        problems = {
            "the image has no name": rows["image"].isna().to_numpy(),
            "the box has no label": rows["label"].isna().to_numpy(),
            "a coordinate is missing or no finite number": ~np.isfinite(corners).all(axis=1),
            "the box has no area": (corners[:, 2:] <= corners[:, :2]).any(axis=1),
        }
    return table.without(problems)


def on_images(table: BoxTable, images: pd.DataFrame) -> BoxTable:
    """The boxes of the images that are there, cut at the borders.

    Args:
        table: with names of images as its file has them.
        images: ``name`` (of the file), ``width``, ``height`` in px of the original images.

    Returns:
        The table, ``image`` being the row of ``images``. Boxes of unknown images and boxes outside of their image are
        refused; a box that is partly outside is cut, and a note counts such boxes. ``normals`` are rows, too.
    """
    names = images["name"].astype(str).tolist()
    place = {name: row for row, name in enumerate(names)}
    asked = pd.Series([*table.boxes["image"], *table.normals], dtype="object")
    of_file = dict(zip(asked, matching_files(asked, names, ""), strict=True))
    known = table.boxes["image"].map(of_file).notna().to_numpy(dtype=bool)
    table = table.without({"there is no image of this name": ~known})
    row = table.boxes["image"].map(of_file).map(place).to_numpy(dtype=np.int64)
    limit = images[["width", "height"]].to_numpy(dtype=np.float64)[row]
    corners = table.boxes[CORNERS].to_numpy(dtype=np.float64)
    cut = np.clip(corners, 0, np.tile(limit, 2))
    outside = (cut[:, 2:] <= cut[:, :2]).any(axis=1)
    changed = int(((cut != corners).any(axis=1) & ~outside).sum())
    boxes = table.boxes.assign(**dict(zip(CORNERS, cut.T, strict=True)), row=row)
    left = replace(table, boxes=boxes).without({"the box lies outside of its image": outside})
    normals = [of_file[name] for name in left.normals]
    absent = normals.count(None)
    notes = list(left.notes)
    if changed:
        notes.append(f"Boxes that reached beyond their image and were cut at its border: {changed}.")
    if absent:
        notes.append(f"Images that the table of boxes calls empty and that are not there: {absent}.")
    return replace(
        left,
        boxes=left.boxes.assign(image=left.boxes["row"]).drop(columns="row"),
        normals=tuple(place[name] for name in normals if name is not None),
        notes=tuple(notes),
    )


def _moved(
    boxes: pd.DataFrame, images: pd.DataFrame, contract: InputContract, move: Callable[..., np.ndarray]
) -> pd.DataFrame:
    squares = [
        square_of(w, h, contract.geometry) for w, h in zip(images["width"], images["height"], strict=True)
    ]
    left, top, side = (
        np.array(squares, dtype=np.float64).reshape(-1, 3)[boxes["image"].to_numpy(dtype=np.int64)].T
    )
    offset, scale = np.column_stack([left, top, left, top]), (contract.size / side)[:, None]
    return boxes.assign(**dict(zip(CORNERS, move(boxes[CORNERS].to_numpy(), offset, scale).T, strict=True)))


def on_prepared(
    boxes: pd.DataFrame, images: pd.DataFrame, contract: InputContract
) -> tuple[pd.DataFrame, np.ndarray]:
    """Boxes of original images on the squares that models see.

    Args:
        boxes: ``image`` (row of ``images``) and ``x0, y0, x1, y1`` in px of the original.
        images: ``width`` and ``height`` of the originals, px.
        contract: how they were prepared.

    Returns:
        ``(boxes, cut off)``: boxes in px of the square, cut at its border; and (n,) whether the middle of a box was cut off,
        so that the box is left out of the first.
    """
    moved = _moved(boxes, images, contract, lambda xy, offset, scale: (xy - offset) * scale)
    corners = moved[CORNERS].to_numpy()
    middle = (corners[:, :2] + corners[:, 2:]) / 2
    lost = ((middle < 0) | (middle >= contract.size)).any(axis=1)
    cut = moved.assign(**dict(zip(CORNERS, np.clip(corners, 0, contract.size).T, strict=True)))
    return cut[~lost].reset_index(drop=True), lost


def on_originals(boxes: pd.DataFrame, images: pd.DataFrame, contract: InputContract) -> pd.DataFrame:
    """Found boxes in px of the original images; the way back of :func:`on_prepared`."""
    back = _moved(boxes, images, contract, lambda xy, offset, scale: xy / scale + offset)
    limit = np.tile(
        images[["width", "height"]].to_numpy(dtype=np.float64)[boxes["image"].to_numpy(dtype=np.int64)], 2
    )
    return back.assign(**dict(zip(CORNERS, np.clip(back[CORNERS].to_numpy(), 0, limit).T, strict=True)))
