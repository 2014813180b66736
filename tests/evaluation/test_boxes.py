"""Average precision against another library, FROC by hand, intervals, and the rate of false boxes that a threshold holds."""

import contextlib
import io

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.evaluation.images.box_overlap import pairwise_iou
from medanomaly.evaluation.images.boxes import (
    COCO_OVERLAPS,
    average_precision,
    detection_metrics,
    false_boxes,
    froc,
    match,
)
from medanomaly.evaluation.images.false_boxes import false_box_threshold, fewest_normals

FOUND = ["image", "label", "x0", "y0", "x1", "y1", "score"]


def random_boxes(seed: int, n_images: int = 60, labels: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Found and true boxes: many near a true one, some twice, some anywhere, with scores that tie; some images without."""
    rng = np.random.default_rng(seed)
    true, found = [], []
    for image in range(0, n_images, 2):
        for _ in range(rng.integers(0, 6)):
            corner, side, label = rng.uniform(0, 80, 2), rng.uniform(1, 40, 2), rng.integers(labels)
            true.append((image, label, *corner, *(corner + side)))
            for _ in range(rng.integers(0, 3)):
                moved = corner + rng.normal(0, 0.1, 2) * side
                found.append(
                    (
                        image,
                        label,
                        *moved,
                        *(moved + side * rng.uniform(0.7, 1.4, 2)),
                        rng.integers(1, 30) / 30,
                    )
                )
    for image in range(n_images):
        for _ in range(rng.integers(0, 4)):
            corner = rng.uniform(0, 80, 2)
            found.append(
                (
                    image,
                    rng.integers(labels),
                    *corner,
                    *(corner + rng.uniform(1, 40, 2)),
                    rng.integers(1, 30) / 30,
                )
            )
    return pd.DataFrame(found, columns=FOUND), pd.DataFrame(true, columns=FOUND[:-1])


def by_faster_coco_eval(found: pd.DataFrame, true: pd.DataFrame, n_images: int) -> np.ndarray:
    """(10,) average precision at each overlap, by the other library."""
    library = pytest.importorskip("faster_coco_eval", reason="extra dev: faster-coco-eval is not installed")

    def rows(table: pd.DataFrame) -> list[dict]:
        sides = (table["x1"] - table["x0"], table["y1"] - table["y0"])
        given = zip(table["image"], table["label"], table["x0"], table["y0"], *sides, strict=True)
        return [
            {
                "id": n + 1,
                "image_id": int(i),
                "category_id": int(label),
                "bbox": [x, y, w, h],
                "area": w * h,
                "iscrowd": 0,
            }
            for n, (i, label, x, y, w, h) in enumerate(given)
        ]

    with contextlib.redirect_stdout(io.StringIO()):
        truth = library.COCO(
            {
                "images": [{"id": i, "width": 200, "height": 200} for i in range(n_images)],
                "annotations": rows(true),
                "categories": [{"id": int(label)} for label in sorted({*true["label"], *found["label"]})],
            }
        )
        answers = truth.loadRes(
            [row | {"score": s} for row, s in zip(rows(found), found["score"], strict=True)]
        )
        evaluation = library.COCOeval_faster(truth, answers, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]  # overlaps, recalls, labels
    return np.where(precision > -1, precision, np.nan).reshape(10, 101, -1).mean(axis=1).T.T


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_equals_that_of_another_library(seed):
    found, true = random_boxes(seed)
    # the other library orders equal scores of different images by the number of the image
    found = found.sort_values("image", kind="stable").reset_index(drop=True)
    wanted = np.nanmean(by_faster_coco_eval(found, true, 60), axis=1)
    ours = [average_precision(match(found, true, 60, overlap=overlap))[0] for overlap in COCO_OVERLAPS]
    np.testing.assert_allclose(ours, wanted, atol=1e-9)
    assert 0.05 < ours[0] < 0.95


def table(*rows) -> pd.DataFrame:
    """Found boxes of one label: image, x0 of a box of 10 px, score."""
    return pd.DataFrame([(i, "mass", x, 0, x + 10, 10, s) for i, x, s in rows], columns=FOUND)


TRUE = table((0, 0, 1), (0, 50, 1), (1, 0, 1))[FOUND[:-1]]
# right, right, false (a second box about one lesion), false, right; image 3 is normal
DRAWN = table((0, 1, 0.9), (1, 0, 0.8), (1, 2, 0.7), (3, 0, 0.6), (0, 52, 0.5))


def test_a_second_box_about_one_lesion_is_false():
    matched = match(DRAWN, TRUE, 4)
    assert matched.hit.tolist() == [True, True, False, False, True]
    assert matched.true_score.tolist() == [0.9, 0.5, 0.8]


def test_froc_counted_by_hand():
    rates = (0.1, 0.25, 0.5)  # of 4 images: 0, 1 and 2 false boxes
    assert froc(match(DRAWN, TRUE, 4), rates=rates)[0].tolist() == pytest.approx([2 / 3, 2 / 3, 1])
    # boxes of one score are drawn together
    tied = DRAWN.assign(score=[0.9, 0.8, 0.8, 0.6, 0.5])
    assert froc(match(tied, TRUE, 4), rates=(0.0,))[0].tolist() == pytest.approx([1 / 3])


def test_only_the_counted_lesions_are_asked_about_and_others_make_no_false_box():
    matched = match(DRAWN, TRUE, 4, counted=np.array([False, True, True]))
    assert matched.hit.tolist() == [True, False, False, True]
    assert matched.true_score.tolist() == [0.5, 0.8]
    assert froc(matched, rates=(0.5,))[0, 0] == 1


def test_weights_are_repeated_images():
    found, true = random_boxes(7)
    weights = np.random.default_rng(0).integers(0, 3, (3, 60)).astype(float)
    matched = match(found, true, 60)
    for row, weight in enumerate(weights):
        of = np.repeat(np.arange(60), weight.astype(int))
        parts = [
            pd.concat([t[t["image"] == i].assign(image=new) for new, i in enumerate(of)], ignore_index=True)
            for t in (found, true)
        ]
        # equal scores would be taken in another order
        parts[0]["score"] += parts[0].groupby(FOUND[2:6]).ngroup() * 1e-9
        ordered = found.assign(score=found["score"] + found.groupby(FOUND[2:6]).ngroup() * 1e-9)
        again, ours = match(*parts, len(of)), match(ordered, true, 60)
        assert average_precision(ours, weights)[row] == pytest.approx(average_precision(again)[0], abs=2e-3)
        assert froc(ours, weights)[row] == pytest.approx(froc(again)[0], abs=1e-12)
    assert np.isnan(average_precision(matched, np.zeros((1, 60)))).all()


def test_metrics_at_the_threshold_with_intervals():
    metrics = detection_metrics(DRAWN, TRUE, np.arange(4), threshold=0.6, n_resamples=100).set_index("metric")
    assert metrics.loc["sensitivity", "value"] == pytest.approx(2 / 3)
    assert metrics.loc["precision", "value"] == pytest.approx(2 / 4)
    assert metrics.loc["false_boxes_per_normal_image", "value"] == pytest.approx(1 / 2)
    assert (metrics["ci_low"] <= metrics["value"] + 1e-12).all()
    assert (metrics["value"] <= metrics["ci_high"] + 1e-12).all()
    assert metrics.loc["ap50", "value"] == pytest.approx(average_precision(match(DRAWN, TRUE, 4))[0])
    assert metrics.loc["ap50_95", "value"] < metrics.loc["ap50", "value"]
    assert false_boxes(DRAWN, np.array([3, 2]), 0.6).tolist() == [1, 0]


def test_without_any_box_nothing_is_found_and_nothing_breaks():
    empty = detection_metrics(DRAWN.iloc[:0], TRUE, np.arange(4), threshold=0.5, n_resamples=100).set_index(
        "metric"
    )
    assert empty.loc["ap50", "value"] == 0
    assert empty.loc["sensitivity_at_8", "value"] == 0
    nothing = detection_metrics(DRAWN, TRUE.iloc[:0], np.arange(4), threshold=0.5, n_resamples=100).set_index(
        "metric"
    )
    assert np.isnan(nothing.loc["ap50", "value"])
    assert nothing.loc["false_boxes_per_normal_image", "value"] == 5 / 4


def test_boxes_that_cannot_be_judged_are_refused():
    with pytest.raises(InputError, match="image that is not there"):
        match(DRAWN, TRUE, 3)
    with pytest.raises(InputError, match="not finite"):
        match(DRAWN.assign(score=np.nan), TRUE, 4)


def test_boxes_without_area_overlap_nothing():
    assert pairwise_iou(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
def test_the_threshold_holds_the_rate_of_new_normal_images(rate):
    rng, realised, most, n = np.random.default_rng(3), [], 5, 120
    for _ in range(100):
        counts = rng.integers(0, most + 1, 2 * n)
        drawn = pd.DataFrame(
            {"image": np.repeat(np.arange(2 * n), counts), "score": rng.random(counts.sum())}
        )
        threshold = false_box_threshold(drawn, np.arange(n), np.arange(n), rate, most)
        realised.append(false_boxes(drawn, np.arange(n, 2 * n), threshold).mean())
    assert rate - 1.5 * most / n < np.mean(realised) <= rate + 0.02


def test_the_threshold_counts_patients_and_keeps_boxes_of_one_score_together():
    drawn = pd.DataFrame({"image": [0, 1, 2, 3], "score": [0.9, 0.8, 0.8, 0.1]})
    images, patient = np.arange(40), np.array([0, 0, *range(1, 39)])  # 39 patients
    # boxes of patient 0 count a half each, because two images are theirs
    assert false_box_threshold(drawn, images, patient, 2 / 40 + 1 / 40, 1) == np.nextafter(0.1, 1)
    # one of the two boxes of 0.8 would be allowed, so neither is drawn
    assert false_box_threshold(drawn, images, patient, 1.9 / 40 + 1 / 40, 1) == np.nextafter(0.8, 1)
    assert false_box_threshold(drawn, images, patient, 1.0, 1) == 0.0


def test_too_few_normals_draw_no_box_and_wrong_settings_are_refused():
    drawn = pd.DataFrame({"image": [0, 0], "score": [0.9, 0.8]})
    assert fewest_normals(0.1, 10) == 99
    assert np.isinf(false_box_threshold(drawn, np.arange(98), np.arange(98), 0.1, 10))
    assert np.isfinite(false_box_threshold(drawn, np.arange(99), np.arange(99), 0.1, 10))
    with pytest.raises(InputError, match="more than 1 boxes"):
        false_box_threshold(drawn, np.arange(98), np.arange(98), 0.5, 1)
    with pytest.raises(ConfigurationError, match="above 0"):
        false_box_threshold(drawn, np.arange(98), np.arange(98), 0.0, 10)
