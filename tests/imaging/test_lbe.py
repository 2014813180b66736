import io
import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.core.splits import patient_position
from medanomaly.evaluation.images.stratified import stratified_auroc
from medanomaly.imaging.baselines import baselines
from medanomaly.imaging.lbe.acquisition import acquisition_features
from medanomaly.imaging.lbe.band_energies import BandEnergies, pooling_matrix
from medanomaly.imaging.lbe.detector import LBEDetector
from medanomaly.imaging.lbe.onnx import lbe_onnx
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.folders import class_folders


def random_images(n: int, seed: int = 0, size: int = 64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.standard_normal((n, size, size)), (0, 1.5, 1.5))
    ramp = np.linspace(0, 1, size)[:, None] * np.linspace(1, 0.5, size)
    return np.clip(0.5 * ramp + 0.2 + 0.3 * noise * rng.uniform(0.5, 1.5, (n, 1, 1)), 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def detector() -> LBEDetector:
    return LBEDetector().fit(random_images(80), np.arange(80) // 2)


def by_scipy(image: np.ndarray) -> np.ndarray:
    """The published steps one by one on one image."""
    low = [image.astype(np.float64)]
    low += [gaussian_filter(low[0], s, mode="mirror", truncate=3.0) for s in (1, 2, 4, 8)]
    out = []
    for b in range(4):
        inner = np.abs(low[b] - low[b + 1])[6:58, 6:58]
        for i in range(5):
            for j in range(5):
                rows = slice(int(np.floor(52 * i / 5)), int(np.ceil(52 * (i + 1) / 5)))
                columns = slice(int(np.floor(52 * j / 5)), int(np.ceil(52 * (j + 1) / 5)))
                out.append(np.log(max(inner[rows, columns].mean(), 1e-5)))
    return np.array(out)


def test_features_are_those_of_scipys_gaussian_filter():
    some = random_images(3, 1)
    assert np.allclose(BandEnergies().features(some), [by_scipy(f) for f in some], atol=1e-10)


def test_score_is_the_published_sum_of_two_distances():
    train, new, groups = random_images(60), random_images(5, 2), np.arange(60) // 3
    f, g = (BandEnergies().features(x) for x in (train, new))

    def distances(fit, rows):
        mean, sd = fit.mean(0), fit.std(0) + 1e-6
        a, b = (fit - mean) / sd, (rows - mean) / sd
        near = np.sort(cdist(b, a), axis=1)[:, :3].mean(1)
        return near, LedoitWolf().fit(a).mahalanobis(b)

    left_out = np.empty((2, 60))
    for fit, rest in GroupKFold(5).split(f, groups=groups):
        left_out[:, rest] = distances(f[fit], f[rest])
    expected = sum(
        (d - np.median(o)) / (o.std() + 1e-6) for d, o in zip(distances(f, g), left_out, strict=True)
    )
    assert np.allclose(LBEDetector().fit(train, groups).score(new), expected, atol=1e-8)


def test_score_is_the_same_alone_and_in_a_batch(detector):
    some = random_images(37, 3)
    together = detector.score(some)
    assert (np.concatenate([detector.score(f[None]) for f in some]) == together).all()
    assert (detector.score(some[::-1])[::-1] == together).all()


def test_contributions_add_up_to_the_score(detector):
    some = random_images(9, 4)
    contributions = detector.contributions(some)
    assert contributions.shape == (9, 4, 5, 5)
    assert np.allclose(contributions.sum(axis=(1, 2, 3)), detector.score(some), atol=1e-9)


def test_contributions_add_up_for_an_image_that_was_fitted_on(detector):
    assert np.isfinite(detector.contributions(random_images(80)[:4])).all()


def test_map_points_at_the_altered_corner(detector):
    altered = random_images(1, 5)
    altered[0, 8:24, 40:56] = 0.9
    where = detector.score_map(altered)[0]
    assert where.shape == (64, 64)
    y, x = np.unravel_index(where.argmax(), where.shape)
    assert y < 28
    assert x > 36


def test_onnx_graph_agrees_with_numpy_to_1e_5_alone_and_in_a_batch(detector):
    session = onnxruntime.InferenceSession(lbe_onnx(detector))
    some = np.concatenate([random_images(12, 6), random_images(80)[:2], np.zeros((1, 64, 64), np.float32)])
    score, contributions = session.run(None, {"image": some[:, None]})
    assert np.abs(score - detector.score(some)).max() < 1e-5
    assert np.abs(contributions - detector.contributions(some)).max() < 1e-5
    alone = session.run(["score"], {"image": some[3:4, None]})[0]
    assert abs(alone[0] - score[3]) < 1e-9


def test_arrays_carry_the_whole_detector(detector):
    buffer = io.BytesIO()
    np.savez(buffer, **detector.to_arrays())
    buffer.seek(0)
    with np.load(buffer, allow_pickle=False) as stored:
        again = LBEDetector.from_arrays(dict(stored))
    assert (again.score(random_images(5, 7)) == detector.score(random_images(5, 7))).all()
    with pytest.raises(InputError, match="missing"):
        LBEDetector.from_arrays({"spec": np.array([64, 6, 5, 3])})


def test_larger_images_are_averaged_down(detector):
    some = random_images(3, 8)
    twice = some.repeat(2, axis=1).repeat(2, axis=2)
    assert np.allclose(detector.score(twice), detector.score(some), atol=1e-6)
    assert detector.score_map(twice).shape == (3, 128, 128)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((2, 64, 60), np.float32), "do not fit"),
        (np.zeros((2, 96, 96), np.float32), "do not fit"),
        (np.full((2, 64, 64), np.nan, np.float32), "NaN"),
    ],
)
def test_images_that_do_not_fit_are_refused(detector, bad, message):
    with pytest.raises(InputError, match=message):
        detector.score(bad)


def test_too_few_images_and_an_unfitted_detector_are_refused():
    with pytest.raises(InputError, match="too few"):
        LBEDetector().fit(random_images(4))
    with pytest.raises(ConfigurationError, match="not fitted"):
        LBEDetector().score(random_images(1))


@given(length=st.integers(5, 80), bins=st.integers(1, 5))
def test_pooling_keeps_the_mean_of_a_constant_and_uses_every_pixel(length, bins):
    pool = pooling_matrix(length, bins)
    assert np.allclose(pool.sum(axis=1), 1)
    assert (pool > 0).any(axis=0).all()


def test_a_darker_image_keeps_its_shape_and_loses_energy_evenly():
    some = random_images(4, 9)
    difference = BandEnergies().features(some) - BandEnergies().features(some * np.float32(0.5))
    assert np.allclose(difference, np.log(2), atol=1e-4)


def test_every_baseline_gives_one_finite_score_an_image_and_the_same_alone():
    train, some, aspect = random_images(40), random_images(6, 2), np.linspace(1, 1.5, 6)
    for name, model in baselines().items():
        model.fit(train, np.ones(40))
        score = model.score(some, aspect)
        assert score.shape == (6,), name
        assert np.isfinite(score).all(), name
        assert np.isclose(model.score(some[2:3], aspect[2:3])[0], score[2], rtol=1e-4), name


def test_nearest_image_of_a_fitted_image_is_itself():
    model = baselines()["1-NN (z-scored pixels)"].fit(random_images(20), np.ones(20))
    assert model.score(random_images(20), np.ones(20)).max() < 1e-3


def test_acquisition_features_see_blur_exposure_and_shape():
    some = random_images(5)
    sharp = acquisition_features(some, np.full(5, 1.2))
    blurred = acquisition_features(gaussian_filter(some, (0, 1.5, 1.5)), np.full(5, 1.4))
    assert (blurred["detail_1"] < sharp["detail_1"]).all()
    assert (blurred["log_aspect"] > sharp["log_aspect"]).all()
    assert (acquisition_features(some * np.float32(0.7))["brightness"] < sharp["brightness"]).all()


def test_normals_only_lbe_reaches_its_published_level_on_chest_images():
    """One of five subject folds; .981 and .967 are the means over all (``make bench NAME=imaging_lbe``)."""
    root = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "chest_xray"
    if not root.is_dir():
        pytest.skip("chest_xray is not in MEDANOMALY_DATA")
    source = class_folders(root.as_posix())
    manifest, contract = source.manifest, InputContract()
    fold = (patient_position(manifest["patient_id"], 0) * 5).astype(int)
    keep = ((manifest["label"] == 0) | (fold == 0)).to_numpy(dtype=bool)
    keep &= (manifest["split_official"] == "train").to_numpy(dtype=bool)
    manifest, fold = manifest[keep], fold[keep]
    raw = [source.reader.decode(source.reader.content(p), p).pixels for p in manifest["path"]]
    images = np.stack([contract.prepare(r) for r in raw])
    aspect = np.array([r.shape[1] / r.shape[0] for r in raw])
    ill, held = (manifest["label"] == 1).to_numpy(dtype=bool), fold == 0
    detector = LBEDetector().fit(images[~held & ~ill], manifest["patient_id"].to_numpy()[~held & ~ill])
    score = detector.score(images[held])
    assert roc_auc_score(ill[held], score) > 0.965
    assert stratified_auroc(score, ill[held], aspect[held]) > 0.94
