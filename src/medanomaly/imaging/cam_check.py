"""Whether the pixels that Grad-CAM highlights are the ones that a classifier looks at: deletion and insertion, paired."""

import numpy as np

from medanomaly.imaging.gradcam import deletion_insertion, grad_cam
from medanomaly.imaging.supervised import ImageClassifier

FILMS = 50
RESAMPLES = 1000


def cam_check(
    model: ImageClassifier, images: np.ndarray, normal: np.ndarray, seed: int
) -> dict[str, dict[str, float]]:
    """Deletion and insertion of highlighted pixels against the same number of pixels in random order.

    What is taken away becomes a part of a normal film: pneumonia blurs a film, so a blur would look ill itself.

    Args:
        model: fitted.
        images: (n, H, W) abnormal films, the first 50 of which are looked at.
        normal: (m, H, W) normal films.
        seed: of the random order, of the pairs and of the bootstrap over films.

    Returns:
        ``deletion`` and ``insertion``: mean area under the curve (``value``), that of a random order (``random``), and their
        difference in the direction that is good with its 95 % interval (``gain``, ``low``, ``high``).
    """
    images = np.asarray(images[:FILMS])
    random = np.random.default_rng(seed)
    reference = np.asarray(normal)[random.integers(0, len(normal), len(images))]
    areas = deletion_insertion(model.score, images, grad_cam(model, images), seed=seed, reference=reference)
    draws = random.integers(0, len(images), (RESAMPLES, len(images)))
    found = {}
    for name, area, other, sign in (
        ("deletion", areas.deletion, areas.random_deletion, -1),
        ("insertion", areas.insertion, areas.random_insertion, 1),
    ):
        gain = sign * (area - other)
        low, high = np.quantile(gain[draws].mean(axis=1), [0.025, 0.975])
        found[name] = {
            "value": float(area.mean()),
            "random": float(other.mean()),
            "gain": float(gain.mean()),
            "low": float(low),
            "high": float(high),
        }
    return found
