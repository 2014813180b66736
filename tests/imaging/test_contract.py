import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medanomaly.core.errors import InputError
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.geometry import to_square


def disc(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    radius = min(height, width) / 4
    return (np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) < radius).astype(np.float32)


@pytest.mark.parametrize("geometry", ["centre_crop", "pad"])
@pytest.mark.parametrize("shape", [(200, 320), (320, 200), (128, 128), (50, 90)])
def test_a_disc_stays_a_disc(geometry, shape):
    square = InputContract(size=64, geometry=geometry).prepare(disc(*shape))
    across, down = (square > 0.5).any(axis=0).sum(), (square > 0.5).any(axis=1).sum()
    assert abs(int(across) - int(down)) <= 1
    assert across > 5


def test_crop_cuts_the_longer_side_about_the_centre_and_pad_keeps_everything():
    image = np.zeros((60, 100), np.float32)
    image[:, :15] = 1.0
    assert to_square(image, 60, "centre_crop").max() == 0
    padded = to_square(image, 100, "pad")
    assert padded.sum() == image.sum()
    assert (padded[:20] == 0).all()
    assert (padded[80:] == 0).all()


@given(height=st.integers(1, 90), width=st.integers(1, 90), size=st.sampled_from([8, 28, 64]))
def test_any_shape_comes_out_square_and_in_range(height, width, size):
    image = np.random.default_rng(height * 100 + width).random((height, width)).astype(np.float32)
    for geometry in ("centre_crop", "pad"):
        square = InputContract(size=size, geometry=geometry).prepare(image)
        assert square.shape == (size, size)
        assert square.dtype == np.float32
        assert square.min() >= 0
        assert square.max() <= 1


@pytest.mark.parametrize("contrast", ["none", "zscore", "clahe"])
def test_what_a_contract_prepares_it_also_accepts(contrast):
    contract = InputContract(contrast=contrast)
    images = np.stack([contract.prepare(disc(100, 130) * s) for s in (1.0, 0.4, 0.0)])
    assert contract.check(images).shape == (3, 64, 64)
    assert contract.check(images[:, None]).shape == (3, 64, 64)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 32, 32), np.float32), "shape"),
        (np.zeros((64, 64), np.float32), "shape"),
        (np.zeros((2, 64, 64), np.uint8), "divide bytes 0..255 by 255"),
        (np.full((2, 64, 64), 255.0), r"Expected values in \[0, 1\]"),
        (np.full((2, 64, 64), -0.5), "from -0.5"),
        (np.full((2, 64, 64), np.nan), "NaN"),
    ],
)
def test_a_broken_contract_is_named(images, message):
    with pytest.raises(InputError, match=message):
        InputContract().check(images, "upload")


def test_a_z_score_that_is_none_is_named_with_its_record():
    good = InputContract(contrast="zscore").prepare(np.random.default_rng(0).random((64, 64)))
    with pytest.raises(InputError, match="record 1.*mean"):
        InputContract(contrast="zscore").check(np.stack([good, good + 2]))


def test_contract_goes_through_json():
    contract = InputContract(size=128, geometry="pad", contrast="clahe")
    assert InputContract(**json.loads(json.dumps(contract.model_dump()))) == contract


def test_mask_follows_the_geometry_of_its_image():
    contract = InputContract(size=64)
    image = disc(150, 210)
    assert (contract.prepare_mask(image) == (contract.prepare(image) >= 0.5)).all()
