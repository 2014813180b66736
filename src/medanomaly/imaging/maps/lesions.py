"""Synthetic lesions with exact masks on real normal images; figures of localisation on them are called synthetic.

They are for evaluation only: no model may train on them. Shapes come from level sets of smoothed noise and from geometry,
not from other images. Brightness is added towards white, as an opacity attenuates X-rays, so ribs stay visible.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from medanomaly.core.errors import ConfigurationError, InputError

KINDS = ("opacity", "effusion", "nodule")
# place of the lungs on a centred frontal image, as shares of its side: (left, right) of each lung, top, bottom
_LUNGS = ((0.16, 0.44), (0.56, 0.84))
_TOP, _BOTTOM = 0.20, 0.72


@dataclass(frozen=True)
class LesionImages:
    """Images with one lesion each.

    Attributes:
        images: (n, H, W) float32 in [0, 1].
        masks: (n, H, W) bool, never empty.
        kinds: (n,) strings.
        contrast: (n,) largest brightening, as a share of the way to white.
    """

    images: np.ndarray
    masks: np.ndarray
    kinds: np.ndarray
    contrast: np.ndarray


def paste_lesions(
    images: np.ndarray,
    seed: int,
    kinds: tuple[str, ...] = KINDS,
    contrast: tuple[float, float] = (0.15, 0.5),
) -> LesionImages:
    """Paste one lesion into each image; the lesion of image i does not depend on the other images.

    Args:
        images: (n, H, W) normal images in [0, 1], H = W >= 32.
        seed: of the lesions.
        kinds: each is drawn with the same probability.
        contrast: range of the largest brightening, as a share of the way to white.

    Raises:
        ConfigurationError: an unknown kind. InputError: images too small or not square.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        raise ConfigurationError(f"unknown kinds {unknown}", remedy=f"Choose among {KINDS}.")
    if images.ndim != 3 or images.shape[1] != images.shape[2] or images.shape[1] < 32:
        raise InputError(
            f"images of shape {images.shape[1:]}", remedy="Give square images of at least 32 px."
        )
    n, side = len(images), images.shape[1]
    out, masks = np.array(images, dtype=np.float32), np.zeros(images.shape, dtype=bool)
    chosen, strength = np.empty(n, dtype=object), np.empty(n)
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        chosen[i] = kinds[rng.integers(len(kinds))]
        strength[i] = rng.uniform(*contrast)
        profile = _PROFILES[chosen[i]](side, rng)
        masks[i] = profile >= 0.5
        out[i] += (strength[i] * profile * (1.0 - out[i])).astype(np.float32)
    return LesionImages(out, masks, chosen.astype(str), strength)


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    axis = (np.arange(side) + 0.5) / side
    return axis[:, None], axis[None, :]


def _inside(rng: np.random.Generator, room: float) -> tuple[float, float]:
    left, right = _LUNGS[rng.integers(2)]
    return rng.uniform(_TOP + room, _BOTTOM - room), rng.uniform(left + room, right - room)


def _opacity(side: int, rng: np.random.Generator) -> np.ndarray:
    """A ragged, soft patch: a level set of noise under a bell curve."""
    y, x = _grid(side)
    cy, cx = _inside(rng, 0.08)
    radius = rng.uniform(0.09, 0.16)
    bell = np.exp(-0.5 * (((y - cy) / radius) ** 2 + ((x - cx) / (radius * rng.uniform(0.7, 1.0))) ** 2))
    noise = gaussian_filter(rng.standard_normal((side, side)), side * 0.035)
    level = bell + 0.25 * noise / noise.std() * bell
    # the noise must not leave the middle uncovered
    level = np.maximum(level, np.exp(-0.5 * (((y - cy) ** 2 + (x - cx) ** 2) / (0.035**2))))
    return gaussian_filter(1.0 / (1.0 + np.exp(-(level - 0.5) / 0.06)), side * 0.012)


def _effusion(side: int, rng: np.random.Generator) -> np.ndarray:
    """Fluid at the base of one lung, its upper border rising towards the chest wall."""
    y, x = _grid(side)
    lung = rng.integers(2)
    left, right = _LUNGS[lung]
    outward = (x - left) / (right - left)
    outward = 1.0 - outward if lung == 0 else outward
    surface = rng.uniform(0.60, 0.74) - rng.uniform(0.04, 0.10) * np.clip(outward, 0, 1) ** 2
    across = 1 / (1 + np.exp(-(x - left) / 0.012)) / (1 + np.exp((x - right) / 0.012))
    return across / (1 + np.exp(-(y - surface) / 0.012)) / (1 + np.exp((y - 0.88) / 0.012))


def _nodule(side: int, rng: np.random.Generator) -> np.ndarray:
    """A disc with a soft rim; its diameter is 5 to 9 % of the side of the image."""
    y, x = _grid(side)
    cy, cx = _inside(rng, 0.05)
    radius = rng.uniform(0.025, 0.045)
    return 1 / (1 + np.exp((np.hypot(y - cy, x - cx) - radius) / 0.006))


_PROFILES = {"opacity": _opacity, "effusion": _effusion, "nodule": _nodule}
