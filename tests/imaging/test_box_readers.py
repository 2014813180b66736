"""Readers of boxes: each form, what is wrong with a box, and that no box is lost silently."""

import json

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.imaging.boxes.readers import read_boxes
from medanomaly.imaging.boxes.table import CORNERS, box_table, on_images, on_originals, on_prepared
from medanomaly.imaging.sources.contract import InputContract

RSNA = """patientId,x,y,width,height,Target
a,10,20,30,40,1
a,50,60,7.5,8,1
b,,,,,0
c,,,,,1
d,1,2,3,4,0
e,1,2,3,4,7
f,5,5,0,9,1
g,5,5,1,1,1
"""
VINDR = """image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max
a,Nodule/Mass,8,R1,10,10,30,30
a,Nodule/Mass,8,R2,12,12,32,32
a,Nodule/Mass,8,R1,70,70,80,80
a,Cardiomegaly,3,R2,11,11,31,31
b,No finding,14,R1,,,,
b,No finding,14,R2,,,,
c,No finding,14,R1,,,,
c,Nodule/Mass,8,R3,1,1,9,9
d,Nodule/Mass,8,R1,1,1,x,9
"""
# the first lines of the real file have this header
NIH = """Image Index,Finding Label,Bbox [x,y,w,h],,,
00013118_008.png,Atelectasis,225.08474576271,547.01921675818,86.779661016949,79.186440677966,,,
00014716_007.png,Atelectasis,686.10169491525,131.54349810605,185.49152542373,313.49152542373,,,
00029817_009.png,Mass,221.83050847458,317.05311710890,155.11864406780,
"""


def coco() -> dict:
    """Three images, two labels, annotations that are right and wrong."""
    box = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 64} for n in (1, 2, 3)],
        "categories": [{"id": 1, "name": "mass"}, {"id": 2, "name": "nodule"}],
        "annotations": [
            {"id": 10, **box},
            {"id": 11, **box, "category_id": 2},
            {"id": 12, **box, "image_id": 9},
            {"id": 13, **box, "category_id": 9},
            {"id": 14, **box, "image_id": 3, "iscrowd": 1},
            {"id": 15, **box, "bbox": [1, 2, 3]},
            {"id": 16, **box, "bbox": [1, 2, -3, 4]},
            "nonsense",
        ],
    }


def read(tmp_path, form: str, text: str, **options):
    """The table of a file with this text."""
    file = tmp_path / "boxes"
    file.write_text(text)
    return read_boxes(file, form, **options)


def reasons(table) -> dict[str, int]:
    """Reason to the number of refused boxes."""
    return table.refused["reason"].value_counts().to_dict()


def test_coco(tmp_path):
    table = read(tmp_path, "coco", json.dumps(coco()))
    assert table.boxes[["image", "label", *CORNERS]].to_numpy().tolist() == [
        ["1.png", "mass", 1, 2, 4, 6],
        ["1.png", "nodule", 1, 2, 4, 6],
    ]
    # an image whose only annotation cannot be used is not normal
    assert table.normals == ("2.png",)
    assert reasons(table) == {
        "its image_id is not among the images": 2,
        "its category_id is not among the categories": 1,
        "the annotation is of a crowd": 1,
        "bbox is not four numbers": 1,
        "the box has no area": 1,
    }
    assert len(table.boxes) + len(table.refused) == len(coco()["annotations"])


def test_rsna(tmp_path):
    table = read(tmp_path, "rsna", RSNA)
    assert table.boxes["image"].tolist() == ["a", "a", "g"]
    assert table.boxes[CORNERS].to_numpy().tolist() == [[10, 20, 40, 60], [50, 60, 57.5, 68], [5, 5, 6, 6]]
    assert set(table.boxes["label"]) == {"lung opacity"}
    assert table.normals == ("b",)
    assert table.refused.set_index("image")["reason"].to_dict() == {
        "c": "a coordinate is missing or no finite number",
        "d": "Target is 0 and there is a box",
        "e": "Target is neither 0 nor 1",
        "f": "the box has no area",
    }
    assert table.refused.set_index("image")["record"]["d"] == "6"  # line of the file


def test_vindr_merges_boxes_of_several_readers(tmp_path):
    table = read(tmp_path, "vindr", VINDR)
    boxes = {(b.image, b.label, b.x0, b.y0, b.x1, b.y1) for b in table.boxes.itertuples()}
    assert boxes == {
        ("a", "Nodule/Mass", 11, 11, 31, 31),
        ("a", "Nodule/Mass", 70, 70, 80, 80),
        ("a", "Cardiomegaly", 11, 11, 31, 31),
        ("c", "Nodule/Mass", 1, 1, 9, 9),
    }
    assert table.normals == ("b",)
    assert reasons(table) == {"a coordinate is missing or no finite number": 1}
    assert table.notes == (
        "Images that are called empty and have a box all the same: 1; the box counts.",
        "5 boxes of several readers became 4: overlapping ones of one label are one.",
    )


def test_vindr_boxes_of_too_few_readers_are_refused_and_their_images_are_not_normal(tmp_path):
    table = read(tmp_path, "vindr", VINDR, least_readers=2)
    assert table.boxes[["image", "label"]].to_numpy().tolist() == [["a", "Nodule/Mass"]]
    assert reasons(table)["fewer than 2 readers drew the box"] == 3
    assert table.normals == ("b",)


def test_nih_with_its_broken_header(tmp_path):
    table = read(tmp_path, "nih", NIH)
    assert table.boxes["image"].tolist() == ["00013118_008.png", "00014716_007.png"]
    np.testing.assert_allclose(
        table.boxes["x1"], [225.08474576271 + 86.779661016949, 686.10169491525 + 185.49152542373]
    )
    assert reasons(table) == {"a coordinate is missing or no finite number": 1}
    assert table.normals == ()
    assert table.notes == ("The list of boxes names no normal image.",)


def test_a_file_of_another_form_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"columns \['patientId'.*another form"):
        read(tmp_path, "rsna", VINDR)
    for text in ("[]", "{", '{"images": [{}]}'):
        with pytest.raises(InputError, match="no COCO file"):
            read(tmp_path, "coco", text)
    with pytest.raises(InputError, match="the table cannot be read"):
        read(tmp_path, "rsna", "")
    with pytest.raises(InputError, match="5 columns"):
        read(tmp_path, "nih", "Image Index,Finding Label,x,y,w\na,b,1,2,3\n")
    with pytest.raises(ConfigurationError, match="Did you mean 'coco'"):
        read(tmp_path, "cocoo", "{}")
    with pytest.raises(DataNotFoundError, match="does not exist"):
        read_boxes(tmp_path / "absent.csv", "rsna")


def test_boxes_meet_their_images():
    rows = pd.DataFrame(
        {
            "record": range(6),
            "image": ["a", "a.png", "b", "b", "unknown", "b"],
            "label": "mass",
            "x0": [0, -5, 30, 31.5, 0, 8],
            "y0": [0, 10, 0, 0, 0, 8],
            "x1": [10, 5, 40, 33, 5, 9],
            "y1": [10, 20, 5, 5, 5, 9],
        }
    )
    images = pd.DataFrame({"name": ["b.png", "a.png", "c.png"], "width": [30, 40, 9], "height": [20, 50, 9]})
    table = on_images(box_table(rows, ["c", "elsewhere", "b"]), images)
    assert table.boxes[["image", *CORNERS]].to_numpy().tolist() == [
        [1, 0, 0, 10, 10],
        [1, 0, 10, 5, 20],
        [0, 8, 8, 9, 9],
    ]
    assert table.normals == (2,)
    assert reasons(table) == {"there is no image of this name": 1, "the box lies outside of its image": 2}
    assert table.notes == (
        "Images that are called empty and have a box all the same: 1; the box counts.",
        "Boxes that reached beyond their image and were cut at its border: 1.",
        "Images that the table of boxes calls empty and that are not there: 1.",
    )


@pytest.mark.parametrize("geometry", ["centre_crop", "pad"])
@pytest.mark.parametrize(("width", "height"), [(100, 60), (61, 101), (80, 80)])
def test_boxes_move_with_the_pixels_of_prepared_images(geometry, width, height):
    contract = InputContract(size=64, geometry=geometry)
    pixels = np.zeros((height, width), dtype=np.float32)
    pixels[30:46, 28:40] = 1
    images = pd.DataFrame({"width": [width], "height": [height]})
    box = pd.DataFrame({"image": [0], "x0": [28], "y0": [30], "x1": [40], "y1": [46]})
    moved, lost = on_prepared(box, images, contract)
    ys, xs = np.nonzero(contract.prepare(pixels) >= 0.5)
    assert not lost.any()
    np.testing.assert_allclose(
        moved[CORNERS].to_numpy()[0], [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], atol=1
    )
    np.testing.assert_allclose(on_originals(moved, images, contract)[CORNERS].to_numpy()[0], [28, 30, 40, 46])


def test_a_box_whose_middle_is_cropped_away_is_named():
    boxes = pd.DataFrame({"image": [0, 0], "x0": [0, 15], "y0": [5, 5], "x1": [10, 60], "y1": [15, 15]})
    moved, lost = on_prepared(boxes, pd.DataFrame({"width": [100], "height": [60]}), InputContract(size=60))
    assert lost.tolist() == [True, False]
    assert moved["x0"].tolist() == [0]
