import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medanomaly.core.errors import InputError
from medanomaly.imaging.maps.identity_leak import explained_variance, identity_leak, paste_discs


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0.2, 0.7, (12, 48, 48)).astype(np.float32)


def test_a_copy_leaks_everything(images):
    assert identity_leak(lambda x: x, images).leak == pytest.approx(1, abs=1e-6)


def test_a_constant_answer_leaks_nothing(images):
    assert identity_leak(np.zeros_like, images).leak == 0


def test_the_mean_image_explains_nothing_and_a_copy_everything(images):
    mean = images.mean(axis=0)
    assert explained_variance(lambda x: np.broadcast_to(mean, x.shape), images) == pytest.approx(0, abs=1e-6)
    assert explained_variance(lambda x: x, images) == 1
    # half way between mean and image, a quarter of the variance is missing
    assert explained_variance(lambda x: (x + mean) / 2, images) == pytest.approx(0.75, abs=1e-6)


@given(share=st.floats(0, 1.5))
@settings(max_examples=20, deadline=None)
def test_a_share_of_the_disc_is_read_off_as_that_share(share):
    images = np.full((4, 32, 32), 0.4, dtype=np.float32)
    leak = identity_leak(lambda x: 0.1 + share * x.astype(np.float64), images)
    assert leak.leak == pytest.approx(share, abs=1e-6)
    assert leak.per_image.shape == (4,)


def test_the_leak_does_not_depend_on_the_amplitude_of_a_linear_model(images):
    leaks = [identity_leak(lambda x: 0.3 * x, images, amplitude=a).leak for a in (0.1, 0.2)]
    assert leaks[0] == pytest.approx(leaks[1], rel=1e-5)


def test_discs_have_the_area_asked_for_and_stay_in_range(images):
    pasted = paste_discs(images, radius=5, amplitude=0.2, seed=0)
    assert pasted.min() >= 0
    assert pasted.max() <= 1
    energy = np.abs(pasted - images).sum(axis=(1, 2))
    np.testing.assert_allclose(energy, 0.2 * np.pi * 5**2, rtol=0.05)


def test_a_disc_on_white_is_dark():
    pasted = paste_discs(np.ones((1, 32, 32), dtype=np.float32), 4, 0.3, seed=0)
    assert pasted.min() == pytest.approx(0.7)


def test_images_outside_the_range_are_refused(images):
    with pytest.raises(InputError, match="outside"):
        identity_leak(lambda x: x, images + 1)
    with pytest.raises(InputError, match="shape"):
        identity_leak(lambda x: x, images[0])
