"""What the page of a patient shows of an image: the image, and the map of the model whose p-value is fused."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle


def show_images(
    chosen: pd.DataFrame,
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    bundle: Bundle,
    images: np.ndarray,
    manifest: pd.DataFrame,
) -> Mapping[str, object]:
    """case_id -> section; arguments as of ``PatientView``."""
    from medanomaly.imaging.sources.image_array import ImageArray
    from medanomaly.pipelines.imaging.gallery import GalleryView
    from medanomaly.reporting.imaging.anomalies import image_section

    if chosen.empty:
        return {}
    name = bundle.manifest.name
    view = GalleryView(ImageArray(images, manifest["row"]), cases, {name: bundle}, name)
    return {
        case: image_section(case, name, view.draw(chosen[chosen["case_id"] == case], "of one patient"))
        for case in chosen["case_id"]
    }
