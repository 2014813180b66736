"""How an image was taken: sharpness at four scales, brightness, contrast, shape. Anatomy is left out on purpose."""

import numpy as np
import pandas as pd

from medanomaly.imaging.lbe.band_energies import BandEnergies

FINEST = "detail_1"


def acquisition_features(
    images: np.ndarray, aspect: np.ndarray | None = None, size: int = 64
) -> pd.DataFrame:
    """Numbers of the whole image that a device, a protocol or an export changes.

    Args:
        images: (n, H, W) in [0, 1], H = W a multiple of ``size``.
        aspect: (n,) width / height of the images before they were made square.
        size: side to which images are reduced before detail is measured, px.

    Returns:
        One row per image: ``detail_1`` .. ``detail_4`` (log energy of four bands, finest first), ``brightness``,
        ``contrast`` (standard deviation) and, where given, ``log_aspect``.
    """
    energies = BandEnergies(size=size, margin=round(size * 6 / 64))
    detail = np.log(energies.energies(images).mean(axis=(2, 3)))
    table = pd.DataFrame(detail, columns=[f"detail_{b + 1}" for b in range(detail.shape[1])])
    flat = np.asarray(images).reshape(len(images), -1)
    table["brightness"] = flat.mean(axis=1, dtype=np.float64)
    table["contrast"] = flat.std(axis=1, dtype=np.float64)
    if aspect is not None:
        table["log_aspect"] = np.log(np.asarray(aspect, dtype=np.float64))
    return table


def image_facts(images: np.ndarray, aspect: np.ndarray) -> pd.DataFrame:
    """What tells whether images are taken as those of calibration were.

    Args:
        images: (n, H, H) in [0, 1] under the contract; aspect: (n,) width / height before.

    Returns:
        :func:`acquisition_features` of each image.
    """
    if not len(images):
        images, aspect = np.zeros((1, *images.shape[1:])), np.ones(1)
        return acquisition_features(images, aspect, images.shape[1]).iloc[:0]
    return acquisition_features(np.asarray(images), aspect, images.shape[1])
