"""Nodes of data processing for images: from files to a store of prepared images, cases and masks."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.splits import SplitParams
from medanomaly.imaging.sources.image_cases import ImageParams
from medanomaly.imaging.sources.manifest import ImageSource
from medanomaly.parameters import RunParams
from medanomaly.pipelines.provenance import bundle_stamp


def prepare_images(
    raw: ImageSource, params: ImageParams, split: SplitParams
) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]:
    """Images of the store, manifest and cases row by row, quarantine, and counts that add up."""
    from medanomaly.imaging.sources.image_cases import image_cases
    from medanomaly.imaging.sources.store import open_store

    store = open_store(raw, params.contract, params.store, dtype=params.dtype)
    manifest, cases, quarantine, summary = image_cases(raw, store, split, params.min_patients)
    return store.images, manifest, cases, quarantine, summary | {"cases": "images", "noun": "image"}


def seal_recipe(params: ImageParams, run: RunParams) -> Bundle:
    """How images are decoded and prepared, for images that come later."""
    from medanomaly.imaging.recipe import image_recipe

    return image_recipe(params, bundle_stamp(run.dataset))


def read_masks(raw: ImageSource, manifest: pd.DataFrame, params: ImageParams) -> dict[str, np.ndarray]:
    """Masks of the images that came with one: ``masks`` (k, size, size) and ``rows`` (k,) of the case table."""
    from medanomaly.imaging.sources.store import load_masks

    rows = np.flatnonzero(manifest["mask_path"].notna())
    masks, known = load_masks(raw, manifest.iloc[rows].reset_index(drop=True), params.contract)
    return {"masks": masks[known], "rows": rows[known]}
