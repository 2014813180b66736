"""The images of one whole run on the smallest cohort: what they leave behind, and that it can be trusted."""

import json

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.cases import check_cases
from medanomaly.core.scores import check_scores
from medanomaly.reporting.sections import from_json
from tests.conftest import described_models

MODELS = described_models("imaging")


@pytest.fixture(scope="module")
def run(finished_run):
    if "imaging.scores" not in finished_run:
        pytest.skip("this run has no images")
    return finished_run


def image_array(run):
    from medanomaly.imaging.sources.image_array import ImageArray

    return ImageArray(run["imaging.images"].load(), run["imaging.manifest"].load()["row"])


def test_counts_add_up_and_manifest_and_cases_are_row_by_row(run):
    cases, summary = check_cases(run["imaging.cases"].load()), run["imaging.summary"].load()
    assert summary["n_records"] == summary["n_kept"] + summary["n_quarantined"]
    assert summary["n_kept"] == len(cases) == len(image_array(run))
    assert run["imaging.manifest"].load()["case_id"].tolist() == cases["case_id"].tolist()


def test_every_model_and_every_baseline_scores_every_image(run):
    scores = check_scores(run["imaging.scores"].load())
    controls = scores["model"][scores["role"] == "baseline"].unique()
    assert set(scores["model"]) == set(MODELS) | set(controls)
    assert len(controls) == 6
    assert (scores.groupby("model").size() == len(image_array(run))).all()


@pytest.mark.parametrize("model", MODELS)
def test_a_bundle_serves_the_scores_of_the_pipeline(run, model):
    from medanomaly.imaging.image_scorer import ImageScorer

    bundle = run[f"imaging.{model}.bundle"].load()
    table = run[f"imaging.{model}.scores"].load()
    scorer = ImageScorer(bundle)
    np.testing.assert_allclose(scorer.score(image_array(run)), table["score"], atol=1e-6)
    assert scorer.score(image_array(run)[5:6])[0] == pytest.approx(table["score"].iloc[5], rel=1e-5, abs=1e-6)
    test = np.flatnonzero(run["imaging.cases"].load()["split"] == "test")
    np.testing.assert_allclose(
        scorer.p_values(image_array(run)[test]), table["p_value"].iloc[test], atol=0.05
    )
    usual = set() if model == "lbe" else {"usual_parts.npy"}
    sealed = {"model.onnx", "weights.safetensors", "calibration.npy", "facts.npy", "card.md"}
    assert sealed | usual == set(bundle.files)
    assert json.loads(json.dumps(dict(bundle.manifest)))["contract"]["size"] == image_array(run).shape[1]


def test_explanations_name_a_place_on_the_image(run):
    table = run["imaging.explanations"].load()
    assert set(table["model"]) == set(MODELS)
    assert table["feature"].str.contains("centre").any()
    assert np.isfinite(table["contribution"]).all()


def test_the_report_holds_the_comparison_the_controls_and_the_gallery(run):
    sections = {section.title: section for section in from_json(run["imaging.sections"].load())}
    comparison = sections["U-Net against Reversed Autoencoder"]
    assert "Reversed Autoencoder" in comparison.text
    assert len(comparison.tables[0].rows) == len(MODELS)
    assert {"aspect ratio", "mean intensity", "sharpness"} <= {
        row[0] for row in sections["What a model has to beat"].tables[0].rows
    }
    gallery = sections["Images, maps and reconstructions"]
    assert all('href="data:image/png;base64,' in figure.svg for figure in gallery.figures)
    assert "synthetic" in " ".join(sections)


def test_the_verdict_says_no_more_than_the_intervals(run):
    from medanomaly.reporting.imaging.anomalies import verdict

    comparisons = pd.DataFrame(
        [
            ("reversed_autoencoder", "unet", "auroc", 0.2, 0.1, 0.3, 50),
            ("denoising_unet", "reversed_autoencoder", "auroc", 0.1, -0.1, 0.2, 50),
            ("lbe", "reversed_autoencoder", "auroc", 0.1, 0.05, 0.2, 50),
            ("unet", "lbe", "auroc", -0.3, -0.4, -0.2, 50),
            ("lbe", "denoising_unet", "auroc", -0.1, -0.2, -0.05, 50),
        ],
        columns=["model_a", "model_b", "metric", "difference", "ci_low", "ci_high", "n"],
    )
    said = verdict(comparisons, ["lbe", "unet", "denoising_unet", "reversed_autoencoder"])
    assert "ranks better than the plain U-Net" in said
    assert "is not distinguishable from the denoising U-Net" in said
    assert "Better than LBE, which is no network: denoising U-Net." in said


def test_checks_say_whether_p_values_hold(run):
    batches = run["imaging.batch_checks"].load()
    assert list(batches) == MODELS
    for model in MODELS:
        found = run[f"imaging.{model}.checks"].load()
        assert batches[model]["verdict"] in ("holds", "broken", "unknown")
        assert 0 <= found["planted"]["auroc"] <= 1
        assert (found["leak"] is None) == (model in ("lbe", "lesion_segmenter"))
        # phantoms come with masks
        assert "own" in found
