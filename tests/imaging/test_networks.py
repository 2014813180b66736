"""Every network: shapes, learning, determinism, export, weights, and the leak of reconstructions."""

import subprocess
import sys
import textwrap

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from medanomaly.core.errors import BundleError, ConfigurationError, InputError
from medanomaly.imaging.image_models import NetworkModelParams
from medanomaly.imaging.maps.identity_leak import identity_leak
from medanomaly.imaging.networks.autoencoder.params import AutoencoderParams
from medanomaly.imaging.networks.detector import IMAGES_PER_PASS, VALIDATION_SHARE, NetworkDetector
from medanomaly.imaging.networks.kinds import network_kinds
from medanomaly.imaging.networks.lesion_segmenter.params import LesionSegmenterParams
from medanomaly.imaging.networks.params import AugmentationParams
from medanomaly.imaging.networks.reversed_autoencoder.params import ReversedAutoencoderParams
from medanomaly.imaging.networks.unet.corruption import coarse_noise, hole_masks, random_holes
from medanomaly.imaging.networks.unet.params import UNetParams
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.training.hold_out import hold_out
from medanomaly.training.params import TrainingParams

SIZE = 32
PARAMS = {
    "autoencoder": AutoencoderParams(latent=4, width=4, hidden=16),
    "autoencoder_variance": AutoencoderParams(latent=4, width=4, hidden=16, variance=True),
    "unet_plain": UNetParams(task="plain", width=4, levels=3),
    "unet_denoising": UNetParams(task="denoising", width=4, levels=3),
    "unet_inpainting": UNetParams(task="inpainting", width=4, levels=3, hole=8),
    "reversed_autoencoder": ReversedAutoencoderParams(latent=4, widths=(4, 8)),
    "lesion_map": LesionSegmenterParams(score="map", width=4, levels=3),
    "lesion_neighbours": LesionSegmenterParams(score="neighbours", width=4, levels=3),
}
TRAINING = TrainingParams(max_epochs=2, batch_size=8, patience=0)
every_network = pytest.mark.parametrize("name", PARAMS)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of small networks wait for one another more than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def phantoms(n: int, seed: int, size: int = SIZE) -> np.ndarray:
    """Two dark lungs on a grey ground, each image a little different."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    images = np.empty((n, size, size), dtype=np.float32)
    for i in range(n):
        shift, width = random.normal(0, 0.02, 2), random.uniform(0.12, 0.18)
        lungs = sum(
            np.exp(-(((x - c - shift[0]) / width) ** 2) - ((y - 0.5 - shift[1]) / 0.3) ** 2)
            for c in (0.3, 0.7)
        )
        images[i] = 0.7 - 0.5 * lungs + random.normal(0, 0.01, (size, size))
    return images.clip(0, 1)


@pytest.fixture(scope="module")
def images():
    return phantoms(24, seed=0)


@pytest.fixture(scope="module")
def fitted(images):
    return {name: NetworkDetector(params, TRAINING, seed=1).fit(images) for name, params in PARAMS.items()}


@every_network
def test_scores_and_maps_have_the_shape_of_the_images(fitted, images, name):
    score, error_map = fitted[name].score(images), fitted[name].error_map(images)
    assert score.shape == (24,)
    assert error_map.shape == images.shape
    assert np.isfinite(score).all()
    assert np.isfinite(error_map).all()


@every_network
def test_an_image_scores_the_same_alone_and_in_a_batch(fitted, images, name):
    together = fitted[name].score(images)
    alone = np.concatenate([fitted[name].score(image[None]) for image in images[:5]])
    np.testing.assert_allclose(alone, together[:5], rtol=1e-5, atol=1e-6)


@every_network
def test_scoring_twice_gives_the_same_bits(fitted, images, name):
    np.testing.assert_array_equal(fitted[name].score(images), fitted[name].score(images))


@every_network
def test_training_twice_gives_the_same_bits(fitted, images, name):
    again = NetworkDetector(PARAMS[name], TRAINING, seed=1).fit(images)
    np.testing.assert_array_equal(again.score(images), fitted[name].score(images))


@every_network
def test_one_channel_may_be_named_or_left_out(fitted, images, name):
    np.testing.assert_array_equal(fitted[name].score(images[:3]), fitted[name].score(images[:3, None]))


@every_network
def test_onnx_gives_what_torch_gives(fitted, images, name):
    session = onnxruntime.InferenceSession(fitted[name].to_onnx(), providers=["CPUExecutionProvider"])
    for rows in (slice(0, 1), slice(0, 7)):
        score, error_map = session.run(None, {"image": images[rows][:, None]})
        np.testing.assert_allclose(score, fitted[name].score(images[rows]), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(error_map, fitted[name].error_map(images[rows]), rtol=1e-5, atol=1e-5)


@every_network
def test_saved_weights_score_the_same(fitted, images, name):
    detector = fitted[name]
    again = NetworkDetector.from_weights(detector.spec(), detector.weights())
    np.testing.assert_array_equal(again.score(images), detector.score(images))


@every_network
def test_training_lowers_the_loss(images, name):
    training = TrainingParams(max_epochs=6, batch_size=8, patience=0, learning_rate=3e-3)
    history = NetworkDetector(PARAMS[name], training, seed=0).fit(images).runs_[0].history
    losses = history[history["metric"] == "train_loss"].sort_values("epoch")["value"].to_numpy()
    assert losses[-1] < losses[0]


@every_network
def test_one_step_lowers_the_loss_of_its_own_batch(images, name):
    params = PARAMS[name]
    torch.manual_seed(0)
    module = network_kinds()[params.network].build_module(params, SIZE)
    batch = (torch.from_numpy(images[:16, None]),)

    def loss():
        return module.loss(batch, torch.Generator().manual_seed(3))

    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    before = loss()
    before.backward()
    optimizer.step()
    assert loss() < before


@pytest.mark.parametrize("name", [n for n in PARAMS if not n.startswith("lesion")])
def test_reconstructions_are_in_the_units_of_the_image(images, name):
    training = TrainingParams(max_epochs=12, batch_size=6, patience=0, learning_rate=5e-3)
    detector = NetworkDetector(PARAMS[name], training).fit(images)
    reconstruction = detector.reconstruct(images)
    assert reconstruction.shape == images.shape
    flat = np.abs(images - images.mean()).mean()
    assert np.abs(reconstruction - images).mean() < flat


def test_a_lesion_segmenter_does_not_reconstruct(fitted, images):
    with pytest.raises(ConfigurationError, match="does not reconstruct"):
        fitted["lesion_map"].reconstruct(images)


def test_reversed_autoencoder_has_three_scores_under_their_own_names(fitted, images):
    detector = fitted["reversed_autoencoder"]
    scores = detector.scores(images)
    assert set(scores) == {"residual", "clahe_residual", "embedding_distance"}
    np.testing.assert_allclose(scores["embedding_distance"], detector.score(images), rtol=1e-6)


def test_an_ensemble_averages_its_members_in_healthy_units(images):
    params = PARAMS["autoencoder"]
    ensemble = NetworkDetector(params, TRAINING, seed=5, members=2).fit(images)
    held_out = hold_out(len(images), None, VALIDATION_SHARE, np.random.default_rng(5))
    healthy, rest = images[held_out], images[~held_out]
    expected = np.zeros(len(images))
    for seed in (5, 6):
        member = NetworkDetector(params, TRAINING, seed=seed).fit(rest, healthy)
        usual = torch.from_numpy(member.score(healthy))
        expected += (member.score(images) - float(usual.median())) / float(usual.std()) / 2
    np.testing.assert_allclose(ensemble.score(images), expected, rtol=1e-4, atol=1e-5)
    again = NetworkDetector.from_weights(ensemble.spec(), ensemble.weights())
    np.testing.assert_array_equal(again.score(images), ensemble.score(images))
    session = onnxruntime.InferenceSession(ensemble.to_onnx(), providers=["CPUExecutionProvider"])
    score = session.run(["score"], {"image": images[:, None]})[0]
    # in standard deviations of healthy scores, which are small compared with the scores
    np.testing.assert_allclose(score, ensemble.score(images), rtol=1e-4, atol=5e-5)


def test_an_opaque_lung_is_more_anomalous_than_any_normal_one():
    normal, unseen = phantoms(96, seed=2), phantoms(20, seed=3)
    ill = unseen.copy()
    ill[:, 8:24, 4:16] = 0.8
    training = TrainingParams(max_epochs=25, batch_size=16, patience=0, learning_rate=2e-3)
    detector = NetworkDetector(AutoencoderParams(latent=4, width=8, hidden=64), training).fit(normal)
    assert detector.score(ill).min() > detector.score(unseen).max()
    heat = detector.error_map(ill).mean(axis=0)
    assert heat[8:24, 4:16].mean() > 3 * heat[:, 18:].mean()


def test_a_plain_unet_copies_a_disc_and_an_inpainting_one_does_not():
    normal, unseen = phantoms(64, seed=2), phantoms(20, seed=3)
    training = TrainingParams(max_epochs=12, batch_size=4, patience=0, learning_rate=5e-3)
    leak = {}
    for task in ("plain", "inpainting"):
        params = UNetParams(task=task, width=4, levels=3, hole=12)
        detector = NetworkDetector(params, training).fit(normal)
        leak[task] = identity_leak(detector.reconstruct, unseen, radius=2).leak
    assert leak["plain"] > 0.6
    assert leak["inpainting"] < 0.2


@given(hole=st.sampled_from([4, 8, 12, 16]), size=st.integers(32, 80))
@settings(max_examples=20, deadline=None)
def test_complementary_holes_score_each_pixel_once_and_nothing_near_it_was_seen(hole, size):
    hidden, scored = hole_masks(size, size, hole)
    assert torch.equal(scored.sum(dim=0), torch.ones(1, size, size))
    near = torch.nn.functional.max_pool2d(scored, 2 * (hole // 4) + 1, stride=1, padding=hole // 4)
    assert bool((hidden >= near).all())


def test_an_inpainted_pixel_never_depends_on_itself(fitted, images):
    head = fitted["unet_inpainting"].head_
    seen = torch.from_numpy(images[:1, None]).requires_grad_(True)
    for y, x in ((0, 0), (13, 7), (31, 16)):
        (gradient,) = torch.autograd.grad(head.answer(seen)[0, 0, y, x], seen)
        assert gradient[0, 0, y, x] == 0
        assert gradient.abs().sum() > 0


def test_random_holes_hide_as_much_as_the_holes_that_score():
    hidden = random_holes(torch.zeros(50, 1, 64, 64), 16, torch.Generator().manual_seed(0))
    assert float(hidden.mean()) == 0.5
    assert float(hole_masks(64, 64, 16)[0].mean()) == 0.5


def test_coarse_noise_is_smooth_and_of_the_size_asked_for():
    generator = torch.Generator().manual_seed(0)
    noise = coarse_noise(torch.zeros(300, 1, 64, 64), 0.2, 8, generator)
    assert noise.shape == (300, 1, 64, 64)
    # bilinear interpolation leaves on average (2/3)^2 of the variance at the grid points
    assert float(noise.std()) == pytest.approx(0.2 * 2 / 3, rel=0.05)
    steps = (noise[..., 1:] - noise[..., :-1]).std()
    assert steps < 0.35 * noise.std()


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        (np.zeros((4, 32, 32, 3)), "shape"),
        (np.zeros((9, 32, 30)), "shape"),
        (np.full((9, 32, 32), 1.5), "outside"),
        (np.full((9, 32, 32), np.nan), "outside"),
        (np.zeros((3, 32, 32)), "3 images"),
    ],
)
def test_images_outside_the_contract_are_refused(images, problem):
    with pytest.raises(InputError, match=problem):
        NetworkDetector(PARAMS["autoencoder"], TRAINING).fit(images)


def test_another_size_than_trained_on_is_refused(fitted):
    with pytest.raises(InputError, match="trained on 32 px"):
        fitted["autoencoder"].score(np.zeros((1, 64, 64)))


def test_a_size_that_cannot_be_halved_is_refused():
    with pytest.raises(ConfigurationError, match="halved"):
        NetworkDetector(PARAMS["autoencoder"], TRAINING).fit(np.full((9, 40, 40), 0.5))


def test_an_unfitted_detector_says_so(images):
    with pytest.raises(ConfigurationError, match="not fitted"):
        NetworkDetector(PARAMS["autoencoder"]).score(images)


def test_weights_of_another_network_are_refused(fitted):
    spec = fitted["autoencoder"].spec()
    with pytest.raises(BundleError):
        NetworkDetector.from_weights(spec, fitted["unet_plain"].weights())


def test_a_patient_is_never_on_both_sides_of_the_hold_out():
    groups = np.random.default_rng(0).integers(0, 30, 200)
    held = hold_out(200, groups, VALIDATION_SHARE, np.random.default_rng(3))
    assert not set(groups[held]) & set(groups[~held])
    assert 0 < held.mean() < 0.4


def test_augmented_training_is_reproducible(images):
    params = UNetParams(task="denoising", width=4, levels=2, augmentation=AugmentationParams())
    scores = [NetworkDetector(params, TRAINING, seed=2).fit(images).score(images) for _ in range(2)]
    np.testing.assert_array_equal(*scores)


def test_a_killed_run_resumes_to_the_same_score(images, tmp_path):
    params, epochs = PARAMS["reversed_autoencoder"], TRAINING.model_copy(update={"max_epochs": 4})
    straight = NetworkDetector(params, epochs).fit(images)

    class Killed(Exception):
        pass

    from medanomaly.imaging.networks.reversed_autoencoder.lightning import ReversedAutoencoderModule

    step = ReversedAutoencoderModule.training_step

    def dies(self, batch, batch_index):
        if self.current_epoch == 2 and batch_index == 1:
            raise Killed
        return step(self, batch, batch_index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReversedAutoencoderModule, "training_step", dies)
        with pytest.raises(Killed):
            NetworkDetector(params, epochs).fit(images, folder=tmp_path)
    resumed = NetworkDetector(params, epochs).fit(images, folder=tmp_path)
    assert resumed.runs_[0].resumed_from_epoch == 2
    np.testing.assert_array_equal(resumed.score(images), straight.score(images))


def test_parameters_validate_without_torch():
    code = (
        "import sys; from medanomaly.imaging.networks.kinds import network_params;"
        "network_params({'network': 'unet'}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_folder_with_a_record_is_a_network(images, tmp_path, monkeypatch):
    from medanomaly.imaging import networks

    files = {
        "__init__.py": "",
        "kind.py": """
            from medanomaly.imaging.networks.flat_average.params import FlatParams
            from medanomaly.imaging.networks.kinds import NetworkKind
            KIND = NetworkKind(
                label="flat average",
                params=FlatParams,
                module="medanomaly.imaging.networks.flat_average.lightning:FlatModule",
                head="medanomaly.imaging.networks.flat_average.head:build_head",
            )
        """,
        "params.py": """
            from typing import Literal
            from medanomaly.imaging.networks.params import NetworkParams
            class FlatParams(NetworkParams):
                network: Literal["flat_average"] = "flat_average"
                pool: int = 8
        """,
        "lightning.py": """
            from torch import nn
            from medanomaly.imaging.networks.image_module import ImageModule
            class FlatModule(ImageModule):
                def __init__(self, params, image_size, **training):
                    super().__init__(params, **training)
                    pooled = nn.AvgPool2d(params.pool), nn.Upsample(scale_factor=params.pool)
                    self.network = nn.Sequential(*pooled, nn.Conv2d(1, 1, 3, padding=1))
                def loss(self, batch, generator):
                    return (self.network(batch[0]) - batch[0]).square().mean()
        """,
        "head.py": """
            from medanomaly.imaging.networks.score_head import ScoreHead
            def build_head(network, params, image_size, n_reference):
                return ScoreHead(network, params)
        """,
    }
    folder = tmp_path / "flat_average"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(textwrap.dedent(content))
    monkeypatch.setattr(networks, "__path__", [*networks.__path__, str(tmp_path)])
    network_kinds.cache_clear()
    try:
        block = {"network": {"network": "flat_average", "pool": 4}, "training": TRAINING.model_dump()}
        params = NetworkModelParams.model_validate(block)
        detector = NetworkDetector(params.network, params.training).fit(images)
        again = NetworkDetector.from_weights(detector.spec(), detector.weights())
        np.testing.assert_array_equal(again.score(images), detector.score(images))
        assert params.model_dump()["network"]["pool"] == 4
    finally:
        network_kinds.cache_clear()


def test_a_network_that_is_not_there_and_a_value_that_does_not_fit_are_named():
    with pytest.raises(ValidationError, match=r"no image network 'unett'.*'unet'"):
        NetworkModelParams.model_validate({"network": {"network": "unett"}})
    with pytest.raises(ValidationError, match=r"network\.levels"):
        NetworkModelParams.model_validate({"network": {"network": "unet", "levels": 9}})


@pytest.mark.parametrize("name", ["unet_denoising", "lesion_neighbours"])
def test_images_of_a_store_are_read_a_few_at_a_time_and_give_the_same_weights(tmp_path, name):
    class Watched(ImageArray):
        most = 0

        def __getitem__(self, wanted):
            found = super().__getitem__(wanted)
            Watched.most = max(Watched.most, len(found))
            return found

    images = phantoms(60, seed=0)
    # case i has row 2 i of the store
    np.save(tmp_path / "images.npy", np.repeat(images, 2, axis=0))
    stored = Watched(np.load(tmp_path / "images.npy", mmap_mode="r"), np.arange(0, 120, 2))
    by_batches, whole = (NetworkDetector(PARAMS[name], TRAINING, seed=1).fit(i) for i in (stored, images))
    assert by_batches.weights() == whole.weights()
    assert 0 < Watched.most <= IMAGES_PER_PASS < 0.85 * 60


def test_an_image_of_a_store_that_is_outside_the_range_is_refused():
    stored = ImageArray(phantoms(24, seed=0) + np.float32(1), np.arange(24))
    with pytest.raises(InputError, match=r"outside \[0, 1\]"):
        NetworkDetector(PARAMS["unet_plain"], TRAINING).fit(stored)
