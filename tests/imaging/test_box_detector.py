"""The detector of boxes: targets, augmentation, decoding, learning, export, bundles, detectors of torchvision."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from medanomaly.core.bundle import make_bundle
from medanomaly.core.errors import BundleError, ConfigurationError, InputError
from medanomaly.core.onnx_session import open_session
from medanomaly.evaluation.images.boxes import average_precision, match
from medanomaly.imaging.augmentation import augment_with_boxes
from medanomaly.imaging.boxes.decode import boxes_of_heat, non_maximum_suppression
from medanomaly.imaging.boxes.of_maps import ResidualMap, boxes_of_maps, boxes_of_masks
from medanomaly.imaging.boxes.table import BoxTable
from medanomaly.imaging.image_scorer import ImageScorer
from medanomaly.imaging.networks.box_detector.loss import geometry_loss, heat_loss, targets
from medanomaly.imaging.networks.box_detector.params import BoxDetectorParams
from medanomaly.imaging.networks.params import AugmentationParams
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.supervised.box_bundles import (
    BOXES,
    NORMAL,
    UNKNOWN,
    BoxScorer,
    box_bundle,
    boxes_in,
    known_boxes,
)
from medanomaly.imaging.supervised.box_models import BoxDetector, padded_boxes
from medanomaly.imaging.supervised.box_params import BoxModelParams
from medanomaly.imaging.supervised.torchvision_boxes import TorchvisionBoxParams, TorchvisionDetector
from medanomaly.training.params import TrainingParams

SIZE, N = 32, 72
COLUMNS = ["image", "label", "x0", "y0", "x1", "y1"]
TRAINING = TrainingParams(max_epochs=30, batch_size=8, learning_rate=1e-2, patience=0, threads=1)
PARAMS = BoxDetectorParams(width=4, augmentation=None, most_boxes=3)


def squares(n: int, seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Grey images with noise; two of three show one or two bright squares."""
    rng = np.random.default_rng(seed)
    images, rows = rng.normal(0.3, 0.03, (n, SIZE, SIZE)), []
    for image in range(n):
        for half in range(image % 3):
            side = rng.integers(6, 11)
            x, y = 16 * half + rng.integers(0, 17 - side), rng.integers(0, SIZE - side)
            images[image, y : y + side, x : x + side] += 0.4
            rows.append((image, "square", x, y, x + side, y + side))
    return images.clip(0, 1).astype(np.float32), pd.DataFrame(rows, columns=COLUMNS)


def case_table(n: int) -> pd.DataFrame:
    """Two thirds of the cases in train, the rest in calibration and test."""
    split = np.where(
        np.arange(n) < n // 2, "train", np.where(np.arange(n) < 3 * n // 4, "calibration", "test")
    )
    return pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)],
            "patient_id": [f"p{i}" for i in range(n)],
            "label": pd.array([int(i % 3 > 0) for i in range(n)], dtype="Int8"),
            "kind": pd.array([pd.NA] * n, dtype="string"),
            "split": split,
        }
    )


@pytest.fixture(scope="module")
def data():
    images, boxes = squares(N, seed=0)
    states = pd.DataFrame({"state": np.where(np.arange(N) % 3 > 0, BOXES, NORMAL)})
    return images, boxes, case_table(N), states


@pytest.fixture(scope="module")
def bundle(data):
    images, boxes, cases, states = data
    params = BoxModelParams(network=PARAMS, training=TRAINING, false_boxes_per_image=1.0)
    return box_bundle(images, cases, boxes, states, params, InputContract(size=SIZE), name="detector", seed=0)


@pytest.fixture(scope="module")
def detector(bundle):
    return BoxDetector.from_weights(bundle.manifest["spec"], bundle.files["weights.safetensors"])


def tensor(*rows) -> torch.Tensor:
    """(1, k, 5) boxes of one image."""
    return torch.tensor([rows], dtype=torch.float32)


# targets and loss


def test_targets_are_read_back_as_the_boxes_that_they_were_made_of():
    given = tensor((0, 4, 6, 13, 20), (1, 20, 22, 23, 23), (0, math.nan, math.nan, math.nan, math.nan))
    wanted = targets(given, 2, 8, 8)
    assert int(wanted.n_boxes) == 2
    assert float(wanted.heat.amax()) == 1
    found = boxes_of_heat(
        wanted.heat.numpy(), wanted.geometry.numpy(), 4, overlap=0.3, most=5, least_score=0.99
    )
    np.testing.assert_allclose(
        found.sort_values("label")[["label", "x0", "y0", "x1", "y1"]], given[0, :2].numpy(), atol=1e-4
    )


def test_images_without_a_box_want_no_heat_and_teach_no_geometry():
    wanted = targets(torch.full((2, 1, 5), math.nan), 1, 4, 4)
    assert float(wanted.heat.sum()) == float(wanted.weight.sum()) == float(wanted.n_boxes) == 0
    assert float(geometry_loss(torch.ones(2, 4, 4, 4), wanted.geometry, wanted.weight)) == 0
    assert math.isfinite(float(heat_loss(torch.zeros(2, 1, 4, 4), wanted.heat, wanted.n_boxes)))


def test_the_heat_loss_is_that_of_the_formula():
    logits, heat = torch.tensor([[[[0.0, -2.0, 1.0]]]]), torch.tensor([[[[1.0, 0.5, 0.0]]]])
    p = torch.sigmoid(logits)[0, 0, 0]
    by_hand = (
        (1 - p[0]) ** 2 * p[0].log() + 0.5**4 * p[1] ** 2 * (1 - p[1]).log() + p[2] ** 2 * (1 - p[2]).log()
    )
    assert float(heat_loss(logits, heat, torch.tensor(2))) == pytest.approx(-float(by_hand) / 2)


def test_augmented_boxes_stay_about_what_they_were_about():
    images, boxes = squares(12, seed=5)
    padded = padded_boxes(boxes, ["square"], 12, SIZE)
    strong = AugmentationParams(degrees=0.0, shift=0.2, scale=0.2, gamma=0.0, noise=0.0)
    seen, moved = augment_with_boxes(
        torch.from_numpy(images)[:, None], padded, strong, torch.Generator().manual_seed(1)
    )
    assert not torch.equal(torch.nan_to_num(moved), torch.nan_to_num(padded))
    checked = 0
    for image, own in zip(seen[:, 0].numpy(), moved.numpy(), strict=True):
        for _, x0, y0, x1, y1 in own[np.isfinite(own[:, 1])]:
            inside = image[round(y0) : max(round(y1), 1), round(x0) : max(round(x1), 1)]
            checked += 1
            assert np.median(inside) > 0.55
    assert checked > 5
    again = augment_with_boxes(
        torch.from_numpy(images)[:, None], padded, strong, torch.Generator().manual_seed(1)
    )
    assert torch.equal(again[0], seen)


def test_a_box_that_leaves_the_image_is_none():
    images, boxes = torch.rand(1, 1, 16, 16), tensor((0, 0, 0, 2, 2), (0, 6, 6, 10, 10))
    far = AugmentationParams(degrees=0.0, shift=0.25, scale=0.0, gamma=0.0, noise=0.0)
    left = [
        int(
            torch.isfinite(
                augment_with_boxes(images, boxes, far, torch.Generator().manual_seed(s))[1][0, :, 1]
            ).sum()
        )
        for s in range(12)
    ]
    assert set(left) == {1, 2}


# decoding


def test_of_two_boxes_about_one_thing_the_better_one_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], dtype=float)
    assert non_maximum_suppression(boxes, np.array([0.5, 0.9, 0.1]), 0.3).tolist() == [1, 2]
    assert non_maximum_suppression(boxes, np.array([0.5, 0.9, 0.1]), 0.95).tolist() == [1, 0, 2]
    assert non_maximum_suppression(np.zeros((0, 4)), np.zeros(0), 0.3).tolist() == []


def test_no_more_boxes_than_asked_for_the_best_first_and_inside_the_image():
    rng = np.random.default_rng(0)
    heat, geometry = rng.random((3, 1, 8, 8)), rng.normal(0, 1, (3, 4, 8, 8))
    geometry[0, 2:] = 1000  # no side is longer than the image
    found = boxes_of_heat(heat, geometry, 4, overlap=0.3, most=2)
    assert found.groupby("image").size().max() == 2
    assert (found.groupby("image")["score"].diff().dropna() <= 0).all()
    assert found[["x0", "y0"]].to_numpy().min() >= 0
    assert found[["x1", "y1"]].to_numpy().max() <= 32


# learning


def test_it_learns_to_draw_boxes(data, detector):
    images, boxes = squares(30, seed=9)
    found = detector.boxes(images)
    assert set(found["label"]) <= {"lesion"}
    precision = average_precision(match(found, boxes.assign(label="lesion"), 30))[0]
    assert precision > 0.8, precision


def test_the_exported_graph_answers_as_torch_does_for_one_image_and_for_many(bundle, detector):
    images = squares(7, seed=3)[0]
    session = open_session(bundle.files["model.onnx"])
    for given in (images, images[:1]):
        served = session.run(["heat", "geometry"], {"image": given[:, None]})
        for a, b in zip(served, detector.answers(given), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
    pd.testing.assert_frame_equal(
        BoxScorer(bundle).boxes(images).drop(columns=["p_value", "drawn"]), detector.boxes(images), atol=1e-3
    )


def test_training_again_gives_the_same_weights(data):
    images, boxes = data[0][:16], data[1][data[1]["image"] < 16]
    short = TRAINING.model_copy(update={"max_epochs": 1})
    once, again = (BoxDetector(BoxDetectorParams(width=4), short, 3).fit(images, boxes) for _ in range(2))
    assert once.weights() == again.weights()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"x1": 33}, "outside of its image"),
        ({"x1": 1, "x0": 1}, "without area"),
        ({"image": 9}, "an image that is not there"),
        ({"label": "other"}, "a label that is not asked for"),
        ({"y0": math.nan}, "outside of its image"),
    ],
)
def test_boxes_that_do_not_fit_are_refused(change, problem):
    row = dict(zip(COLUMNS, (0, "square", 1, 1, 9, 9), strict=True)) | change
    with pytest.raises(InputError, match=problem):
        padded_boxes(pd.DataFrame([row]), ["square"], 4, SIZE)


def test_without_any_box_there_is_nothing_to_learn():
    with pytest.raises(InputError, match="no box to learn from"):
        BoxDetector(PARAMS, TRAINING).fit(squares(8, 0)[0], pd.DataFrame(columns=COLUMNS))


# bundles


def test_boxes_have_p_values_and_are_drawn_from_the_threshold_on(bundle, data):
    scorer, (images, boxes, cases, _) = BoxScorer(bundle), data
    test = np.flatnonzero(cases["split"] == "test")
    found = scorer.boxes(images[test])
    assert (found["drawn"] == (found["score"] >= scorer.threshold)).all()
    assert bundle.manifest["box_threshold"]["n_patients"] == 6
    assert found["p_value"].min() >= 1 / 7
    right = match(found, boxes_in(boxes, test, one_label=True), len(test))
    assert np.isfinite(right.true_score).mean() > 0.8
    assert (scorer.boxes(np.zeros((0, SIZE, SIZE), dtype=np.float32)).columns == found.columns).all()


def test_too_few_normals_draw_nothing_and_still_give_p_values(data):
    images, boxes, cases, states = data
    short = BoxModelParams(
        network=PARAMS, training=TRAINING.model_copy(update={"max_epochs": 1}), false_boxes_per_image=0.1
    )
    made = box_bundle(images, cases, boxes, states, short, InputContract(size=SIZE), name="d", seed=0)
    assert made.manifest["box_threshold"]["score"] is None
    assert made.manifest["box_threshold"]["n_patients_needed"] == 29
    found = BoxScorer(made).boxes(images)
    assert len(found)
    assert not found["drawn"].any()


def test_other_scorers_refuse_the_bundle_and_the_other_way_round(bundle):
    with pytest.raises(BundleError, match="kind 'box_detector'"):
        ImageScorer(bundle)
    with pytest.raises(BundleError, match="kind 'unet'"):
        BoxScorer(make_bundle(bundle.manifest | {"kind": "unet"}, bundle.files))


def test_a_bundle_needs_boxes_and_normals(data):
    images, boxes, cases, _ = data
    few = pd.DataFrame({"state": [BOXES] * 4 + [NORMAL] * (N - 4)})
    arguments = {"params": BoxModelParams(), "contract": InputContract(size=SIZE), "name": "d", "seed": 0}
    with pytest.raises(ConfigurationError, match="4 images with a box in train"):
        box_bundle(images, cases, boxes, few, **arguments)
    none = pd.DataFrame({"state": [BOXES] * N})
    with pytest.raises(ConfigurationError, match="no normal image in calibration"):
        box_bundle(images, cases, boxes, none, **arguments)


# which boxes are known


def test_regions_of_masks_get_boxes():
    masks = np.zeros((3, 10, 10), dtype=bool)
    masks[0, 1:4, 2:7], masks[0, 6:9, 6:9], masks[0, 9, 0] = True, True, True
    masks[1, 5, 5] = True
    found = boxes_of_masks(masks)
    assert found.drop(columns="area").to_numpy().tolist() == [
        [0, 2, 1, 7, 4],
        [0, 6, 6, 9, 9],
        [1, 5, 5, 6, 6],
    ]


def test_of_masks_the_labels_and_the_images_without_a_mask_are_known():
    cases = case_table(3).assign(kind=pd.array(["normal", "nodule", "nodule"], dtype="string"))
    masks = {"masks": np.zeros((2, 8, 8), dtype=bool), "rows": np.array([0, 1])}
    masks["masks"][1, 2:5, 2:5] = True
    boxes, states, refused, notes = known_boxes(cases, pd.DataFrame(), masks, None, InputContract(size=8))
    assert boxes[COLUMNS].to_numpy().tolist() == [[1, "nodule", 2, 2, 5, 5]]
    assert states["state"].tolist() == [NORMAL, BOXES, UNKNOWN]
    assert len(refused) == len(notes) == 0
    with pytest.raises(InputError, match="no box about anything"):
        known_boxes(
            cases,
            pd.DataFrame(),
            {"masks": masks["masks"][:1], "rows": np.array([0])},
            None,
            InputContract(size=8),
        )


def test_of_a_file_an_image_with_a_refused_box_is_not_normal():
    cases = case_table(4).assign(label=pd.array([0, 0, 0, 1], dtype="Int8"))
    manifest = pd.DataFrame({"path": [f"d/{i}.png" for i in range(4)], "width": 32, "height": 16})
    rows = pd.DataFrame(
        {"record": [1, 2, 3], "image": ["3.png", "1.png", "2.png"], "label": "mass", "x0": [10, 99, 0], "y0": 2,
         "x1": [20, 120, 4], "y1": 8}
    )  # fmt: skip
    none = {"masks": np.zeros((0, 8, 8), dtype=bool), "rows": np.zeros(0, dtype=int)}
    boxes, states, refused, _ = known_boxes(cases, manifest, none, BoxTable(rows), InputContract(size=8))
    assert boxes["image"].tolist() == [3]
    assert states["state"].tolist() == [NORMAL, UNKNOWN, UNKNOWN, BOXES]
    assert sorted(refused["reason"]) == [
        "its middle lies outside of the prepared image",
        "the box lies outside of its image",
    ]


# the baseline


def test_boxes_of_a_map_are_about_what_normal_images_do_not_show():
    normal = squares(160, seed=1)[0][::3][:50]
    images, boxes = squares(30, seed=2)
    maps = ResidualMap(components=4).fit(normal[:40], normal[40:]).maps(images)
    found = boxes_of_maps(maps, 4.0, most=3, name="square")
    assert average_precision(match(found, boxes, 30, overlap=0.3))[0] > 0.5
    assert (found["score"] > 4).all()
    with pytest.raises(InputError, match="NaN"):
        boxes_of_maps(np.full((1, 4, 4), np.nan), 0.0, most=1)
    with pytest.raises(InputError, match="normal images for a map"):
        ResidualMap(components=8).fit(normal[:9], normal[40:])


# torchvision


@pytest.mark.parametrize(
    "architecture", ["ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"]
)
def test_detectors_of_torchvision_keep_the_contract(data, architecture):
    images, boxes = data[0][:4], data[1][data[1]["image"] < 4]
    params = TorchvisionBoxParams(architecture=architecture, size=64, most_boxes=3)
    once = TrainingParams(max_epochs=1, batch_size=2, learning_rate=1e-5, patience=0, threads=1)
    model = TorchvisionDetector(params, once, seed=0).fit(images, boxes)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in model.head_.modules())
    found = model.boxes(images)
    assert list(found.columns) == [*COLUMNS, "score"]
    assert len(found)
    assert (found.groupby("image").size() <= 3).all()
    again = TorchvisionDetector.from_weights(model.spec(), model.weights())
    pd.testing.assert_frame_equal(again.boxes(images), found)
    with pytest.raises(ConfigurationError, match="is not exported"):
        model.to_onnx()
