import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from tests.tabular.sample_tables import continuous

from medanomaly.detectors.kinds.denoising_autoencoder import AutoencoderDetector
from medanomaly.detectors.kinds.ecdf import ECDFDetector
from medanomaly.detectors.kinds.transformer_autoencoder import TransformerAutoencoderDetector
from medanomaly.detectors.reconstruction import SMALLEST_SPREAD
from medanomaly.detectors.training import DetectorParams, fitted_detector

DETECTORS = {
    "perceptron": AutoencoderDetector(max_epochs=25, random_state=0),
    "transformer": TransformerAutoencoderDetector(max_epochs=25, random_state=0),
}


@pytest.fixture(scope="module", params=DETECTORS)
def fitted(request):
    return DETECTORS[request.param].fit(related(400))


def related(n, seed=0):
    """Six columns that follow from two hidden ones, and one of pure noise."""
    random = np.random.default_rng(seed)
    hidden = random.standard_normal((n, 2))
    mixing = np.random.default_rng(99).standard_normal((2, 6))
    noise = 0.1 * random.standard_normal((n, 6))
    return np.c_[hidden @ mixing + noise, random.standard_normal(n)].astype(np.float32)


def with_swapped_values(rows, seed=0):
    """One related value of each row replaced by that of another row: usual in itself, not beside the others."""
    changed, column = rows.copy(), np.arange(len(rows)) % 6
    changed[np.arange(len(rows)), column] = np.roll(rows, 7, axis=0)[np.arange(len(rows)), column]
    return changed


def test_broken_relations_are_found_between_values_that_are_usual_alone(fitted):
    rows = np.r_[related(200, seed=1), with_swapped_values(related(200, seed=2))]
    is_broken = np.repeat([0, 1], 200)
    assert roc_auc_score(is_broken, -fitted.score_samples(rows)) > 0.78
    assert roc_auc_score(is_broken, -ECDFDetector().fit(related(400)).score_samples(rows)) < 0.65


def test_what_cannot_be_told_counts_less_than_what_can(fitted):
    assert fitted.spread_[6] > 0.8 > fitted.spread_[:6].max()
    assert (fitted.spread_ >= SMALLEST_SPREAD).all()


def test_far_values_are_never_told_well(fitted):
    rows = related(20, seed=1)
    # every column twenty times as far out, all relations kept
    assert (fitted.score_samples(20 * rows) < fitted.score_samples(rows) - 10).all()


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)
def test_below_thirty_rows_the_score_is_the_mean_squared_standardised_value(detector):
    train, rows = continuous(29, 4), continuous(10, 4, seed=1)
    z = (rows - train.mean(axis=0, dtype=np.float64)) / train.std(axis=0, dtype=np.float64)
    np.testing.assert_allclose(
        -clone(detector).fit(train).score_samples(rows), (z**2).mean(axis=1), rtol=1e-6
    )


def test_the_transformer_never_sees_the_value_that_it_tells():
    fitted = TransformerAutoencoderDetector(max_epochs=3, random_state=0).fit(related(100))
    z = np.random.default_rng(0).standard_normal((5, 7))
    told = fitted._reconstruct(z)
    for j in range(7):
        changed = z.copy()
        changed[:, j] += 2
        assert (fitted._reconstruct(changed)[:, j] == told[:, j]).all()
        assert (fitted._reconstruct(changed) != told).any()
    assert (fitted.hidden_.sum(axis=0) == 1).all()


def test_the_transformers_reconstruction_is_that_of_its_torch_network():
    import torch

    from medanomaly.detectors.networks.feature_transformer import FeatureTransformer

    fitted = TransformerAutoencoderDetector(n_layers=2, max_epochs=2, random_state=0).fit(related(100))
    network = FeatureTransformer(7, 16, 2, 2).double()
    weights = {}
    for name, values in fitted.weights_.items():
        part, _, kind = name.partition(".")
        if not kind or part == "norm":
            weights[name] = torch.tensor(values)
        else:
            weights |= {f"layers.{i}.{name}": torch.tensor(values[i].T) for i in range(2)}
    network.load_state_dict(weights)
    z = torch.randn(20, 7, dtype=torch.float64)
    with torch.no_grad():
        passes = [network(z, torch.tensor(row).expand(20, -1)) * torch.tensor(row) for row in fitted.hidden_]
    np.testing.assert_allclose(fitted._reconstruct(z.numpy()), sum(passes).numpy(), rtol=1e-10, atol=1e-12)


def test_the_perceptrons_reconstruction_is_that_of_its_torch_network():
    import torch

    from medanomaly.detectors.networks.autoencoder import Autoencoder

    fitted = AutoencoderDetector(hidden=8, bottleneck=2, max_epochs=2, random_state=0).fit(related(100))
    network = Autoencoder(7, 8, 2).double()
    network.load_state_dict(
        {
            f"layers.{i}.{kind}": torch.tensor(fitted.weights_[f"{kind}_{i}"].T)
            for i in range(4)
            for kind in ("weight", "bias")
        }
    )
    z = torch.randn(20, 7, dtype=torch.float64)
    with torch.no_grad():
        np.testing.assert_allclose(fitted._reconstruct(z.numpy()), network(z).numpy(), rtol=1e-10, atol=1e-12)


def test_the_bottleneck_is_always_narrower_than_the_row():
    fitted = AutoencoderDetector(bottleneck=50, max_epochs=1, random_state=0).fit(related(60))
    assert fitted.weights_["weight_1"].shape == (64, 6)


class Watched(AutoencoderDetector):
    """Keeps the rows that it is given to learn from and to stop by."""

    def _train(self, rows, held_out, seed):
        self.learned_, self.held_out_ = set(rows[:, 0]), set(held_out[:, 0])
        return super()._train(rows, held_out, seed)


def test_the_rows_of_a_patient_are_held_out_together(monkeypatch):
    rows = related(120)
    # the first column is the same in all five rows of a patient, and no other patient has it
    patients = np.repeat(np.arange(24), 5)
    rows[:, 0] = rows[patients * 5, 0]
    together = Watched(max_epochs=2, random_state=0).fit(rows, groups=patients)
    assert not together.learned_ & together.held_out_
    assert len(together.held_out_) == round(0.2 * 24)
    alone = Watched(max_epochs=2, random_state=0).fit(rows)
    assert alone.learned_ & alone.held_out_
    # a pipeline and a study hand the patients over; a detector that holds nothing out is not bothered
    monkeypatch.setattr("medanomaly.detectors.training.detector_class", lambda kind: Watched)
    params = DetectorParams(kind="denoising_autoencoder", options={"max_epochs": 2})
    trained = fitted_detector(params, rows, pd.Series(patients), seed=0)
    assert trained.held_out_ == together.held_out_
    monkeypatch.undo()
    assert isinstance(
        fitted_detector(DetectorParams(kind="ecdf"), rows, pd.Series(patients), 0), ECDFDetector
    )
