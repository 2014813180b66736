"""Where is an image unusual?

Band energies (LBE) learn from 150 phantoms without a lesion. Colour marks what made an image unusual. Of each kind of lesion
the image with the highest score is shown.
"""

import numpy as np
import pandas as pd

from medanomaly.imaging.lbe.detector import LBEDetector
from medanomaly.reporting.figures.images import image_grid, overlay
from medanomaly.synthetic.chest import ChestParams, chest_images
from medanomaly.synthetic.patients import draw_patients


def phantoms(n, seed, lesions):
    """Square phantoms, masks of their lesions, and kinds."""
    made = chest_images(draw_patients(n, seed), ChestParams(height=64, seed=seed, lesion_share=lesions))
    cut = [(image.shape[1] - 64) // 2 for image in made.images]
    wide = [i for i, start in enumerate(cut) if start >= 0]
    images = np.stack([made.images[i][:, cut[i] : cut[i] + 64] for i in wide])
    return images, [made.masks[i][:, cut[i] : cut[i] + 64] for i in wide], made.table["kind"].iloc[wide]


detector = LBEDetector(size=64).fit(phantoms(150, 1, 0.0)[0])
images, masks, kinds = phantoms(40, 2, 1.0)
scores = pd.Series(detector.score(images))
shown = scores.groupby(kinds.to_numpy()).idxmax().to_numpy()
maps = detector.score_map(images[shown])
low, high = np.quantile(detector.score_map(phantoms(40, 3, 0.0)[0]), 0.95), maps.max()
svg = image_grid(
    [
        [images[i], overlay(images[i], score_map, low, high), masks[i].astype(float)]
        for i, score_map in zip(shown, maps, strict=True)
    ],
    ["image", "map over it", "planted"],
    [kinds.iloc[i] for i in shown],
    "Four phantoms with a lesion, what the map marks, and where the lesion is",
)
