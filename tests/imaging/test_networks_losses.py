"""The losses against hand-written sums, and which half of the Reversed Autoencoder each of its losses moves."""

import numpy as np
import onnxruntime
import pytest
import torch
from skimage.exposure import equalize_adapthist
from torch.distributions import Normal, kl_divergence

from medanomaly.imaging.networks.autoencoder.loss import reconstruction_loss
from medanomaly.imaging.networks.blocks import group_norm
from medanomaly.imaging.networks.contrast import ContrastLayer, gaussian_blur
from medanomaly.imaging.networks.detector import NetworkDetector
from medanomaly.imaging.networks.lesion_segmenter.lesion_pasting import (
    FULL_CHANGE,
    lesion_shapes,
    paste_training_lesions,
)
from medanomaly.imaging.networks.reversed_autoencoder.clahe import clahe
from medanomaly.imaging.networks.reversed_autoencoder.lightning import ReversedAutoencoderModule
from medanomaly.imaging.networks.reversed_autoencoder.loss import (
    decoder_loss,
    embedding_loss,
    encoder_loss,
    kl_from_normal,
    vae_loss,
)
from medanomaly.imaging.networks.reversed_autoencoder.network import ReversedAutoencoder
from medanomaly.imaging.networks.reversed_autoencoder.params import ReversedAutoencoderParams
from medanomaly.imaging.networks.segmenter.loss import soft_dice_loss
from medanomaly.imaging.networks.unet.loss import hidden_error
from medanomaly.training.export import onnx_bytes
from medanomaly.training.params import TrainingParams

PARAMS = ReversedAutoencoderParams(latent=4, widths=(4, 8))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of small networks wait for one another more than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_images(n: int = 6, size: int = 32) -> torch.Tensor:
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(0))


def network() -> ReversedAutoencoder:
    torch.manual_seed(0)
    return ReversedAutoencoder(32, PARAMS.latent, PARAMS.widths, bounded=True)


def test_divergence_is_that_of_torch_distributions():
    mu, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    expected = kl_divergence(Normal(mu, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(kl_from_normal(mu, log_variance), expected)


def test_variance_loss_is_the_gaussian_likelihood_up_to_scale_and_constant():
    x, y, s = random_images(2), random_images(2).flip(0), torch.randn(2, 1, 32, 32)
    likelihood = -Normal(y, (0.5 * s).exp()).log_prob(x).mean()
    expected = 2 * likelihood - np.log(2 * np.pi)
    torch.testing.assert_close(reconstruction_loss(x, y, s), expected, rtol=1e-4, atol=1e-4)


def test_embedding_loss_is_zero_between_equals_and_grows_with_opposition():
    features = [torch.randn(3, 4, 8, 8), torch.randn(3, 8, 4, 4)]
    assert float(embedding_loss(features, features)) == pytest.approx(0, abs=1e-5)
    opposite = embedding_loss(features, [-f for f in features])
    by_hand = sum(0.5 * float((2 * f).square().mean()) + 2 for f in features)
    assert float(opposite) == pytest.approx(by_hand, rel=1e-5)


def test_encoder_loss_is_the_sum_of_its_published_terms():
    # without noise in the latent vector and without samples from the prior, the equations can be written out
    net, x, scale = network(), random_images(), 1 / 1024
    with torch.no_grad():
        net.encoder.head.bias[PARAMS.latent :] = -60.0
        net.encoder.head.weight[PARAMS.latent :] = 0.0
        params = PARAMS.model_copy(update={"embedding_weight": 0.3, "beta_negative": 128.0})
        generator = torch.Generator().manual_seed(5)
        given = encoder_loss(net, x, params, generator).total

        generator = torch.Generator().manual_seed(5)
        mu, log_variance, embeddings = net.encoder(x)
        spread = (0.5 * log_variance).exp()
        draw = lambda like: torch.randn(like.shape, generator=generator)  # noqa: E731
        rec = net.decoder(mu + spread * draw(mu))
        fake = net.decoder(draw(mu))
        expected = scale * (0.5 * (x - rec).square().sum((1, 2, 3)) + kl_from_normal(mu, log_variance)).mean()
        for made in (rec, fake):
            m, v, e = net.encoder(made)
            again = net.decoder(m + (0.5 * v).exp() * draw(m))
            cost = 0.5 * (made - again).square().sum((1, 2, 3)) + 128 * kl_from_normal(m, v)
            expected = expected + 0.25 * torch.exp(-2 * scale * cost).mean()
            if made is rec:
                expected = expected + 0.3 * embedding_loss(embeddings, e)
    torch.testing.assert_close(given, expected)


def test_a_decoder_is_told_to_make_what_the_encoder_takes_for_real():
    net, x = network(), random_images()
    decoder_loss(net, x, PARAMS, torch.Generator().manual_seed(0)).total.backward()
    with_divergence = [p.grad.clone() for p in net.decoder.parameters()]
    net.zero_grad()
    without = PARAMS.model_copy(update={"beta_kl": 0.0})
    decoder_loss(net, x, without, torch.Generator().manual_seed(0)).total.backward()
    assert any(
        not torch.equal(a, p.grad) for a, p in zip(with_divergence, net.decoder.parameters(), strict=True)
    )


@pytest.mark.parametrize("moved", ["encoder", "decoder"])
def test_each_loss_moves_its_own_half_alone(moved):
    module = ReversedAutoencoderModule(PARAMS, 32)
    optimizers = dict(zip(("encoder", "decoder"), module.configure_optimizers(), strict=True))
    module.optimizers = lambda: list(optimizers.values())
    module.manual_backward = lambda loss: loss.backward()
    module.toggle_optimizer = lambda optimizer: _freeze_all_but(module, optimizer)
    module.untoggle_optimizer = lambda optimizer: [p.requires_grad_(True) for p in module.parameters()]
    module.log_dict = lambda *args, **kwargs: None
    other = "decoder" if moved == "encoder" else "encoder"
    # the other half's optimiser may not step at all
    optimizers[other].step = lambda: None
    before = {k: v.clone() for k, v in module.network.state_dict().items()}
    module._trainer = type("T", (), {"current_epoch": 0, "global_rank": 0})()
    module.training_step((random_images(),), 0)
    after = module.network.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {moved}


def _freeze_all_but(module, optimizer) -> None:
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for parameter in module.parameters():
        parameter.requires_grad_(id(parameter) in own)


def test_codes_that_all_move_alike_gain_nothing_past_the_stated_divergence():
    # the encoder's loss as a function of one divergence that real and made images share
    b, pixels = 256.0, 1024
    divergence = np.linspace(0, 60, 60_001)
    loss = divergence / pixels + 2 * 0.25 * np.exp(-2 / pixels * b * divergence)
    lowest = divergence[loss.argmin()]
    np.testing.assert_allclose(lowest, pixels * np.log(b) / (2 * b), atol=2e-3)
    net, x = network(), random_images()
    default, quarter = (
        encoder_loss(
            net, x, PARAMS.model_copy(update={"beta_negative": value}), torch.Generator().manual_seed(0)
        ).total
        for value in (None, 256.0)
    )
    torch.testing.assert_close(default, quarter)


def test_warming_up_is_a_vae_whose_divergence_comes_in_slowly():
    net, x = network(), random_images()
    mu, log_variance, _ = net.encoder(x)
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(mu.shape, generator=generator)
    error = (x - net.decoder(mu + noise * (0.5 * log_variance).exp())).square().sum((1, 2, 3))
    for share in (0.0, 0.25):
        expected = (0.5 * error + share * kl_from_normal(mu, log_variance)).mean() / 1024
        given = vae_loss(net, x, PARAMS, torch.Generator().manual_seed(2), share).total
        torch.testing.assert_close(given, expected)


def test_introspection_starts_after_the_warm_up_at_its_own_learning_rate(images_of_two_kinds):
    params = PARAMS.model_copy(update={"warm_up_epochs": 3, "introspective_rate": 0.25})
    training = TrainingParams(max_epochs=5, batch_size=8, patience=0, learning_rate=2e-3)
    detector = NetworkDetector(params, training).fit(images_of_two_kinds)
    history = detector.runs_[0].history
    introspective = history[history["metric"] == "embedding_loss"]["epoch"].tolist()
    assert introspective == [4, 5]
    assert detector.runs_[0].best_epoch in introspective
    rates = history[history["metric"] == "learning_rate"].set_index("epoch")["value"]
    np.testing.assert_allclose(rates.loc[1:5], [2e-3] * 3 + [5e-4] * 2)


def test_a_warmed_up_encoder_tells_images_apart(images_of_two_kinds):
    # what introspection from the start does not: its encoder gives every image one code
    params = PARAMS.model_copy(update={"warm_up_epochs": 30, "introspective_rate": 0.1})
    training = TrainingParams(max_epochs=32, batch_size=8, patience=0, learning_rate=5e-3)
    detector = NetworkDetector(params, training).fit(images_of_two_kinds)
    answer = detector.reconstruct(images_of_two_kinds)
    spread = images_of_two_kinds - images_of_two_kinds.mean(axis=0)
    assert np.square(images_of_two_kinds - answer).mean() < 0.7 * np.square(spread).mean()


@pytest.fixture
def images_of_two_kinds():
    """Half of them dark on the left, half on the right."""
    random = np.random.default_rng(0)
    side = random.integers(0, 2, 32)[:, None, None]
    left = np.broadcast_to(np.arange(32)[None, None, :] < 16, (32, 32, 32))
    images = np.where(left == (side == 0), 0.2, 0.8) + random.normal(0, 0.02, (32, 32, 32))
    return images.clip(0, 1).astype(np.float32)


def test_the_two_optimisers_share_no_weight_and_leave_none_out():
    module = ReversedAutoencoderModule(PARAMS, 32)
    sets = [
        {id(p) for group in optimizer.param_groups for p in group["params"]}
        for optimizer in module.configure_optimizers()
    ]
    assert not sets[0] & sets[1]
    assert sets[0] | sets[1] == {id(p) for p in module.parameters()}


def test_reversed_losses_stay_finite_where_divergences_are_huge():
    net, x = network(), random_images()
    with torch.no_grad():
        net.encoder.head.weight.mul_(1e4)
    for loss in (encoder_loss, decoder_loss):
        assert torch.isfinite(loss(net, x, PARAMS, torch.Generator().manual_seed(0)).total)


def test_hidden_error_does_not_look_at_what_was_seen():
    x, answer = random_images(), torch.zeros(6, 1, 32, 32)
    hidden = torch.zeros_like(x)
    hidden[:, :, :8] = 1
    expected = float(x[:, :, :8].square().mean())
    assert float(hidden_error(x, answer, hidden)) == pytest.approx(expected, rel=1e-5)
    answer[:, :, 8:] = 100
    assert float(hidden_error(x, answer, hidden)) == pytest.approx(expected, rel=1e-5)


def test_soft_dice_of_a_perfect_answer_is_near_zero():
    mask = (random_images() > 0.5).float()
    assert float(soft_dice_loss(40 * (mask - 0.5), mask)) < 1e-3
    assert float(soft_dice_loss(-40 * (mask - 0.5), mask)) > 0.99


def test_an_exported_normalisation_rounds_no_worse_than_torch_on_large_images():
    torch.manual_seed(0)
    layer = torch.nn.Sequential(*(group_norm(8) for _ in range(3))).eval()
    x = 5 + torch.randn(2, 8, 128, 128)
    model = onnxruntime.InferenceSession(
        onnx_bytes(layer, (x,), ["x"], ["y"]), providers=["CPUExecutionProvider"]
    )
    exact = layer.double()(x.double()).detach().numpy()
    assert np.abs(model.run(None, {"x": x.numpy()})[0] - exact).max() < 3e-6


def test_blur_is_that_of_scipy_inside_and_keeps_a_flat_image_flat():
    from scipy.ndimage import gaussian_filter

    image = random_images(1, 64)
    expected = gaussian_filter(image[0, 0].numpy(), 2.0, truncate=3.0)
    np.testing.assert_allclose(gaussian_blur(image, 2.0)[0, 0, 8:-8, 8:-8], expected[8:-8, 8:-8], atol=1e-5)
    torch.testing.assert_close(
        gaussian_blur(torch.full((1, 1, 16, 16), 0.4), 8.0), torch.full((1, 1, 16, 16), 0.4)
    )


@pytest.mark.parametrize("kind", ["none", "zscore", "local"])
def test_contrast_can_be_undone(kind):
    images, layer = random_images(), ContrastLayer(kind)
    torch.testing.assert_close(layer.undo(layer(images), images), images, rtol=1e-5, atol=1e-5)


def test_zscored_images_do_not_know_brightness_or_contrast():
    images, layer = random_images(), ContrastLayer("zscore")
    torch.testing.assert_close(layer(images * 0.5 + 0.2), layer(images), rtol=0.15, atol=0.15)
    assert float(layer(images).mean().abs()) < 1e-5


def test_clahe_ranks_pixels_as_skimage_does():
    y, x = np.mgrid[:64, :64] / 64
    image = (0.3 + 0.2 * np.sin(7 * x) * np.cos(5 * y) + 0.05 * np.sin(40 * x)).clip(0, 1).astype(np.float32)
    ours = clahe(torch.from_numpy(image)[None, None])[0, 0].numpy()
    theirs = equalize_adapthist(image, kernel_size=8, clip_limit=0.02, nbins=64)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9
    assert 0 <= ours.min() <= ours.max() <= 1 + 1e-6


def test_clahe_is_continuous_in_its_input():
    image = random_images(1, 64)
    change = (clahe(image + 1e-6) - clahe(image)).abs().max()
    assert float(change) < 1e-3


def test_pasted_lesions_stay_in_range_and_targets_say_where_they_are():
    images = 0.2 + 0.5 * random_images(40, 64)
    changed, target = paste_training_lesions(images, 0.5, torch.Generator().manual_seed(0))
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    assert 0 <= float(target.min()) <= float(target.max()) <= 1
    touched = (changed != images).flatten(1).any(dim=1)
    assert 0.2 < float(touched.float().mean()) < 0.8
    assert float(target[~touched].abs().sum()) == 0
    full = target == 1
    assert float((changed - images).abs()[full].min()) >= FULL_CHANGE - 1e-6


def test_lesions_lie_inside_the_central_field():
    shape = lesion_shapes(torch.zeros(100, 1, 64, 64), torch.Generator().manual_seed(0))
    border = torch.ones(64, 64, dtype=torch.bool)
    border[3:-3, 3:-3] = False
    assert float(shape[:, 0, border].max()) < 0.25
    assert float(shape.max()) > 0.8
