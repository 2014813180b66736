import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.evaluation.images.localisation import healthy_threshold, localisation
from medanomaly.evaluation.images.stratified import StratifiedRanking, quantile_strata, stratified_auroc
from medanomaly.imaging.maps.lesions import KINDS, paste_lesions


def brute_force(score, positive, strata) -> float:
    won = pairs = 0.0
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(~positive):
            if strata[i] == strata[j]:
                pairs += 1
                won += (score[i] > score[j]) + 0.5 * (score[i] == score[j])
    return won / pairs if pairs else float("nan")


@given(seed=st.integers(0, 10_000), n=st.integers(2, 40), strata=st.integers(1, 4))
def test_stratified_auroc_is_the_share_of_pairs_won_within_a_stratum(seed, n, strata):
    rng = np.random.default_rng(seed)
    score, positive = np.round(rng.standard_normal(n), 1), rng.random(n) < 0.5
    group = rng.integers(0, strata, n)
    expected = brute_force(score, positive, group)
    assert np.isclose(StratifiedRanking(score, positive, group).auroc(), expected, equal_nan=True)
    weight = rng.integers(0, 3, n)
    repeated = np.repeat(np.arange(n), weight)
    expected = brute_force(score[repeated], positive[repeated], group[repeated])
    assert np.isclose(StratifiedRanking(score, positive, group).auroc(weight), expected, equal_nan=True)


def test_a_score_that_is_the_covariate_itself_loses_its_advantage():
    rng = np.random.default_rng(0)
    positive = rng.random(4000) < 0.5
    covariate = rng.standard_normal(4000) + 1.5 * positive
    assert roc_auc_score(positive, covariate) > 0.8
    assert stratified_auroc(covariate, positive, covariate, 50) < 0.55
    assert np.isclose(StratifiedRanking(covariate, positive).auroc(), roc_auc_score(positive, covariate))


def test_strata_hold_about_equal_numbers():
    counts = np.bincount(quantile_strata(np.random.default_rng(0).random(800)))
    assert counts.tolist() == [100] * 8


@pytest.fixture(scope="module")
def normals() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.2, 0.6, (60, 64, 64)).astype(np.float32)


def test_lesions_have_exact_masks_and_touch_nothing_far_away(normals):
    lesions = paste_lesions(normals, seed=1)
    change = lesions.images - normals
    assert set(lesions.kinds) == set(KINDS)
    assert (lesions.masks.sum(axis=(1, 2)) > 0).all()
    assert lesions.images.max() <= 1
    assert (change >= -1e-6).all()
    for i in range(len(normals)):
        inside = change[i][lesions.masks[i]] / (1 - normals[i][lesions.masks[i]])
        outside = change[i][~lesions.masks[i]] / (1 - normals[i][~lesions.masks[i]])
        # the mask is where the profile is at least a half of the lesion's contrast
        assert inside.min() >= 0.5 * lesions.contrast[i] - 1e-4
        assert outside.max() < 0.5 * lesions.contrast[i] + 1e-4


def test_an_image_gets_the_same_lesion_whatever_other_images_are_there(normals):
    assert np.array_equal(paste_lesions(normals[:5], 3).images, paste_lesions(normals, 3).images[:5])
    assert not np.array_equal(paste_lesions(normals[:5], 4).images, paste_lesions(normals[:5], 3).images)


def test_lesions_keep_their_place_and_share_of_the_image_at_any_size():
    for kind in KINDS:
        small, large = (
            paste_lesions(np.full((30, s, s), 0.3, np.float32), 0, (kind,)).masks.mean() for s in (64, 128)
        )
        assert abs(small - large) < 0.3 * large, kind


def test_unknown_lesions_and_small_images_are_refused(normals):
    with pytest.raises(ConfigurationError, match="fracture"):
        paste_lesions(normals, 0, ("fracture",))
    with pytest.raises(InputError, match="square"):
        paste_lesions(normals[:, :16, :16], 0)


def figures(maps, masks, threshold, **options) -> dict:
    return (
        localisation(maps, masks, threshold, np.arange(len(maps)), **options)
        .set_index("metric")["value"]
        .to_dict()
    )


def test_pixel_figures_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    masks = rng.random((6, 32, 32)) < 0.1
    maps = rng.standard_normal(masks.shape) + masks
    got = figures(maps, masks, 1.0, n_resamples=0)
    assert abs(got["pixel_ap"] - average_precision_score(masks.ravel(), maps.ravel())) < 5e-3
    assert abs(got["pixel_auroc"] - roc_auc_score(masks.ravel(), maps.ravel())) < 1e-3
    flagged = maps > 1.0
    dice = [2 * (f & m).sum() / (f.sum() + m.sum()) for f, m in zip(flagged, masks, strict=True)]
    assert np.isclose(got["dice_healthy_threshold"], np.mean(dice))
    assert np.isclose(got["healthy_pixels_flagged"], flagged[~masks].mean())


def test_a_perfect_map_scores_1_and_a_constant_one_nothing():
    masks = np.zeros((3, 20, 20), dtype=bool)
    masks[:, 5:9, 5:9] = True
    perfect = figures(masks.astype(float), masks, 0.5, n_resamples=10)
    assert perfect["pixel_ap"] == perfect["pixel_auroc"] == perfect["best_dice"] == 1
    assert perfect["dice_healthy_threshold"] == 1
    flat = figures(np.zeros(masks.shape), masks, 0.5, n_resamples=10)
    assert flat["pixel_auroc"] == 0.5
    assert np.isclose(flat["pixel_ap"], masks.mean())


def test_intervals_hold_the_value_and_shrink_with_more_images():
    rng = np.random.default_rng(1)

    def width(n: int) -> float:
        masks = rng.random((n, 16, 16)) < 0.15
        table = localisation(
            rng.standard_normal(masks.shape) + 2 * masks, masks, 1.0, np.arange(n), n_resamples=200
        )
        assert ((table["ci_low"] <= table["value"]) & (table["value"] <= table["ci_high"])).all()
        return (table["ci_high"] - table["ci_low"]).iloc[0]

    assert width(80) < width(8)


def test_healthy_threshold_lets_the_asked_share_fire_and_looks_at_no_lesion():
    maps = np.random.default_rng(2).standard_normal((20, 32, 32))
    assert abs((maps > healthy_threshold(maps, 0.05)).mean() - 0.05) < 1e-3
    with pytest.raises(InputError, match="missing"):
        healthy_threshold(maps[:0])


def test_maps_and_masks_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="do not fit"):
        localisation(np.zeros((2, 8, 8)), np.zeros((3, 8, 8), bool), 0.0, np.arange(2))
    with pytest.raises(InputError, match="NaN"):
        localisation(np.full((2, 8, 8), np.nan), np.zeros((2, 8, 8), bool), 0.0, np.arange(2))
