"""Nodes of feature engineering for images: what an image shows of how it was taken."""

import numpy as np
import pandas as pd

AT_ONCE = 512


def measure_acquisition(images: np.ndarray, manifest: pd.DataFrame) -> pd.DataFrame:
    """Shape, brightness, contrast and detail of every image, in the order of the case table; no anatomy on purpose."""
    from medanomaly.imaging.lbe.acquisition import acquisition_features
    from medanomaly.imaging.sources.image_array import ImageArray

    image_array = ImageArray(images, manifest["row"])
    size = image_array.shape[1]
    tables = [
        acquisition_features(image_array[i : i + AT_ONCE], size=size)
        for i in range(0, len(image_array), AT_ONCE)
    ]
    table = pd.concat(tables, ignore_index=True)
    table.insert(0, "aspect", manifest["aspect"].to_numpy())
    table.insert(0, "case_id", manifest["case_id"].to_numpy())
    return table
