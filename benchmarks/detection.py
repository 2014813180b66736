"""How well are planted lesions found, with boxes? The centre-point detector beside boxes of an anomaly map.

Films are the project's phantoms without lesions. Lesions are drawn here and nowhere else: lobulated masses with a rough
contour and an uneven inside, some with a cavity. They are no lesions of patients, so the figures say whether the detector
works, and nothing about real films. Training is measured in processor time of one core.
"""

import os
import time
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.record import Result, write
from medanomaly.evaluation.images.box_overlap import pairwise_iou
from medanomaly.imaging.networks.box_detector.params import BoxDetectorParams
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.supervised.box_models import BoxDetector
from medanomaly.synthetic.chest import ChestParams, chest_images
from medanomaly.synthetic.patients import draw_patients
from medanomaly.training.params import TrainingParams

COMMAND = "make bench NAME=detection"
SIZE = 128
N_TRAIN, N_CALIBRATION, N_TEST = 2000, 400, 500
# px; square root of width times height of the box
DIAMETERS, CONTRASTS = (8.0, 34.0), (0.12, 0.35)
LESIONS_PER_FILM = (0.5, 0.3, 0.15, 0.05)  # none, one, two, three
CAVITIES = 0.2


@dataclass(frozen=True)
class Films:
    """Images (n, 128, 128), one per patient, and the table of their boxes."""

    images: np.ndarray
    boxes: pd.DataFrame


def backgrounds(n: int, seed: int) -> np.ndarray:
    """(n, 128, 128) films without any lesion."""
    drawn = chest_images(draw_patients(n, seed), ChestParams(height=SIZE, seed=seed, lesion_share=0.0))
    contract = InputContract(size=SIZE)
    return np.stack([contract.prepare(image) for image in drawn.images])


def mass(diameter: float, rng: np.random.Generator) -> np.ndarray:
    """(h, w) profile in [0, 1] of one mass: two to four lobes, a rough contour, an uneven inside, perhaps a cavity."""
    side = int(np.ceil(2.2 * diameter)) + 6
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    profile = np.zeros((side, side))
    for _ in range(rng.integers(2, 5)):
        cy, cx = rng.normal(0, 0.16 * diameter, 2)
        angle, radius = np.arctan2(y - cy, x - cx), np.hypot(y - cy, x - cx)
        waves = sum(rng.normal(0, 0.07) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 5, 7))
        edge = 0.36 * diameter * rng.uniform(0.8, 1.1) * (1 + waves)
        profile = np.maximum(profile, 1 / (1 + np.exp(-(edge - radius) / rng.uniform(0.5, 1.2))))
    if rng.random() < CAVITIES:
        profile *= 1 - 0.8 * np.exp(-0.5 * (x**2 + y**2) / (0.16 * diameter) ** 2)
    uneven = gaussian_filter(rng.standard_normal((side, side)), 0.12 * diameter)
    return np.clip(profile * (1 + 0.25 * uneven / uneven.std()), 0, 1) if diameter > 0 else profile


def planted(images: np.ndarray, seed: int, shares: tuple[float, ...] = LESIONS_PER_FILM) -> Films:
    """The films with masses, and a box about each where its profile reaches half of its maximum."""
    out, rows = images.copy(), []
    for number, image in enumerate(out):
        rng = np.random.default_rng([seed, number])
        boxes = np.zeros((0, 4))
        for _ in range(rng.choice(len(shares), p=shares)):
            profile = mass(float(np.exp(rng.uniform(*np.log(DIAMETERS)))), rng)
            contrast = rng.uniform(*CONTRASTS)
            inside = profile >= 0.5 * profile.max()
            ys, xs = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
            for _ in range(20):
                # where lungs, heart and diaphragm are
                cx, cy = rng.uniform(0.14, 0.86) * SIZE, rng.uniform(0.18, 0.8) * SIZE
                left, top = int(cx - profile.shape[1] / 2), int(cy - profile.shape[0] / 2)
                box = np.array(
                    [[left + xs[0], top + ys[0], left + xs[-1] + 1, top + ys[-1] + 1]], dtype=float
                )
                free = (box[0, :2] >= 2).all() and (box[0, 2:] <= SIZE - 2).all()
                if free and not (pairwise_iou(box + [[-3, -3, 3, 3]], boxes) > 0).any():
                    break
            else:
                continue
            t, l = max(top, 0), max(left, 0)
            b, r = min(top + profile.shape[0], SIZE), min(left + profile.shape[1], SIZE)
            part = profile[t - top : b - top, l - left : r - left]
            image[t:b, l:r] += contrast * part * (1 - image[t:b, l:r])
            boxes = np.concatenate([boxes, box])
        rows += [(number, "mass", *box) for box in boxes]
    return Films(out, pd.DataFrame(rows, columns=["image", "label", "x0", "y0", "x1", "y1"]))
