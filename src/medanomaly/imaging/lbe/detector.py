"""LBE: a density of normal images on their log band energies. It is fitted on normal images only and deterministic."""

from dataclasses import asdict

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.covariance import ledoit_wolf
from sklearn.model_selection import GroupKFold

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.imaging.lbe.band_energies import BandEnergies

FOLDS = 5
_SD_FLOOR = 1e-6


def inverse_root(covariance: np.ndarray) -> np.ndarray:
    """Symmetric inverse square root: the whitening that moves features least (Kessy, Lewin & Strimmer 2018, ZCA)."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors / np.sqrt(values)) @ vectors.T


class Density:
    """What is usual among rows of features: their nearest neighbours and their covariance.

    Args:
        features: (m, d) rows of normal images.
        n_neighbors: k of the nearest neighbours, cut to m.

    Attributes:
        mean: (d,); sd: (d,) of the rows.
        train: (m, d) standardised rows.
        centre: (d,) and whitening: (d, d), of the shrunk covariance (Ledoit & Wolf 2004) of the standardised rows.
    """

    def __init__(self, features: np.ndarray, n_neighbors: int):
        self.mean, self.sd = features.mean(axis=0), features.std(axis=0) + _SD_FLOOR
        self.train = (features - self.mean) / self.sd
        self.centre = self.train.mean(axis=0)
        self.whitening = inverse_root(ledoit_wolf(self.train)[0])
        self.k = min(n_neighbors, len(features))

    def terms(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What each feature adds to the mean distance to the k nearest rows, and to the squared Mahalanobis distance.

        A distance d to a neighbour t is ``sum_j (z_j - t_j)^2 / d``. The Mahalanobis distance is the sum of the squares of
        the whitened features.

        Returns:
            Two (n, d) float64 arrays, not negative.
        """
        z = (features - self.mean) / self.sd
        near = np.zeros_like(z)
        # in blocks, so that distances between many images fit into memory
        for start in range(0, len(z), 1024):
            block = z[start : start + 1024]
            distance = cdist(block, self.train)
            for neighbour in np.argsort(distance, axis=1, kind="stable")[:, : self.k].T:
                squares = (block - self.train[neighbour]) ** 2
                length = np.sqrt(squares.sum(axis=1, keepdims=True))
                near[start : start + 1024] += np.divide(
                    squares, length, out=np.zeros_like(squares), where=length > 0
                )
        # one product per row, so that an image scores the same alone and in a batch
        white = np.matmul(self.whitening, (z - self.centre)[:, :, None])[:, :, 0]
        return near / self.k, white**2


class LBEDetector:
    """Mean distance to the nearest normal images plus Mahalanobis distance, both on log band energies.

    Each of the two is centred and scaled by its median and standard deviation on normal images left out of the fit (5 folds
    by group). Then they are added: ``score = (A - med A) / sd A + (B - med B) / sd B``.

    Args:
        size: side of an image in px; larger images, with a multiple of this side, are averaged down.
        n_neighbors: number of nearest images in A.
        grid, margin: cells per side and border left out, see :class:`BandEnergies`.

    Attributes:
        energies: the feature extractor.
        density_: fitted :class:`Density`.
        scale_: (2,) standard deviations. reference_: (2, d) mean of each term on left-out normal images, scaled to the
            median.
    """

    def __init__(self, size: int = 64, n_neighbors: int = 3, grid: int = 5, margin: int = 6):
        if n_neighbors < 1:
            raise ConfigurationError(f"n_neighbors is {n_neighbors}", remedy="Give 1 or more.")
        self.n_neighbors = n_neighbors
        self.energies = BandEnergies(size=size, margin=margin, grid=grid)

    def fit(self, images: np.ndarray, groups: np.ndarray | None = None) -> "LBEDetector":
        """Fit on normal images.

        Args:
            images: (m, H, W) float32 in [0, 1], normal images, m >= 10.
            groups: (m,) patient of each image; a fold keeps a patient together. None: every image is a patient.

        Raises:
            InputError: too few images or patients, a shape that does not fit, NaN.
        """
        return self.fit_features(self.energies.features(images), groups)

    def fit_features(self, features: np.ndarray, groups: np.ndarray | None = None) -> "LBEDetector":
        """:meth:`fit` on (m, d) log band energies that were computed before."""
        groups = np.arange(len(features)) if groups is None else np.unique(groups, return_inverse=True)[1]
        n_groups = np.unique(groups).size
        if len(features) < 2 * FOLDS or n_groups < FOLDS:
            raise InputError(
                f"{len(features)} images of {n_groups} patients are too few to fit on",
                remedy=f"Bring {2 * FOLDS} normal images of {FOLDS} patients, better a few hundred.",
            )
        left_out = np.empty((2, *features.shape))
        for fit, rest in GroupKFold(FOLDS).split(features, groups=groups):
            left_out[:, rest] = Density(features[fit], self.n_neighbors).terms(features[rest])
        totals = left_out.sum(axis=2)
        middle, self.scale_ = np.median(totals, axis=1), totals.std(axis=1) + _SD_FLOOR
        usual = left_out.mean(axis=1)
        self.reference_ = usual * (middle / usual.sum(axis=1))[:, None]
        self.density_ = Density(features, self.n_neighbors)
        return self

    def contributions(self, images: np.ndarray) -> np.ndarray:
        """What each band of each cell adds to the score, minus what it adds for a usual image.

        Args:
            images: (n, H, W) in [0, 1].

        Returns:
            (n, bands, grid, grid) float64; the sum over an image is its score.
        """
        features = self.energies.features(images)
        return self.feature_contributions(features).reshape(len(features), *self.energies.shape)

    def feature_contributions(self, features: np.ndarray) -> np.ndarray:
        """:meth:`contributions` from (n, d) log band energies, (n, d)."""
        self._check_fitted()
        near, mahalanobis = self.density_.terms(features)
        near -= self.reference_[0]
        near /= self.scale_[0]
        mahalanobis -= self.reference_[1]
        mahalanobis /= self.scale_[1]
        return near + mahalanobis

    def score(self, images: np.ndarray) -> np.ndarray:
        """(n,) float64 anomaly score of (n, H, W) images in [0, 1]; higher = more anomalous, about 0 for a usual image."""
        return self.score_features(self.energies.features(images))

    def score_features(self, features: np.ndarray) -> np.ndarray:
        """:meth:`score` from (n, d) log band energies."""
        return self.feature_contributions(features).sum(axis=1)

    def score_map(self, images: np.ndarray) -> np.ndarray:
        """Where an image is unusual: the contributions of all bands of a cell, interpolated between centres of cells.

        Args:
            images: (n, H, W) in [0, 1].

        Returns:
            (n, H, W) float32, 0 where the image is as usual there as normal images are. Beyond the outermost cell
            centres, also in the margin, each pixel has the value of the nearest cell.
        """
        cells = self.contributions(images).sum(axis=1)
        return interpolate_cells(cells, self.energies, images.shape[1])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The fitted detector as plain arrays, for a safetensors file; :meth:`from_arrays` reads them."""
        self._check_fitted()
        density = self.density_
        spec = asdict(self.energies)
        return {
            "spec": np.array([spec["size"], spec["margin"], spec["grid"], self.n_neighbors], dtype=np.int64),
            "mean": density.mean,
            "sd": density.sd,
            "train": density.train,
            "centre": density.centre,
            "whitening": density.whitening,
            "scale": self.scale_,
            "reference": self.reference_,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "LBEDetector":
        """A detector from :meth:`to_arrays`.

        Raises:
            InputError: an array is missing.
        """
        try:
            size, margin, grid, k = (int(v) for v in arrays["spec"])
            detector = cls(size=size, n_neighbors=k, grid=grid, margin=margin)
            density = Density.__new__(Density)
            for name in ("mean", "sd", "train", "centre", "whitening"):
                setattr(density, name, np.asarray(arrays[name], dtype=np.float64))
            density.k = min(k, len(density.train))
            detector.density_ = density
            detector.scale_, detector.reference_ = arrays["scale"], arrays["reference"]
        except KeyError as error:
            raise InputError(f"array {error} is missing", remedy="Save what to_arrays() returns.") from None
        return detector

    def _check_fitted(self) -> None:
        if not hasattr(self, "density_"):
            raise ConfigurationError(
                "the detector is not fitted", remedy="Call fit() with normal images first."
            )


def interpolate_cells(cells: np.ndarray, energies: BandEnergies, side: int) -> np.ndarray:
    """Cells (n, grid, grid) to images (n, side, side) float32, bilinear between the centres of the cells."""
    centres = (np.arange(energies.grid) + 0.5) * energies.inner / energies.grid + energies.margin
    pixels = (np.arange(side) + 0.5) * energies.size / side
    weight = np.stack([np.interp(pixels, centres, row) for row in np.eye(energies.grid)], axis=1)
    return np.matmul(np.matmul(weight, cells), weight.T).astype(np.float32)
