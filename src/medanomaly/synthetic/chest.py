"""Chest phantoms: one image per patient of the cohort, some with an opacity, an effusion or a nodule and its mask.

They do not simulate X-rays: simple shapes lie where organs lie, so every part of an imaging pipeline can run without data.
Normal images vary in anatomy (body build, heart, diaphragm, ribs), placement, exposure, sharpness and the shape of the
image. Sharpness and exposure also differ between sites, as they do in hospitals.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.ndimage import gaussian_filter, zoom

from medanomaly.core.errors import InputError
from medanomaly.core.params import Params
from medanomaly.synthetic.patients import own_streams

LESIONS = ("opacity", "effusion", "nodule")
# extra blur in px of a 96 px image, and exposure
_SITES = {"Northgate": (0.0, 1.0), "Riverside": (0.25, 0.97), "Hillside": (0.5, 1.04)}
_COARSE = 12


class ChestParams(Params):
    """Size, seed and planted lesions of the phantoms."""

    height: int = Field(96, ge=48, le=512)  # of an image, px; its width varies
    seed: int = 0
    lesion_share: float = Field(0.15, ge=0, le=1)
    noise: float = Field(0.012, ge=0, le=0.2)  # standard deviation of a pixel


@dataclass(frozen=True)
class ChestImages:
    """Images of different widths.

    Attributes:
        table: one row per image: ``case_id``, ``patient_id``, ``label`` (1 = lesion), ``kind`` ("normal" or the lesion),
            ``sex``, ``site``, ``width``, ``height``, ``contrast`` (of the lesion, 0 without one).
        images: (height, width_i) float32 in [0, 1], bright = dense.
        masks: (height, width_i) bool, empty on normal images.
    """

    table: pd.DataFrame
    images: list[np.ndarray]
    masks: list[np.ndarray]


def chest_images(patients: pd.DataFrame, params: ChestParams) -> ChestImages:
    """Draw an image for every patient; each patient has their own stream of random numbers.

    Args:
        patients: from :func:`medanomaly.synthetic.patients.draw_patients` (patient_id, sex, bmi, heart_failure, site).
        params: size, seed, share of lesions.

    Raises:
        InputError: a column is missing.
    """
    needed = ["patient_id", "sex", "bmi", "heart_failure", "site"]
    if missing := [c for c in needed if c not in patients]:
        raise InputError(
            f"columns {missing} are missing", remedy="Give what draw_patients returns.", source="patients"
        )
    images, masks, rows = [], [], []
    streams = own_streams(patients["patient_id"], params.seed, "chest")
    for row, rng in zip(patients[needed].itertuples(index=False), streams, strict=True):
        image, mask, kind, contrast = _image(row, rng, params)
        images.append(image)
        masks.append(mask)
        rows.append((f"{row.patient_id}-chest", row.patient_id, int(kind != "normal"), kind, row.sex, row.site,
                     image.shape[1], image.shape[0], contrast))  # fmt: skip
    columns = ["case_id", "patient_id", "label", "kind", "sex", "site", "width", "height", "contrast"]
    return ChestImages(pd.DataFrame(rows, columns=columns), images, masks)


def _step(x: np.ndarray, width: float = 0.012) -> np.ndarray:
    """Soft step: 0 far below 0, 1 far above."""
    return 1.0 / (1.0 + np.exp(-np.clip(x / width, -30, 30)))


def _bell(x: np.ndarray, sigma: float) -> np.ndarray:
    return np.exp(-0.5 * (x / sigma) ** 2)


def _image(patient, rng: np.random.Generator, params: ChestParams):
    z, u = rng.standard_normal(12), rng.random(8)
    height = params.height
    # a bigger patient is placed on a wider image
    aspect = float(np.clip(1.18 + 0.10 * z[0] + 0.008 * (patient.bmi - 26), 0.85, 1.8))
    width = round(height * aspect)
    y = ((np.arange(height) + 0.5) / height)[:, None]
    # anatomy is measured from the middle, in heights of the image
    x = ((np.arange(width) + 0.5) / height - aspect / 2 - 0.012 * z[1])[None, :]

    top, base = 0.13 + 0.012 * z[2], 0.76 + 0.02 * z[3]
    half = 0.40 + 0.015 * z[4] + (0.015 if patient.sex == "M" else 0.0)
    lung, fields = np.zeros((height, width)), []
    for side in (-1, 1):
        centre, radius = side * half * 0.53, half * 0.43
        floor = base - 0.05 * _bell(x - centre, 0.12) - (0.02 if side < 0 else 0.0)
        inside = 1.0 - ((x - centre) / radius) ** 2 - (np.minimum(y - 0.48, 0) / (0.48 - top)) ** 2
        field = _step(inside, 0.07) * _step(floor - y)
        fields.append((centre, radius, field))
        lung = np.maximum(lung, field)

    body = _step(half + 0.06 + 0.05 * y - np.abs(x)) * _step(y - 0.03 * (np.abs(x) > half))
    enlarged = 1.25 if patient.heart_failure else 1.0
    heart = _step(
        1 - ((x - 0.07) / (0.145 * enlarged * (1 + 0.06 * z[5]))) ** 2 - ((y - 0.62) / 0.17) ** 2, 0.12
    )
    spine = _bell(x, 0.045) + 0.5 * _bell(x, 0.1) * _step(0.42 - y, 0.05)
    spacing = 0.088 * (1 + 0.03 * z[6])
    course = (y + 0.55 * np.abs(x) - 0.9 * x**2 + 0.02 * z[7]) / spacing
    ribs = np.maximum(np.cos(2 * np.pi * course), 0.0) ** 3 * body
    vessels = np.exp(-np.abs(np.abs(x) - 0.1) / 0.06) * _bell(y - 0.48, 0.13)
    lines = zoom(
        rng.standard_normal((_COARSE, _COARSE)),
        (height / _COARSE, width / _COARSE),
        order=1,
        grid_mode=True,
        mode="nearest",
    )

    dense = 0.62 + 0.05 * z[8]
    image = dense * body
    image = image - (0.40 + 0.02 * z[9]) * lung * body
    image = (
        image
        + 0.10 * ribs * (0.4 + 0.6 * lung)
        + 0.16 * spine * body
        + 0.20 * heart * lung
        + 0.10 * vessels * lung
    )
    image = image + 0.025 * lines * lung

    kind, contrast, profile = "normal", 0.0, None
    if u[0] < params.lesion_share:
        kind = LESIONS[min(int(u[1] * 3), 2)]
        contrast = 0.18 + 0.22 * u[2]
        profile = _lesion(kind, fields[int(u[3] < 0.5)], x, y, base, u[4:], lines)
        image = image + contrast * profile
    blur, exposure = _SITES.get(patient.site, (0.0, 1.0))
    image = gaussian_filter(image, (0.35 + blur + 0.12 * abs(z[10])) * height / 96)
    image = exposure * image * (1 + 0.04 * z[11]) + params.noise * rng.standard_normal((height, width))
    mask = np.zeros((height, width), dtype=bool) if profile is None else profile >= 0.5
    return np.clip(image, 0, 1).astype(np.float32), mask, kind, contrast


def _lesion(kind: str, lung: tuple, x, y, base: float, u: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """(height, width) profile in [0, 1] of a lesion of one lung; the mask is where it is at least 0.5."""
    centre, radius, field = lung
    if kind == "effusion":
        outward = np.clip(np.abs(x) / (np.abs(centre) + radius), 0, 1)
        surface = base - 0.08 - 0.12 * u[0] - 0.05 * outward**2
        inside = _step(radius - np.abs(x - centre)) * _step(y - surface) * _step(base + 0.03 - y)
        return inside
    cx, cy = centre + (u[0] - 0.5) * radius * 0.7, 0.34 + 0.28 * u[1]
    distance = np.hypot(x - cx, y - cy)
    if kind == "nodule":
        return _step(0.022 + 0.018 * u[2] - distance, 0.004)
    ragged = 0.07 + 0.05 * u[2] + 0.012 * lines
    return np.maximum(_step(ragged - distance, 0.015) * np.maximum(field, 0.2), _step(0.03 - distance, 0.006))
