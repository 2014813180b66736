import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from medanomaly.core.bundle import Bundle, read_bundle, write_bundle
from medanomaly.core.errors import BundleError, ConfigurationError, InputError
from medanomaly.core.manifest import Manifest
from medanomaly.evaluation.images.stratified_table import stratified_table
from medanomaly.evaluation.resampling.ranking import auroc_between
from medanomaly.imaging.image_models import (
    LBEParams,
    NetworkModelParams,
    detector_of,
    lbe_bundle,
    network_bundle,
)
from medanomaly.imaging.image_scorer import ImageScorer, part_table
from medanomaly.imaging.model_checks import batch_check, leak, planted_lesions
from medanomaly.imaging.objective import image_objective
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.monitoring.facts import CalibrationFacts
from medanomaly.synthetic.chest import ChestParams, chest_images
from medanomaly.synthetic.patients import draw_patients

SIZE = 32
CONTRACT = InputContract(size=SIZE)
NETWORKS = {
    "autoencoder": {"network": "autoencoder", "latent": 8, "width": 4, "hidden": 32},
    "denoising_unet": {"network": "unet", "task": "denoising", "width": 4, "levels": 2},
    "reversed_autoencoder": {"network": "reversed_autoencoder", "latent": 8, "widths": [4, 8]},
}


def network_params(name, **training):
    short = {"max_epochs": 1, "batch_size": 16} | training
    return NetworkModelParams.model_validate({"network": NETWORKS[name], "training": short})


@pytest.fixture(scope="module")
def data():
    drawn = chest_images(draw_patients(120, 0), ChestParams(height=48, lesion_share=0.3))
    images = np.stack([CONTRACT.prepare(image) for image in drawn.images])
    cases = drawn.table[["case_id", "patient_id", "label", "kind"]].astype({"label": "Int8"})
    part = np.repeat(["train", "calibration", "test"], [60, 30, 30])
    return images, cases.assign(split=part)


@pytest.fixture(scope="module")
def bundles(data):
    images, cases = data
    about = {"seed": 0}
    made = {"lbe": lbe_bundle(images, cases, LBEParams(), CONTRACT, name="lbe", **about)}
    for name in NETWORKS:
        made[name] = network_bundle(images, cases, network_params(name), CONTRACT, name=name, **about)
    return made


@pytest.mark.parametrize("name", ["lbe", *NETWORKS])
def test_a_bundle_read_back_scores_an_image_the_same_alone_and_in_a_batch(data, bundles, name, tmp_path):
    images, cases = data
    write_bundle(tmp_path / name, bundles[name])
    scorer = ImageScorer(read_bundle(tmp_path / name))
    scores = scorer.score(images)
    assert np.isfinite(scores).all()
    assert scorer.score(images[7:8])[0] == pytest.approx(scores[7], rel=1e-5, abs=1e-6)
    normals = ((cases["split"] == "calibration") & (cases["label"] == 0)).to_numpy()
    np.testing.assert_allclose(np.sort(scores[normals]), scorer.calibration, rtol=1e-6)


@pytest.mark.parametrize("name", ["lbe", "autoencoder"])
def test_the_same_settings_give_the_same_bundle(data, bundles, name):
    about = {"name": name, "seed": 0}
    if name == "lbe":
        again = lbe_bundle(*data, LBEParams(), CONTRACT, **about)
    else:
        again = network_bundle(*data, network_params(name), CONTRACT, **about)
    assert again.bundle_hash == bundles[name].bundle_hash


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_scores_are_those_of_torch(data, bundles, name):
    images = data[0][:20]
    np.testing.assert_allclose(
        ImageScorer(bundles[name]).score(images),
        detector_of(bundles[name]).score(images),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("name", ["lbe", *NETWORKS])
def test_parts_of_an_image_add_up_to_its_score_but_for_a_constant(data, bundles, name):
    images = data[0]
    scorer = ImageScorer(bundles[name])
    _, contributions, exact = scorer.parts(images[:10])
    rest = scorer.score(images[:10]) - contributions.sum(axis=1)
    assert exact
    np.testing.assert_allclose(rest, rest[0], rtol=1e-4, atol=1e-5)


def test_explanations_put_the_largest_contribution_of_each_image_first(data, bundles):
    images, cases = data
    ids = cases["case_id"].iloc[:3].to_list()
    table = part_table(ImageScorer(bundles["lbe"]), images[:3], ids)
    assert table["case_id"].unique().tolist() == ids
    assert all(part["contribution"].is_monotonic_decreasing for _, part in table.groupby("case_id"))
    assert (table["usual_low"] <= table["usual_high"]).all()


def test_a_killed_training_continues_to_the_bundle_it_would_have_become(data, tmp_path, monkeypatch):
    images, cases = data
    params, about = network_params("autoencoder", max_epochs=3, patience=0), {"seed": 0}

    def made(folder):
        return network_bundle(images, cases, params, CONTRACT, name="autoencoder", folder=folder, **about)

    whole = made(None)
    from medanomaly.imaging.networks.autoencoder.lightning import AutoencoderModule

    step = AutoencoderModule.training_step

    def killed(self, batch, index):
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(AutoencoderModule, "training_step", killed)
        with pytest.raises(BaseException):  # noqa: B017, PT011
            made(tmp_path)
    assert list(tmp_path.rglob("last.ckpt"))
    resumed = made(tmp_path)
    assert resumed.files["weights.safetensors"] == whole.files["weights.safetensors"]


def test_tuned_options_go_to_the_network_or_to_its_training():
    tuned = network_params("autoencoder").replaced({"latent": 3, "learning_rate": 0.5, "members": 2})
    assert (tuned.network.latent, tuned.training.learning_rate, tuned.members) == (3, 0.5, 2)
    assert LBEParams().replaced({"grid": 4}).grid == 4
    with pytest.raises(ConfigurationError, match="noise_sigma"):
        network_params("autoencoder").replaced({"noise_sigma": 0.1})
    with pytest.raises(ConfigurationError, match="latent"):
        network_params("autoencoder").replaced({"latent": 0})


def test_images_outside_the_contract_and_bundles_of_other_modalities_are_refused(data, bundles):
    scorer = ImageScorer(bundles["lbe"])
    with pytest.raises(InputError, match=r"32"):
        scorer.score(np.zeros((1, 16, 16), dtype=np.float32))
    with pytest.raises(InputError, match="pixel values"):
        scorer.score(data[0][:1] * 255)
    other = Bundle(Manifest({"kind": "ecdf", "name": "ecdf", "modality": "tabular"}), {})
    with pytest.raises(BundleError, match="tabular"):
        ImageScorer(other)


def test_a_network_refuses_images_whose_contrast_was_changed_before(data):
    images, cases = data
    with pytest.raises(ConfigurationError, match="contrast"):
        network_bundle(
            images,
            cases,
            network_params("autoencoder"),
            InputContract(size=SIZE, contrast="clahe"),
            name="autoencoder",
            seed=0,
        )


def test_images_of_bytes_are_read_as_shares_in_the_order_of_the_cases():
    stored = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2)
    images = ImageArray(stored, np.array([2, 0]))
    assert images.shape == (2, 2, 2)
    np.testing.assert_array_equal(images[:], stored[[2, 0]].astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(images[np.array([False, True])], images[1:2])


def test_a_network_that_copies_leaks_and_lbe_has_no_leak(data, bundles, monkeypatch):
    images = data[0][60:80]
    assert leak(bundles["lbe"], images, np.arange(20), n_resamples=500, seed=0) is None
    found = leak(bundles["autoencoder"], images, np.arange(20), n_resamples=500, seed=0)
    assert found["low"] <= found["value"] <= found["high"] < 0.5
    copying = type("Copy", (), {"reconstruct": staticmethod(lambda images: images)})
    monkeypatch.setattr("medanomaly.imaging.model_checks.detector_of", lambda _: copying)
    assert leak(bundles["autoencoder"], images, np.arange(20), n_resamples=500, seed=0)[
        "value"
    ] == pytest.approx(1)


def test_planted_lesions_are_found_by_lbe(data, bundles):
    found = planted_lesions(
        ImageScorer(bundles["lbe"]), data[0][60:90], np.arange(30), n_resamples=500, seed=0
    )
    assert found["auroc"] > 0.7
    assert found["pixel_ap_low"] <= found["pixel_ap"] <= found["pixel_ap_high"]


def test_ranking_is_the_auroc():
    random = np.random.default_rng(0)
    normal, other = random.integers(0, 5, 30), random.integers(1, 7, 20)
    expected = roc_auc_score(np.repeat([0, 1], [30, 20]), np.concatenate([normal, other]))
    assert auroc_between(normal, other) == pytest.approx(expected)


def test_recalibration_brings_false_alarms_of_a_moved_batch_back():
    random = np.random.default_rng(0)
    calibration = random.normal(size=400)
    labels = np.repeat([0.0, 1.0], [300, 150])
    batch = np.concatenate([random.normal(1.5, 1, 300), random.normal(7, 1, 150)])
    taken = pd.DataFrame({"detail": random.normal(size=400)})
    known, of_batch = CalibrationFacts(taken, taken[:0]), taken.sample(450, replace=True, random_state=0)
    found = batch_check(calibration, batch, known, of_batch, np.ones(450, bool), 0.1, labels, 0)
    assert found["verdict"] == "broken"
    assert found["false_alarms"] > 0.4
    assert found["recalibrated_false_alarms"] < 0.16
    assert found["recalibrated_sensitivity"] > 0.9


def test_a_batch_without_labels_has_a_verdict_and_no_shares():
    random = np.random.default_rng(1)
    calibration, batch = random.normal(size=100), random.normal(size=40)
    frames = [pd.DataFrame({"detail": random.normal(size=n)}) for n in (100, 40)]
    known = CalibrationFacts(frames[0], frames[0][:0])
    found = batch_check(calibration, batch, known, frames[1], np.ones(40, bool), 0.1, np.full(40, np.nan), 0)
    assert found["false_alarms"] is None
    assert found["sensitivity"] is None
    assert "recalibrated_false_alarms" not in found


def test_a_score_that_is_the_image_s_shape_has_no_stratified_ranking_left():
    random = np.random.default_rng(0)
    n = 400
    label = pd.array(random.integers(0, 2, n), dtype="Int8")
    aspect = np.asarray(label, dtype=float) + random.normal(0, 0.8, n)
    ids = [f"c{i}" for i in range(n)]
    cases = pd.DataFrame({"case_id": ids, "patient_id": ids, "label": label, "split": "test"})
    scores = pd.DataFrame({"case_id": ids, "model": "shape", "score": aspect})
    row = stratified_table(cases, scores, aspect, n_resamples=50, seed=0).iloc[0]
    assert roc_auc_score(np.asarray(label, dtype=int), aspect) > 0.75
    assert row["value"] < 0.65
    assert row["ci_low"] <= row["value"] <= row["ci_high"]


def test_the_tuning_objective_looks_at_nothing_but_normal_train_images(data):
    images, cases = data
    params, reported = network_params("autoencoder", max_epochs=2, patience=0), []
    objective = image_objective(ImageArray(images, np.arange(120)), cases, params, n_folds=3, seed=0)
    value = objective({"latent": 4}, lambda v, step: reported.append((step, v)))
    assert [step for step, _ in reported] == [0, 1]
    assert 0 <= value <= 1
    changed = images.copy()
    changed[((cases["split"] != "train") | (cases["label"] == 1)).to_numpy()] = 0.5
    again = image_objective(ImageArray(changed, np.arange(120)), cases, params, n_folds=3, seed=0)
    assert again({"latent": 4}, lambda *_: None) == value


def test_a_pruned_trial_leaves_training_at_once(data):
    images, cases = data
    params = network_params("autoencoder", max_epochs=50, patience=0)
    objective = image_objective(ImageArray(images, np.arange(120)), cases, params, n_folds=3, seed=0)
    steps = []

    class Pruned(Exception):
        pass

    def report(_, step):
        steps.append(step)
        raise Pruned

    with pytest.raises(Pruned):
        objective({}, report)
    assert steps == [0]
    assert torch.is_grad_enabled()


def test_the_density_reports_after_each_fold(data):
    images, cases = data
    reported = []
    objective = image_objective(ImageArray(images, np.arange(120)), cases, LBEParams(), n_folds=2, seed=0)
    value = objective({"n_neighbors": 2}, lambda v, step: reported.append((step, v)))
    assert [step for step, _ in reported] == [0, 1]
    assert reported[-1][1] == value > 0.5
