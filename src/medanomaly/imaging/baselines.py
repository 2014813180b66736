"""Baselines of images: three numbers of the whole image, and three simple models fitted on normal images.

All share ``fit(images, aspect)`` and ``score(images, aspect)``. Images are (n, H, W) float in [0, 1]; aspect is (n,),
width / height of the image as it was taken. Scores are (n,), higher = more anomalous.
"""

from typing import Protocol

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from sklearn.covariance import ledoit_wolf

from medanomaly.imaging.lbe.band_energies import block_mean
from medanomaly.imaging.sources.contract import zscore

COMPONENTS = 8
_BLOCK = 512


class Baseline(Protocol):
    """Fitted on normal images only."""

    def fit(self, images: np.ndarray, aspect: np.ndarray) -> "Baseline":
        """Learn from (m, H, W) normal images."""

    def score(self, images: np.ndarray, aspect: np.ndarray) -> np.ndarray:
        """(n,) scores."""


class _Constant:
    def fit(self, images: np.ndarray, aspect: np.ndarray) -> "_Constant":
        """There is nothing to learn. The direction is fixed, not chosen by labels."""
        return self


class AspectRatio(_Constant):
    """Width / height of the image. It says nothing about lungs, only how a patient was placed."""

    def score(self, images: np.ndarray, aspect: np.ndarray) -> np.ndarray:
        """Wider images score higher."""
        return np.asarray(aspect, dtype=np.float64)


class MeanIntensity(_Constant):
    """Mean grey value."""

    def score(self, images: np.ndarray, aspect: np.ndarray) -> np.ndarray:
        """Brighter images score higher."""
        return np.asarray(images).mean(axis=(1, 2), dtype=np.float64)


class Sharpness(_Constant):
    """Mean absolute Laplacian. Acquisition changes it as much as illness does."""

    def score(self, images: np.ndarray, aspect: np.ndarray) -> np.ndarray:
        """Smoother images score higher."""
        x = np.asarray(images, dtype=np.float64)
        inner = x[:, 1:-1, 1:-1]
        around = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
        return -np.abs(4 * inner - around).mean(axis=(1, 2))


class PrincipalComponents:
    """Mean squared residual of the z-scored image outside the first 8 principal components of normal images."""

    def fit(self, images: np.ndarray, aspect: np.ndarray) -> "PrincipalComponents":
        """Components by SVD of the centred images."""
        x = _standardised(images)
        self.mean_ = x.mean(axis=0)
        _, _, rows = np.linalg.svd(x - self.mean_, full_matrices=False)
        self.components_ = rows[:COMPONENTS]
        return self

    def score(self, images: np.ndarray, aspect: np.ndarray) -> np.ndarray:
        """Reconstruction error."""
        x = _standardised(images) - self.mean_
        return ((x - (x @ self.components_.T) @ self.components_) ** 2).mean(axis=1, dtype=np.float64)


class NearestImage:
    """Euclidean distance of the z-scored image, 32 px, to the nearest normal one."""

    def fit(self, images: np.ndarray, aspect: np.ndarray) -> "NearestImage":
        """Keep the images to compare with."""
        self.train_ = self._view(images)
        return self

    def score(self, images: np.ndarray, aspect: np.ndarray) -> np.ndarray:
        """Distance to the nearest image."""
        return _nearest(self._view(images), self.train_)

    @staticmethod
    def _view(images: np.ndarray) -> np.ndarray:
        side = images.shape[1]
        return _standardised(block_mean(np.asarray(images), 32) if side % 32 == 0 else images)


class LocalNorm:
    """Mahalanobis distance of locally normalised grey values in 8 x 8 blocks, covariance shrunk (Ledoit & Wolf 2004)."""

    def fit(self, images: np.ndarray, aspect: np.ndarray) -> "LocalNorm":
        """Mean and covariance."""
        x = self._view(images)
        self.mean_ = x.mean(axis=0)
        self.precision_ = np.linalg.inv(ledoit_wolf(x)[0])
        return self

    def score(self, images: np.ndarray, aspect: np.ndarray) -> np.ndarray:
        """Squared distance."""
        x = self._view(images) - self.mean_
        return np.einsum("ij,jk,ik->i", x, self.precision_, x, optimize=True)

    @staticmethod
    def _view(images: np.ndarray) -> np.ndarray:
        x = np.asarray(images, dtype=np.float64)
        sigma = x.shape[1] / 8
        centred = x - gaussian_filter(x, (0, sigma, sigma))
        local = centred / (np.sqrt(gaussian_filter(centred**2, (0, sigma, sigma))) + 0.03)
        return block_mean(local, 8).reshape(len(x), -1)


def baselines() -> dict[str, Baseline]:
    """New, unfitted baselines by name."""
    return {
        "aspect ratio": AspectRatio(),
        "mean intensity": MeanIntensity(),
        "sharpness": Sharpness(),
        f"PCA {COMPONENTS} (z-score)": PrincipalComponents(),
        "1-NN (z-scored pixels)": NearestImage(),
        "local norm": LocalNorm(),
    }


def _standardised(images: np.ndarray) -> np.ndarray:
    return np.stack([zscore(image).ravel() for image in images])


def _nearest(rows: np.ndarray, train: np.ndarray) -> np.ndarray:
    train = train.astype(np.float32)
    norm = (train.astype(np.float64) ** 2).sum(axis=1)
    out = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK].astype(np.float32)
        # the product finds the neighbour, its distance is then taken exactly
        nearest = np.argmin(norm - 2.0 * (block @ train.T), axis=1)
        out[start : start + _BLOCK] = [
            cdist(a[None], b[None])[0, 0] for a, b in zip(block, train[nearest], strict=True)
        ]
    return out
