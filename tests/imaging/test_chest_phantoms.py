import numpy as np
import pytest

from medanomaly.core.errors import InputError
from medanomaly.evaluation.images.stratified import StratifiedRanking
from medanomaly.imaging.baselines import Sharpness
from medanomaly.imaging.lbe.detector import LBEDetector
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.synthetic.chest import LESIONS, ChestParams, chest_images
from medanomaly.synthetic.patients import draw_patients

PARAMS = ChestParams(height=64, lesion_share=0.3)


@pytest.fixture(scope="module")
def drawn():
    return chest_images(draw_patients(500, 0), PARAMS)


@pytest.fixture(scope="module")
def squares(drawn) -> np.ndarray:
    return np.stack([InputContract().prepare(image) for image in drawn.images])


def test_one_image_a_patient_in_range_with_the_cohorts_own_ids(drawn):
    assert drawn.table["patient_id"].tolist() == draw_patients(500, 0)["patient_id"].tolist()
    for image, row in zip(drawn.images, drawn.table.itertuples(), strict=True):
        assert image.shape == (row.height, row.width)
        assert image.dtype == np.float32
        assert 0 <= image.min() < image.max() <= 1


def test_a_patient_keeps_the_image_in_a_larger_cohort(drawn):
    fewer = chest_images(draw_patients(20, 0), PARAMS)
    assert all(np.array_equal(a, b) for a, b in zip(fewer.images, drawn.images, strict=False))
    other = chest_images(draw_patients(20, 1), ChestParams(height=64, lesion_share=0.3, seed=1))
    assert not any(np.array_equal(a, b) for a, b in zip(other.images, fewer.images, strict=True))


def test_masks_are_empty_on_normal_images_and_never_on_lesions(drawn):
    ill = drawn.table["label"].to_numpy() == 1
    area = np.array([mask.sum() for mask in drawn.masks])
    assert (area[~ill] == 0).all()
    assert (area[ill] > 0).all()
    assert set(drawn.table.loc[ill, "kind"]) == set(LESIONS)
    assert abs(ill.mean() - 0.3) < 0.07


def test_a_lesion_brightens_its_mask_and_leaves_the_rest(drawn):
    patients = draw_patients(500, 0)
    params = PARAMS.model_copy(update={"noise": 0.0})
    without = chest_images(patients, params.model_copy(update={"lesion_share": 0.0}))
    with_lesion = chest_images(patients, params)
    for i in np.flatnonzero(with_lesion.table["label"])[:40]:
        change = with_lesion.images[i] - without.images[i]
        mask = with_lesion.masks[i]
        assert change[mask].mean() > 0.03
        assert change[mask].mean() > 5 * np.abs(change[~mask]).mean()


def test_images_differ_in_shape_and_sites_in_sharpness(drawn, squares):
    aspect = drawn.table["width"] / drawn.table["height"]
    assert aspect.std() > 0.05
    blur = Sharpness().score(squares, aspect)
    site = drawn.table["site"]
    assert blur[site == "Hillside"].mean() > blur[site == "Northgate"].mean()


def test_a_density_of_normal_images_finds_opacities_and_effusions(drawn, squares):
    ill = drawn.table["label"].to_numpy() == 1
    fit = ~ill & (np.arange(len(ill)) < 250)
    score = LBEDetector().fit(squares[fit]).score(squares[~fit])
    kind, positive = drawn.table["kind"].to_numpy()[~fit], ill[~fit]
    for lesion, least in (("opacity", 0.85), ("effusion", 0.95)):
        some = ~positive | (kind == lesion)
        assert StratifiedRanking(score[some], positive[some]).auroc() > least


def test_patients_without_a_needed_column_are_refused():
    with pytest.raises(InputError, match="bmi"):
        chest_images(draw_patients(3, 0).drop(columns="bmi"), PARAMS)
