"""The supervised models of images, run by name on the smallest cohort: what they leave, and that it can be trusted."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.bundle import make_bundle, read_bundle
from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.core.scores import check_scores
from medanomaly.core.thresholds import choose_threshold
from medanomaly.datasets.outputs.optional_bundle import OptionalBundleDataset
from medanomaly.evaluation.images.segmentation import segmentation_metrics
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.imaging.image_scorer import ImageScorer
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.imaging.supervised.bundles import (
    ImageRiskParams,
    ImageRiskScorer,
    ImageSegmenterParams,
    best_dice_threshold,
    classifier_bundle,
    enough_masks,
    segmenter_bundle,
    with_outlines,
)
from medanomaly.imaging.supervised.models import ImageClassifier, ImageSegmenter
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipeline_registry import build
from medanomaly.pipelines.imaging.risk_check_nodes import MAP_COLUMNS
from medanomaly.pipelines.imaging.risk_report_nodes import write_image_risk_report
from medanomaly.reporting.imaging.risk import map_section
from medanomaly.reporting.sections import Figure
from tests.conftest import environment, run_apart

CONTRACT = InputContract(size=32)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Catalog of ``kedro run --env test --pipelines data_processing,risk_models --tags imaging``."""
    return run_apart(tmp_path_factory.mktemp("image_risk"), "data_processing,risk_models")[1]


@pytest.fixture(scope="module")
def data(run):
    image_array = ImageArray(run["imaging.images"].load(), run["imaging.manifest"].load()["row"])
    return image_array, run["imaging.cases"].load()


def test_probabilities_and_scores_are_of_test_images_alone_and_come_from_the_bundle(run, data):
    image_array, cases = data
    probabilities = run["imaging_risk.classifier.probabilities"].load()
    scores = check_scores(run["imaging_risk.classifier.scores"].load())
    test = cases[cases["split"] == "test"]
    assert probabilities["case_id"].tolist() == scores["case_id"].tolist() == test["case_id"].tolist()
    bundle = run["imaging_risk.classifier.bundle"].load()
    model = ImageClassifier.from_weights(bundle.manifest["spec"], bundle.files["weights.safetensors"])
    np.testing.assert_allclose(probabilities["probability"], model.score(image_array[test.index]), atol=1e-5)
    reached = scores["score"] >= bundle.manifest["risk_threshold"]["probability"]
    assert scores["flagged"].astype(bool).tolist() == reached.tolist()


def test_the_threshold_is_chosen_on_calibration_images(run, data):
    image_array, cases = data
    bundle = run["imaging_risk.classifier.bundle"].load()
    inside = cases[(cases["split"] == "calibration") & cases["label"].notna()]
    probability = ImageRiskScorer(bundle).probability(image_array[inside.index.to_numpy()])
    expected = choose_threshold(probability, inside["label"].to_numpy(int), ImageRiskParams().threshold)
    assert bundle.manifest["risk_threshold"]["probability"] == pytest.approx(expected)
    assert bundle.manifest["training_data"]["n_cases"] == int(
        ((cases["split"] == "train") & cases["label"].notna()).sum()
    )


def test_an_anomaly_scorer_refuses_the_bundle_and_the_other_way_round(run):
    bundle = run["imaging_risk.classifier.bundle"].load()
    foreign = make_bundle(bundle.manifest | {"kind": "unet"}, bundle.files)
    with pytest.raises(BundleError, match="kind 'unet'"):
        ImageRiskScorer(foreign)
    with pytest.raises(BundleError, match="kind 'image_classifier'"):
        ImageScorer(bundle)


def test_metrics_have_intervals_and_stand_beside_lbe_and_controls(run):
    metrics, differences = (run[f"imaging_risk.{name}"].load() for name in ("metrics", "comparisons"))
    whole = metrics[metrics["subgroup"].fillna("").eq("")].set_index("metric")
    assert {"auroc", "auprc", "brier", "ece", "sensitivity", "specificity"} <= set(whole.index)
    auroc = whole.loc["auroc"]
    assert auroc["ci_low"] <= auroc["value"] <= auroc["ci_high"]
    others = {"lbe", "aspect ratio", "mean intensity", "sharpness"}
    assert others <= set(differences["model_a"]) | set(differences["model_b"])


def test_the_segmenter_outlines_at_its_own_threshold(run, data):
    image_array, cases = data
    (bundle,) = run["imaging_risk.segmenters"].load().values()
    model = ImageSegmenter.from_weights(bundle.manifest["spec"], bundle.files["weights.safetensors"])
    some = image_array[cases.index[cases["split"] == "test"][:5].to_numpy()]
    probability = model.probability(some)
    clear = np.abs(probability - bundle.manifest["outline_threshold"]) > 1e-5
    outlined = ImageRiskScorer(bundle).outlines(some)
    expected = probability >= bundle.manifest["outline_threshold"]
    assert (outlined == expected)[clear].all()


def test_outlines_are_measured_on_test_images_with_a_lesion_and_false_ones_on_the_others(run, data):
    image_array, cases = data
    table = run["imaging_risk.outlines"].load().set_index("measure")
    masks, (bundle,) = run["imaging.masks"].load(), run["imaging_risk.segmenters"].load().values()
    lesion = masks["masks"].any(axis=(1, 2)) & cases["split"].eq("test").to_numpy()[masks["rows"]]
    found = ImageRiskScorer(bundle).outlines(image_array[masks["rows"][lesion]])
    expected = segmentation_metrics(found, masks["masks"][lesion])
    for measure, values in expected.items():
        assert table.loc[measure, "value"] == pytest.approx(values.mean())
        assert table.loc[measure, "ci_low"] <= values.mean() <= table.loc[measure, "ci_high"]
        assert table.loc[measure, "n"] == lesion.sum()
    normal = cases["split"].eq("test") & cases["label"].eq(0)
    assert table.loc["normal_outlined", "n"] == normal.sum()


def test_reliability_and_the_check_of_the_maps_are_tables_of_their_own(run):
    check = run["imaging_risk.map_check"].load().set_index("measure")
    assert set(check.index) == {"deletion", "insertion"}
    assert check.loc["deletion", "gain"] == pytest.approx(
        check.loc["deletion", "random"] - check.loc["deletion", "value"]
    )
    assert (check["ci_low"] <= check["gain"]).all()
    assert set(run["imaging_risk.reliability"].load()["model"]) == {"classifier"}


def test_the_verdict_on_the_maps_says_what_was_measured():
    figure = Figure("maps", "", "<svg></svg>")

    def verdict(deletion, insertion):
        rows = [("deletion", 0.9, 0.9, sum(deletion) / 2, *deletion, 50)]
        rows += [("insertion", 0.9, 0.9, sum(insertion) / 2, *insertion, 50)]
        return map_section([figure], pd.DataFrame(rows, columns=list(MAP_COLUMNS))).text

    assert "matter more" in verdict((0.1, 0.2), (0.1, 0.2))
    said = verdict((-0.2, -0.1), (-0.1, 0.1))
    assert said.startswith("Do not read these maps as reasons")
    assert "deletion is worse and insertion is no better" in said
    assert "deletion is better and insertion is no better" in verdict((0.1, 0.2), (-0.1, 0.1))


def test_the_page_is_one_file_that_shows_maps_outlines_and_what_they_are_worth(run):
    page = run["imaging_risk.report"].load()
    for words in (
        "Where the classifier looks",
        "Deletion and insertion",
        "Boundary F1",
        "at equal image shape",
    ):
        assert words in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert page.count("<svg") >= 3


def test_without_a_segmenter_the_page_says_why(run):
    nodes = build(environment("test"), "risk_models").nodes
    stored = {
        name: run[name].load()
        for name in next(n for n in nodes if n.name == "write_image_risk_report").inputs
        if not name.startswith("params:")
    }
    masks, outlines = stored["imaging.masks"], stored["imaging_risk.outlines"]
    stored["imaging.masks"] = {"masks": masks["masks"][:0], "rows": masks["rows"][:0]}
    stored["imaging_risk.segmenters"], stored["imaging_risk.outlines"] = {}, outlines[:0]
    page = write_image_risk_report(
        *stored.values(),
        EvaluationParams(n_resamples=100),
        AlarmParams(),
        RunParams(dataset="images", table="images"),
    )
    assert "no segmenter was trained" in page
    assert "Boundary F1" not in page


def test_images_whose_findings_have_no_mask_are_not_taken_for_empty():
    cases = pd.DataFrame(
        {
            "split": ["train"] * 4 + ["test"],
            "label": pd.array([1, 1, 0, pd.NA, 1], dtype="Int8"),
        }
    )
    masks, rows = np.ones((2, 4, 4), dtype=bool), np.array([0, 4])
    chosen, drawn = with_outlines(cases, masks, rows, "train")
    assert chosen.tolist() == [0, 2]
    assert drawn.any(axis=(1, 2)).tolist() == [True, False]


def test_the_best_outline_threshold_is_the_one_of_highest_dice():
    true = np.zeros((1, 10, 10), dtype=bool)
    true[0, :5] = True
    probability = np.where(true, 0.42, 0.31)
    assert best_dice_threshold(probability, true) == pytest.approx(0.35)


@pytest.mark.parametrize(
    ("part", "only", "message"),
    [("calibration", 0, "0 anomalous images in calibration"), ("train", 1, "0 normal images in train")],
)
def test_a_label_that_is_missing_in_a_part_is_named_with_what_to_do(data, part, only, message):
    image_array, cases = data
    changed = cases.copy()
    changed.loc[changed["split"] == part, "label"] = only
    with pytest.raises(ConfigurationError, match=message) as error:
        classifier_bundle(image_array, changed, ImageRiskParams(), CONTRACT, name="classifier", seed=0)
    assert "anomalous_patients: split" in str(error.value)


def test_without_masks_there_is_no_segmenter_and_none_of_an_earlier_run_is_left(run, data, tmp_path):
    image_array, cases = data
    none = np.zeros((0, 32, 32), dtype=bool), np.zeros(0, dtype=int)
    given = run["imaging.masks"].load()
    assert enough_masks(cases, given["masks"], given["rows"])
    assert not enough_masks(cases, np.zeros_like(given["masks"]), given["rows"])
    assert not enough_masks(cases, *none)
    with pytest.raises(ConfigurationError, match="mask"):
        segmenter_bundle(
            image_array, cases, *none, ImageSegmenterParams(), CONTRACT, name="segmenter", seed=0
        )
    dataset = OptionalBundleDataset(filepath=str(tmp_path / "segmenter"))
    assert dataset.load() == {}
    earlier = run["imaging_risk.segmenters"].load()
    dataset.save(earlier)
    assert read_bundle(tmp_path / "segmenter").bundle_hash == earlier["segmenter"].bundle_hash
    assert dataset.exists()
    dataset.save({})
    assert dataset.load() == {}
    assert not dataset.exists()
