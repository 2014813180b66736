"""``kedro run --pipelines data_processing,detection`` on the smallest cohort, and what a new image gets."""

import json

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.models import kind
from medanomaly.datasets.boxes import BoxFileDataset
from medanomaly.evaluation.images.boxes import detection_metrics
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.imaging.supervised.box_bundles import BOXES, NORMAL, BoxScorer, boxes_in, rows_of
from medanomaly.pipeline_registry import build
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.imaging.boxes import detection
from medanomaly.reporting.imaging import boxes as box_report
from medanomaly.reporting.model_card import render_card
from medanomaly.scoring.models import open_models
from tests.conftest import environment, run_apart


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("detection")


@pytest.fixture(scope="module")
def run(folder):
    """Catalog of the run."""
    printed, catalog = run_apart(folder, "data_processing,detection")
    assert "Imaging boxes report: " in printed
    return catalog


def test_boxes_are_about_the_masks_and_normal_images_have_none(run):
    boxes, states, cases = (
        run[f"{of}"].load() for of in ("imaging_boxes.boxes", "imaging_boxes.states", "imaging.cases")
    )
    masks = run["imaging.masks"].load()
    for row in masks["rows"][masks["masks"].any(axis=(1, 2))][:20]:
        own, mask = boxes[boxes["image"] == row], masks["masks"][list(masks["rows"]).index(row)]
        ys, xs = np.nonzero(mask)
        assert own["x0"].min() <= xs.min() + 2
        assert own["y1"].max() >= ys.max() - 1
    assert set(boxes["label"]) <= {"opacity", "effusion", "nodule"}
    assert states.loc[cases["label"].eq(0), "state"].eq(NORMAL).all()
    assert run["imaging_boxes.summary"].load()["from_masks"]


def test_the_metrics_are_those_of_the_boxes_that_were_found(run):
    cases, boxes, states, found, metrics = (
        run[name].load()
        for name in (
            "imaging.cases",
            *(f"imaging_boxes.{of}" for of in ("boxes", "states", "found", "metrics")),
        )
    )
    assert set(metrics["role"]) == {"model", "baseline"}
    test = rows_of(cases, states, "test", BOXES, NORMAL)
    own = found[found["model"] == "box_detector"]
    place = dict(zip(cases["case_id"].to_numpy()[test], range(len(test)), strict=True))
    bundle = run["imaging_boxes.box_detector.bundle"].load()
    again = detection_metrics(
        own.assign(image=own["case_id"].map(place)),
        boxes_in(boxes, test, one_label=True),
        cases["patient_id"].to_numpy()[test],
        threshold=BoxScorer(bundle).threshold,
        n_resamples=200,
        seed=0,
    ).set_index("metric")
    rows = metrics[metrics["model"] == "box_detector"].set_index("metric")
    for name in ("ap50", "sensitivity_at_0.5", "false_boxes_per_normal_image"):
        assert rows.loc[name, "value"] == pytest.approx(again.loc[name, "value"])
    # no rate of false boxes was asked of the baseline
    assert "sensitivity" not in set(metrics.loc[metrics["role"] == "baseline", "metric"])


def test_a_new_image_gets_boxes_in_its_own_pixels(run, folder):
    bundle = run["imaging_boxes.box_detector.bundle"].load()
    (sealed,) = folder.glob("06_models/*/imaging_boxes/box_detector")
    models = open_models(sealed)
    wide = np.zeros((64, 128), dtype=np.float32)
    wide[:, 32:96] = ImageArray(run["imaging.images"].load(), np.array([0]))[0:1][0].repeat(2, 0).repeat(2, 1)
    answers = models.score(wide)
    score = answers.scores.iloc[0]
    found = BoxScorer(bundle).boxes(wide[None, ::2, 32:96:2])
    assert score["score"] == pytest.approx(found["score"].max(), abs=0.1)
    assert 0 < score["p_value"] <= 1
    reasons = answers.explanations
    assert reasons["feature"].str.fullmatch(r"lesion, x \d+ to \d+, y \d+ to \d+ px").all()
    left = reasons["feature"].str.extract(r"x (\d+) to")[0].astype(int)
    assert left.min() >= 32
    assert json.loads(json.dumps(answers.to_dict(), allow_nan=False))


def test_the_page_shows_test_images_with_boxes(run):
    page = run["imaging_boxes.report"].load()
    for words in ("How well boxes are found", "Which boxes are drawn", "about the regions of masks", "<svg"):
        assert words in page
    assert "were refused" not in page


def test_only_environments_with_such_a_model_have_the_pipeline():
    assert {node.name for node in build(environment("test"), "detection").nodes} == {
        "known_boxes", "imaging_boxes.box_detector.fit", "draw_boxes", "measure_boxes", "write_box_report",
    }  # fmt: skip
    assert not build(environment("wdbc"), "detection").nodes
    with pytest.raises(ConfigurationError, match="describes 1 models"):
        detection((Model("segmenter", kind("image_segmenter")),))


def test_a_file_of_boxes_is_read_by_its_form(tmp_path):
    file = tmp_path / "boxes.csv"
    file.write_text("patientId,x,y,width,height,Target\na,1,2,3,4,1\n")
    assert len(BoxFileDataset(filepath=str(file), form="rsna").load().boxes) == 1
    assert BoxFileDataset().load() is None


# what pages and cards say

THRESHOLD = {"score": 0.31, "false_boxes_per_image": 0.2, "n_patients": 40, "n_patients_needed": 19}


def plain(text: str) -> str:
    """With ordinary spaces."""
    return text.replace("\u00a0", " ")


def metrics_table(**values) -> pd.DataFrame:
    rows = [("box_detector", "model", m, v, v - 0.1, v + 0.1, 50) for m, v in values.items()]
    return pd.DataFrame(rows, columns=["model", "role", "metric", "value", "ci_low", "ci_high", "n"])


def test_the_finding_is_said_or_that_there_is_none():
    metrics = metrics_table(ap50=0.8, **{"sensitivity_at_0.5": 0.7})
    said = plain(box_report.box_lead(metrics, "box_detector"))
    assert said.startswith("Average precision is 0.800 (0.700 to 0.900) on 50 test images; 0.700")
    assert box_report.box_lead(metrics_table(), "box_detector").startswith("No test image has a box")
    alone = box_report.measures_section(metrics, "box_detector")
    assert alone.text == ""
    both = pd.concat([metrics, metrics.assign(model="map", role="baseline")])
    assert "the baseline knows normal images alone" in box_report.measures_section(both, "box_detector").text


def test_the_threshold_is_said_or_why_there_is_none():
    metrics = metrics_table(false_boxes_per_normal_image=0.15, sensitivity=0.5, precision=0.6)
    said = box_report.threshold_section(THRESHOLD, metrics, "box_detector")
    assert "0.310 or more" in said.text
    assert "40 patients" in plain(said.text)
    assert said.tables[0].rows[0] == ("False boxes per normal image (0.2 asked)", "0.150 (0.050 to 0.250)")
    none = box_report.threshold_section(THRESHOLD | {"score": None}, metrics, "box_detector")
    assert plain(none.text).startswith(
        "None: calibration has normal images of 40 patients, and 19 are needed for 0.2 false boxes"
    )
    assert not none.tables


def test_refused_boxes_and_unknown_images_are_said_where_there_are_some():
    summary = {"n_boxes": 5, "n_refused": 0, "reasons": {}, "states": {"boxes": 4, "normal": 9}, "from_masks": False,
               "notes": []}  # fmt: skip
    said = box_report.boxes_section(summary, [])
    assert plain(said.text) == "5 boxes on 4 images, from the file of boxes. 9 images without any lesion."
    assert not said.tables
    some = summary | {"n_refused": 2, "reasons": {"the box has no area": 2}, "notes": ["A note."]}
    said = box_report.boxes_section(some | {"states": summary["states"] | {"not known": 3}}, [])
    assert plain(said.text).endswith("3 images of which nothing is known, which were not used.")
    assert said.tables[0].rows == [("the box has no area", 2)]
    assert list(said.cautions) == ["A note."]


def test_boxes_are_drawn_where_they_are():
    box = pd.DataFrame({"x0": [2.0], "y0": [1.0], "x1": [6.0], "y1": [8.0]})
    tile = box_report.outlined(np.zeros((8, 8)), box, (1.0, 0.5, 0.1))
    coloured = tile[..., 0] == 1
    assert coloured[1, 2:6].all()
    assert coloured[7, 2:6].all()
    assert coloured[1:8, [2, 5]].all()
    assert coloured.sum() == 2 * 4 + 2 * 5
    assert box_report.box_figure(np.zeros((0, 8, 8)), [], []) is None


def test_the_card_says_which_boxes_are_drawn():
    manifest = {"name": "box_detector", "modality": "imaging_boxes", "kind": "box_detector", "meaning": "m",
                "box_threshold": THRESHOLD}  # fmt: skip
    card = render_card(manifest)
    assert (
        "Boxes are drawn from a score of 0.31 on, chosen on normal calibration images of 40 patients for 0.2 false"
        in card
    )
    assert "It may have learned how images were taken" in card
    none = render_card(manifest | {"box_threshold": THRESHOLD | {"score": None}})
    assert (
        "No box is drawn: calibration has normal images of 40 patients, and 19 are needed for 0.2 false boxes"
        in none
    )
    assert "Boxes are drawn" not in none
    assert "box" not in render_card({"name": "ecdf"})
