import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from sklearn.metrics import roc_auc_score

from medanomaly.core.errors import BundleError, ConfigurationError, InputError
from medanomaly.signals.lstm.detector import LSTMDetector
from medanomaly.signals.lstm.params import LSTMParams
from medanomaly.training.hold_out import hold_out
from medanomaly.training.params import TrainingParams

QUICK = LSTMParams(
    hidden=24,
    latent=4,
    training=TrainingParams(max_epochs=40, batch_size=16, learning_rate=1e-2, patience=0, accelerator="cpu"),
)
BRIEF = QUICK.model_copy(update={"training": QUICK.training.model_copy(update={"max_epochs": 2})})


def beats(n, n_samples=61, n_leads=2, seed=0):
    """Bumps whose place and width vary a little, in millivolts on a baseline of its own."""
    random = np.random.default_rng(seed)
    time = np.arange(n_samples)
    centre = n_samples / 2 + random.uniform(-3, 3, (n, 1))
    width = 5 * random.uniform(0.8, 1.2, (n, 1))
    bump = np.exp(-(((time - centre) / width) ** 2))
    leads = np.stack([bump * (lead + 1) for lead in range(n_leads)], axis=2)
    noise = 0.02 * random.standard_normal((n, n_samples, n_leads))
    return (leads + noise + random.normal(0, 0.2, (n, 1, 1))).astype(np.float32)


@pytest.fixture(scope="module")
def fitted():
    return LSTMDetector(QUICK).fit(beats(160))


@pytest.fixture(scope="module")
def unfit():
    return LSTMDetector(BRIEF).fit(beats(40))


def inverted(windows):
    return -windows


def with_bump(windows, at=50):
    changed = windows.copy()
    changed[:, at : at + 6] += 1.0
    return changed


# --- scores ---


@pytest.mark.parametrize("change", [inverted, with_bump])
def test_unusual_shapes_score_higher_than_usual_ones(fitted, change):
    usual, unusual = beats(60, seed=1), change(beats(60, seed=2))
    scores = fitted.score(np.concatenate([usual, unusual]))
    assert roc_auc_score(np.repeat([0, 1], 60), scores) > 0.98


def test_the_score_per_sample_points_to_the_change(fitted):
    errors = fitted.score_per_sample(with_bump(beats(40, seed=1)))
    inside, outside = errors[:, 50:56].mean(axis=1), np.delete(errors, range(50, 56), axis=1).mean(axis=1)
    assert (inside > 1.5 * outside).mean() > 0.9


def test_the_score_is_the_mean_over_time_and_the_squared_error_of_the_reconstruction(fitted):
    windows = beats(20, seed=1)
    np.testing.assert_allclose(
        fitted.score_per_sample(windows).mean(axis=1), fitted.score(windows), rtol=1e-6
    )
    centred = windows - windows.mean(axis=1, keepdims=True)
    normalised = centred / centred.std(axis=1, keepdims=True)
    by_hand = ((fitted.reconstruct(windows) - normalised) ** 2).mean(axis=(1, 2))
    np.testing.assert_allclose(fitted.score(windows), by_hand, rtol=1e-3)


def test_a_window_scores_the_same_alone_and_in_a_batch(unfit):
    windows = beats(300, seed=1)
    alone = np.concatenate([unfit.score(window[None]) for window in windows[:20]])
    np.testing.assert_allclose(alone, unfit.score(windows)[:20], rtol=1e-5)


def test_normalised_windows_score_the_same_in_any_unit_and_on_any_baseline(unfit):
    windows = beats(20, seed=1)
    np.testing.assert_allclose(unfit.score(3 * windows + 5), unfit.score(windows), rtol=1e-3)


def test_without_normalisation_amplitude_counts():
    detector = LSTMDetector(BRIEF.model_copy(update={"normalise": False})).fit(beats(40))
    windows = beats(20, seed=1)
    assert (detector.score(5 * windows) > 2 * detector.score(windows)).all()


def test_a_flat_line_has_a_finite_score(unfit):
    windows = np.full((2, 61, 2), 7, dtype=np.float32)
    assert np.isfinite(unfit.score(windows)).all()


@pytest.mark.parametrize(("n_samples", "n_leads"), [(1, 1), (7, 3), (720, 1)])
def test_windows_of_any_length_and_number_of_leads_fit(n_samples, n_leads):
    windows = beats(12, n_samples, n_leads)
    detector = LSTMDetector(BRIEF).fit(windows)
    assert detector.score_per_sample(windows).shape == (12, n_samples)
    assert np.isfinite(detector.score(windows)).all()


# --- training ---


def test_the_same_seed_gives_the_same_scores_and_another_one_does_not():
    train, windows = beats(40), beats(10, seed=1)
    scores = [LSTMDetector(BRIEF, seed=seed).fit(train).score(windows) for seed in (0, 0, 1)]
    assert (scores[0] == scores[1]).all()
    assert (scores[0] != scores[2]).any()


def test_an_interrupted_fit_goes_on_where_it_was(tmp_path):
    train, windows = beats(40), beats(10, seed=1)
    half = LSTMDetector(BRIEF).fit(train, folder=tmp_path)
    again = LSTMDetector(BRIEF).fit(train, folder=tmp_path)
    assert again.run_.resumed_from_epoch == 2
    assert (again.score(windows) == half.score(windows)).all()
    assert LSTMDetector(BRIEF).fit(train[::-1], folder=tmp_path).run_.resumed_from_epoch is None


def test_a_patient_is_either_learnt_from_or_held_out():
    patients = np.repeat(np.arange(10), 4)
    held_out = hold_out(40, patients, 0.15, np.random.default_rng([0, 1]))
    assert held_out.any()
    assert all(len(set(held_out[patients == patient])) == 1 for patient in range(10))


# --- export ---


def test_the_onnx_graph_gives_the_same_scores(fitted):
    session = onnxruntime.InferenceSession(fitted.onnx(), providers=["CPUExecutionProvider"])
    windows = np.concatenate([beats(50, seed=1), inverted(beats(50, seed=2))])
    score, per_sample = session.run(None, {"X": windows})
    np.testing.assert_allclose(score, fitted.score(windows), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(per_sample, fitted.score_per_sample(windows), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(session.run(["score"], {"X": windows[:1]})[0], score[:1], rtol=1e-5)


def test_stored_weights_give_the_same_scores_and_fit_no_other_network(unfit):
    windows = beats(10, seed=1)
    restored = LSTMDetector(BRIEF).with_weights(unfit.weights(), 61, 2)
    assert (restored.score(windows) == unfit.score(windows)).all()
    with pytest.raises(BundleError, match="another network"):
        LSTMDetector(BRIEF).with_weights(unfit.weights(), 61, 1)


# --- bad input ---


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        (np.zeros((4, 61)), "windows of shape \\(4, 61\\)"),
        (np.zeros((4, 0, 1)), "shape"),
        (np.full((4, 61, 2), np.nan), "4 of 4 windows hold missing"),
        (np.zeros((4, 60, 2)), "fitted on 61 samples and 2 leads"),
    ],
)
def test_windows_that_cannot_be_scored_are_refused(unfit, windows, message):
    with pytest.raises(InputError, match=message):
        unfit.score(windows)


def test_too_few_windows_are_refused():
    with pytest.raises(InputError, match="1 cases of 1 group"):
        LSTMDetector(BRIEF).fit(beats(1))
    with pytest.raises(InputError, match="3 groups for 4 cases"):
        LSTMDetector(BRIEF).fit(beats(4), np.arange(3))


def test_an_unfitted_detector_says_so():
    with pytest.raises(ConfigurationError, match="not fitted"):
        LSTMDetector().score(beats(2))


def test_settings_can_be_read_without_torch():
    code = "import sys, medanomaly.signals.lstm.params; sys.exit('torch' in sys.modules)"
    source = Path(__file__).parents[2] / "src"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=source).returncode == 0


# --- real beats ---


@pytest.mark.slow
@pytest.mark.skipif("MEDANOMALY_DATA" not in os.environ, reason="MEDANOMALY_DATA is not set")
def test_abnormal_heart_beats_are_found():
    path = Path(os.environ["MEDANOMALY_DATA"]) / "ecg5000" / "ECG5000_TRAIN.txt"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    table = np.loadtxt(path)
    windows, abnormal = table[:, 1:, None].astype(np.float32), table[:, 0] != 1
    normal = np.flatnonzero(~abnormal)
    detector = LSTMDetector().fit(windows[normal[::2]])
    test = np.concatenate([normal[1::2], np.flatnonzero(abnormal)])
    assert roc_auc_score(abnormal[test], detector.score(windows[test])) > 0.95
