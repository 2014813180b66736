"""The supervised models, and whether Grad-CAM finds what a classifier looks at."""

import numpy as np
import onnxruntime
import pytest
import safetensors.torch
import torch
from sklearn.linear_model import LogisticRegression
from torchvision.models import resnet18

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.evaluation.calibrators import fit_calibrator
from medanomaly.evaluation.images.segmentation import (
    boundary_f1,
    dice,
    intersection_over_union,
    segmentation_metrics,
)
from medanomaly.imaging.augmentation import augment, contact_sheet
from medanomaly.imaging.maps.gradcam import check_grad_cam, deletion_insertion, grad_cam
from medanomaly.imaging.networks.classifier.network import ResNet18
from medanomaly.imaging.networks.classifier.params import ClassifierParams
from medanomaly.imaging.networks.params import AugmentationParams
from medanomaly.imaging.networks.segmenter.params import SegmenterParams
from medanomaly.imaging.supervised.models import ImageClassifier, ImageSegmenter
from medanomaly.training.params import TrainingParams


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of small networks wait for one another more than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spots(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise, half of the images with a bright spot: images, labels, masks."""
    random = np.random.default_rng(seed)
    images = random.normal(0.4, 0.05, (n, 32, 32)).clip(0, 1).astype(np.float32)
    label = np.arange(n) % 2
    y, x = np.mgrid[:32, :32]
    masks = np.zeros(images.shape, dtype=bool)
    for i in np.flatnonzero(label):
        cy, cx = random.uniform(7, 25, 2)
        masks[i] = np.hypot(y - cy, x - cx) < 4
        images[i][masks[i]] += 0.3
    return images.clip(0, 1), label, masks


@pytest.fixture(scope="module")
def classifier():
    images, label, _ = spots(120, 0)
    training = TrainingParams(max_epochs=10, batch_size=16, learning_rate=3e-3, patience=0)
    return ImageClassifier(ClassifierParams(width=4, dropout=0), training).fit(images, label)


def test_a_classifier_tells_spots_from_none(classifier):
    images, label, _ = spots(60, 1)
    score = classifier.score(images)
    assert np.mean((score > 0.5) == label) > 0.9
    assert score.min() >= 0
    assert score.max() <= 1


def test_a_classifier_scores_the_same_alone_in_onnx_and_from_its_weights(classifier):
    images = spots(10, 1)[0]
    together = classifier.score(images)
    np.testing.assert_allclose(classifier.score(images[:1]), together[:1], atol=1e-6)
    session = onnxruntime.InferenceSession(classifier.to_onnx(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"image": images[:, None]})[0], together, atol=1e-5)
    again = ImageClassifier.from_weights(classifier.spec(), classifier.weights())
    np.testing.assert_array_equal(again.score(images), together)


def test_grad_cam_lies_on_the_spot(classifier):
    images, label, masks = spots(60, 2)
    ill = label == 1
    heat = grad_cam(classifier, images[ill])
    assert heat.shape == images[ill].shape
    assert heat.min() >= 0
    assert heat.max() <= 1
    inside = np.array([h[m].mean() for h, m in zip(heat, masks[ill], strict=True)])
    outside = np.array([h[~m].mean() for h, m in zip(heat, masks[ill], strict=True)])
    assert inside.mean() > 1.5 * outside.mean()


def test_taking_away_what_grad_cam_shows_lowers_the_probability_faster_than_chance(classifier):
    images, label, masks = spots(40, 3)
    ill = images[label == 1]
    true = deletion_insertion(classifier.score, ill, masks[label == 1].astype(float), steps=8)
    assert true.faithful
    assert deletion_insertion(classifier.score, ill, grad_cam(classifier, ill), steps=8).faithful
    wrong = deletion_insertion(classifier.score, ill, -masks[label == 1].astype(float), steps=8)
    assert not wrong.faithful


def test_the_check_puts_parts_of_normal_images_where_it_deletes(classifier):
    images, label, _ = spots(60, 3)
    areas = check_grad_cam(classifier, images[label == 1], images[label == 0][:5])
    assert areas.faithful
    assert len(areas.deletion) == (label == 1).sum()
    # images that are normal all over have nothing to be deleted
    same = check_grad_cam(classifier, images[label == 0][:5], images[label == 0][:5])
    assert same.deletion.mean() < areas.deletion.mean()


def test_images_of_any_side_can_be_checked():
    images, label, _ = spots(12, 0)
    training = TrainingParams(max_epochs=1, batch_size=6, patience=0)
    model = ImageClassifier(ClassifierParams(width=4), training).fit(images[:, :30, :30], label)
    areas = check_grad_cam(model, images[label == 1][:2, :30, :30], images[label == 0][:, :30, :30])
    assert np.isfinite(areas.insertion).all()


def test_deletion_starts_at_the_image_and_ends_at_its_blur():
    images = np.random.default_rng(0).random((3, 16, 16)).astype(np.float32)
    seen = []

    def probability(x):
        seen.append(x)
        return x.mean(axis=(1, 2))

    deletion_insertion(probability, images, images, steps=2)
    np.testing.assert_array_equal(seen[0], images)
    np.testing.assert_array_equal(seen[5], images)
    np.testing.assert_array_equal(seen[1], seen[4])
    assert np.abs(np.diff(seen[4], axis=1)).max() < 0.1


def test_deletion_ends_at_the_reference_that_was_given():
    images, seen = np.random.default_rng(0).random((3, 16, 16)).astype(np.float32), []

    def probability(x):
        seen.append(x)
        return x.mean(axis=(1, 2))

    deletion_insertion(probability, images, images, steps=2, reference=images[::-1])
    np.testing.assert_array_equal(seen[4], images[::-1])
    with pytest.raises(InputError, match="reference"):
        deletion_insertion(probability, images, images, reference=images[:1])


def test_platt_is_logistic_regression_and_temperature_has_no_offset():
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 4000)
    logit = 3 * (random.normal(0, 1, 4000) + 1.5 * label)
    oracle = LogisticRegression(C=np.inf).fit(logit[:, None], label)
    platt = fit_calibrator("platt", logit, label)
    slope, offset = platt.a, platt.c
    assert slope == pytest.approx(oracle.coef_[0, 0], rel=0.01)
    assert offset == pytest.approx(oracle.intercept_[0], rel=0.01)
    assert fit_calibrator("temperature", logit, label).c == 0


def test_calibration_of_separable_cases_stays_finite():
    platt = fit_calibrator("platt", np.array([-1.0, -2, 1, 2]), np.array([0, 0, 1, 1]))
    slope, offset = platt.a, platt.c
    assert 0 < slope <= 20
    assert np.isfinite(offset)
    with pytest.raises(ConfigurationError, match="both classes"):
        fit_calibrator("platt", np.zeros(3), np.ones(3))


def test_calibrating_twice_is_calibrating_once(classifier):
    images, label, _ = spots(40, 4)
    label = label.copy()
    label[:6] = 1 - label[:6]
    once = classifier.calibrate(images, label).score(images)
    np.testing.assert_allclose(classifier.calibrate(images, label).score(images), once, atol=1e-6)
    assert once.mean() == pytest.approx(label.mean(), abs=0.03)


def test_labels_of_one_class_are_refused():
    images, _, _ = spots(10, 0)
    with pytest.raises(InputError, match="labels"):
        ImageClassifier(ClassifierParams()).fit(images, np.ones(10))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_local_weights_of_a_resnet_give_its_features(tmp_path, suffix):
    torch.manual_seed(0)
    original = resnet18(weights=None).eval()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(original.state_dict(), path)
    else:
        safetensors.torch.save_file(original.state_dict(), path)
    network = ResNet18(path, dropout=0.0).eval()
    image = torch.rand(2, 1, 64, 64)
    original.fc = torch.nn.Identity()
    with torch.no_grad():
        expected = original(image.expand(-1, 3, -1, -1))
        torch.testing.assert_close(network.features(image).mean(dim=(2, 3)), expected, rtol=1e-4, atol=1e-4)


def test_an_interrupted_training_goes_on_but_not_from_other_weights_under_the_same_path(tmp_path):
    images, label, _ = spots(12, 0)
    path, training = tmp_path / "weights.pth", TrainingParams(max_epochs=1, batch_size=6, patience=0)
    params = ClassifierParams(architecture="resnet18", weights=path)
    resumed = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        torch.save(resnet18(weights=None).state_dict(), path)
        model = ImageClassifier(params, training).fit(images, label, folder=tmp_path / "checkpoints")
        resumed.append(model.run_.resumed_from_epoch)
    assert resumed == [None, 1, None]


def test_weights_that_are_absent_or_of_something_else_are_refused(tmp_path):
    with pytest.raises(DataNotFoundError, match="weights does not exist"):
        ResNet18(tmp_path / "absent.safetensors", 0.0)
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="resnet18"):
        ResNet18(path, 0.0)
    (tmp_path / "broken.pth").write_bytes(b"not weights")
    with pytest.raises(InputError, match="resnet18"):
        ResNet18(tmp_path / "broken.pth", 0.0)


def test_weights_are_only_for_the_network_they_fit():
    with pytest.raises(ValueError, match="resnet18"):
        ClassifierParams(weights="weights.pth")


def test_a_segmenter_outlines_spots():
    images, label, masks = spots(80, 0)
    training = TrainingParams(max_epochs=12, batch_size=8, learning_rate=3e-3, patience=0)
    model = ImageSegmenter(SegmenterParams(width=4, levels=3), training).fit(images, masks)
    unseen, label, true = spots(20, 5)
    found = segmentation_metrics(model.segment(unseen)[label == 1], true[label == 1])
    assert found["dice"].mean() > 0.7
    again = ImageSegmenter.from_weights(model.spec(), model.weights())
    np.testing.assert_array_equal(again.probability(unseen), model.probability(unseen))
    session = onnxruntime.InferenceSession(model.to_onnx(), providers=["CPUExecutionProvider"])
    given = session.run(None, {"image": unseen[:, None]})[0]
    np.testing.assert_allclose(given, model.probability(unseen), atol=1e-5)


def test_overlap_of_masks_by_hand():
    a, b = np.zeros((6, 6)), np.zeros((6, 6))
    a[1:4, 1:4], b[2:5, 1:4] = 1, 1
    assert dice(a, b) == pytest.approx(12 / 18)
    assert intersection_over_union(a, b) == pytest.approx(6 / 12)
    assert dice(a, a) == intersection_over_union(a, a) == boundary_f1(a, a) == 1
    empty = np.zeros((6, 6))
    assert dice(empty, empty) == 1
    assert dice(a, empty) == boundary_f1(a, empty) == 0


def test_boundary_f1_forgives_what_lies_within_the_tolerance():
    a, b = np.zeros((40, 40)), np.zeros((40, 40))
    a[10:30, 10:30], b[12:32, 10:30] = 1, 1
    assert boundary_f1(a, b, tolerance=2) == 1
    assert boundary_f1(a, b, tolerance=1) < 0.8


def test_masks_of_other_values_are_refused():
    with pytest.raises(InputError, match="0 and 1"):
        dice(np.full((4, 4), 2), np.zeros((4, 4)))
    with pytest.raises(InputError, match="shape"):
        dice(np.zeros((4, 4)), np.zeros((4, 5)))


def test_augmentation_moves_a_mask_with_its_image_and_never_mirrors():
    images = np.zeros((40, 1, 32, 32), dtype=np.float32)
    images[:, :, 6:14, 4:12] = 1.0
    batch, mask = torch.from_numpy(images), torch.from_numpy(images)
    params = AugmentationParams(gamma=0, noise=0)
    changed, moved = augment(batch, params, torch.Generator().manual_seed(0), mask=mask)
    assert float(((changed > 0.5).float() - moved).abs().mean()) < 0.02
    assert not torch.equal(changed[0], changed[1])
    # a flip would bring the spot to the other half
    columns = torch.arange(32.0)
    centre = (changed.sum(dim=(1, 2)) * columns).sum(dim=1) / changed.sum(dim=(1, 2, 3))
    assert float(centre.max()) < 16


def test_augmentation_stays_in_range_and_is_reproducible():
    batch = torch.rand(8, 1, 32, 32)
    first, second = (augment(batch, AugmentationParams(), torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1


def test_a_contact_sheet_shows_the_image_first():
    images = np.random.default_rng(0).random((2, 32, 32)).astype(np.float32)
    sheet = contact_sheet(images, AugmentationParams(), seed=0, versions=3, gap=2)
    assert sheet.shape == (2 * 34 - 2, 4 * 34 - 2)
    np.testing.assert_array_equal(sheet[:32, :32], images[0])
    np.testing.assert_array_equal(sheet[34:66, :32], images[1])
    with pytest.raises(InputError):
        contact_sheet(images[0], AugmentationParams(), seed=0)
