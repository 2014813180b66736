"""Unusual windows or beats: an LSTM autoencoder that learned usual ones reconstructs them badly."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import TensorDataset

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.lstm.lightning import LSTMAutoencoderTraining
from medanomaly.signals.lstm.network import LSTMAutoencoder
from medanomaly.signals.lstm.params import LSTMParams
from medanomaly.training.export import onnx_bytes
from medanomaly.training.fit import TrainingRun, fit
from medanomaly.training.hold_out import hold_out
from medanomaly.training.seeding import seeded
from medanomaly.training.weights import load_weights, weights_bytes

_MOST_STEPS = 36
_WINDOWS_AT_ONCE = 256
_SMALLEST_SCALE = 1e-6


class LSTMDetector:
    """LSTM autoencoder on windows; the score is the mean squared reconstruction error, higher = more anomalous.

    Fit it on windows of usual signal only. Windows are float32 arrays (n, n_samples, n_leads) of finite numbers in
    physical units. All have one length; they are R-aligned beats, or windows cut at any position.

    Args:
        params: network and training.
        seed: of initial weights, held-out windows and order.

    Attributes:
        network_: the trained :class:`LSTMAutoencoder`.
        run_: result of the training.
    """

    def __init__(self, params: LSTMParams | None = None, seed: int = 0):
        self.params, self.seed = params or LSTMParams(), seed

    def fit(
        self,
        X: np.ndarray,
        groups: np.ndarray | None = None,
        *,
        folder: Path | None = None,
        fingerprint: str = "",
        loggers: Sequence = (),
    ) -> "LSTMDetector":
        """Learn what usual windows look like.

        Args:
            X: (n, n_samples, n_leads), n >= 2.
            groups: (n,) patient of each window; all windows of a patient are either learned from or held out. None holds
                out single windows.
            folder: each epoch is saved here, and an interrupted fit on the same windows continues from it.
            fingerprint: text for anything else that a checkpoint depends on; the windows are always included.
            loggers: Lightning loggers.

        Raises:
            InputError: the windows are not finite, too few, or not of the expected shape.
            ConfigurationError: the training diverged.
        """
        X = self._windows(X)
        held_out = hold_out(len(X), groups, self.params.held_out, np.random.default_rng([self.seed, 1]))
        digest = hashlib.sha256(X.tobytes() + np.packbits(held_out).tobytes() + fingerprint.encode())
        module = self._module(X.shape)
        train = X[~held_out]
        module.network.centre.copy_(torch.from_numpy(train.mean(axis=(0, 1))))
        module.network.scale.copy_(
            torch.from_numpy(np.maximum(train.std(axis=(0, 1), dtype=np.float64), _SMALLEST_SCALE))
        )
        datasets = (TensorDataset(torch.from_numpy(part)) for part in (train, X[held_out]))
        self.run_: TrainingRun = fit(
            module,
            *datasets,
            self.params.training,
            seed=self.seed,
            folder=folder,
            fingerprint=digest.hexdigest(),
            loggers=loggers,
        )
        self.network_: LSTMAutoencoder = module.network
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        """(n,) float64 scores of (n, n_samples, n_leads) windows; each depends on its own window only."""
        return self._outputs(X)[0]

    def score_per_sample(self, X: np.ndarray) -> np.ndarray:
        """(n, n_samples) float64 squared errors, averaged over the leads; their mean over time is the score."""
        return self._outputs(X)[1]

    def reconstruct(self, X: np.ndarray) -> np.ndarray:
        """(n, n_samples, n_leads) float32 reconstructions, normalised as the network sees the windows."""
        windows = torch.from_numpy(self._windows(X))
        with torch.no_grad():
            parts = [
                self.network_.reconstruct(self.network_.normalised(part)).numpy()
                for part in windows.split(_WINDOWS_AT_ONCE)
            ]
        return np.concatenate(parts)

    def onnx(self) -> bytes:
        """The model as ONNX: ``X`` (n, n_samples, n_leads) to ``score`` (n,) and ``score_per_sample`` (n, n_samples)."""
        with seeded(self.seed):
            noise = torch.randn(3, self.network_.n_samples, self.network_.n_leads)
        example = noise * self.network_.scale + self.network_.centre
        return onnx_bytes(self.network_, (example,), ["X"], ["score", "score_per_sample"])

    def weights(self) -> bytes:
        """The weights as safetensors, for :meth:`with_weights`."""
        return weights_bytes(self.network_)

    def with_weights(self, content: bytes, n_samples: int, n_leads: int) -> "LSTMDetector":
        """Take stored weights instead of fitting; returns the detector.

        Raises:
            BundleError: the weights belong to other settings.
        """
        self.network_ = load_weights(self._module((1, n_samples, n_leads)).network, content).eval()
        return self

    def _module(self, shape: tuple[int, ...]) -> LSTMAutoencoderTraining:
        _, n_samples, n_leads = shape
        network = {
            "n_samples": n_samples,
            "n_leads": n_leads,
            "hidden": self.params.hidden,
            "latent": self.params.latent,
            "samples_per_step": self.params.samples_per_step or -(-n_samples // _MOST_STEPS),
            "normalise": self.params.normalise,
        }
        training = self.params.training
        with seeded(self.seed):
            return LSTMAutoencoderTraining(network, training.learning_rate, training.weight_decay)

    def _windows(self, X: np.ndarray) -> np.ndarray:
        X = np.asarray(X)
        if X.ndim != 3 or 0 in X.shape[1:]:
            raise InputError(
                f"windows of shape {X.shape}", remedy="Give (n, n_samples, n_leads), also for a single lead."
            )
        network = getattr(self, "network_", None)
        X = np.ascontiguousarray(X, dtype=np.float32)
        bad = np.flatnonzero(~np.isfinite(X).all(axis=(1, 2)))
        if len(bad):
            raise InputError(
                f"{len(bad)} of {len(X)} windows hold missing or infinite samples",
                remedy="Leave out windows of bad quality, or fill their gaps.",
                record=int(bad[0]),
            )
        if network is not None and X.shape[1:] != (network.n_samples, network.n_leads):
            raise InputError(
                f"windows of {X.shape[1]} samples and {X.shape[2]} leads",
                remedy=f"The model was fitted on {network.n_samples} samples and {network.n_leads} leads.",
            )
        return X

    def _outputs(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not hasattr(self, "network_"):
            raise ConfigurationError("the detector is not fitted", remedy="Call fit or with_weights first.")
        windows = torch.from_numpy(self._windows(X))
        with torch.no_grad():
            parts = [self.network_(part) for part in windows.split(_WINDOWS_AT_ONCE)]
        return tuple(torch.cat(column).double().numpy() for column in zip(*parts, strict=True))
