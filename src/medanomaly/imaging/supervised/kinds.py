"""Supervised models of images as kinds: a classifier, a segmenter of images with masks, a detector of boxes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pydantic import create_model

from medanomaly.core.bundle import Bundle
from medanomaly.core.models import FitContext, ModelInput, ModelKind
from medanomaly.imaging.supervised.box_params import BoxModelParams
from medanomaly.imaging.supervised.bundles import ImageRiskParams, ImageSegmenterParams


class ImageClassifierKind(ModelKind):
    """The calibrated probability of the label of an image."""

    name = "image_classifier"
    reads = "images"
    params = create_model("image_classifier_params", __base__=ImageRiskParams, kind=(str, name))
    by_epochs = True
    score_leaves = ("probabilities",)

    def fit(self, data: ModelInput, params: ImageRiskParams, context: FitContext) -> tuple[Bundle, Mapping]:
        """Train, calibrate and choose the threshold on labelled images outside test."""
        from medanomaly.imaging.supervised.bundles import classifier_bundle

        return classifier_bundle(
            data.inputs,
            data.cases,
            params,
            data.about["contract"],
            **context.by_epochs,
        ), {}

    def open(self, bundle: Bundle) -> Any:
        """A :class:`medanomaly.imaging.supervised.bundles.ImageRiskScorer`."""
        from medanomaly.imaging.supervised.bundles import ImageRiskScorer

        return ImageRiskScorer(bundle)

    def score_table(self, scorer, data: ModelInput, left, group_by, min_group_size):
        """Score table and probabilities of the test images; the model has seen all others."""
        from medanomaly.imaging.supervised.bundles import risk_tables

        probabilities, scores = risk_tables(scorer, data.inputs, data.cases)
        return scores, {"probabilities": probabilities}


class ImageSegmenterKind(ModelKind):
    """Outlines of what masks outline; it gives no score of an image."""

    name = "image_segmenter"
    reads = "images"
    params = create_model("image_segmenter_params", __base__=ImageSegmenterParams, kind=(str, name))
    by_epochs = True

    def fit(
        self, data: ModelInput, params: ImageSegmenterParams, context: FitContext
    ) -> tuple[Bundle, Mapping]:
        """Train on train images with a mask and on normal ones; the masks are ``data.about["masks"]``."""
        from medanomaly.imaging.supervised.bundles import segmenter_bundle

        masks: Mapping[str, np.ndarray] = data.about["masks"]
        return segmenter_bundle(
            data.inputs,
            data.cases,
            masks["masks"],
            masks["rows"],
            params,
            data.about["contract"],
            **context.by_epochs,
        ), {}

    def open(self, bundle: Bundle) -> Any:
        """A :class:`medanomaly.imaging.supervised.bundles.ImageRiskScorer`."""
        from medanomaly.imaging.supervised.bundles import ImageRiskScorer

        return ImageRiskScorer(bundle)


class BoxDetectorKind(ModelKind):
    """Boxes about what the boxes of train images are about; the score of an image is that of its strongest box."""

    name = "box_detector"
    reads = "images"
    params = create_model("box_detector_params", __base__=BoxModelParams, kind=(str, name))
    explains = by_epochs = True

    def fit(self, data: ModelInput, params: BoxModelParams, context: FitContext) -> tuple[Bundle, Mapping]:
        """Train on the images of train that are known; ``data.about`` has their ``boxes`` and ``states``."""
        from medanomaly.imaging.supervised.box_bundles import box_bundle

        return box_bundle(
            data.inputs,
            data.cases,
            data.about["boxes"],
            data.about["states"],
            params,
            data.about["contract"],
            **context.by_epochs,
        ), {}

    def open(self, bundle: Bundle) -> Any:
        """A :class:`medanomaly.imaging.supervised.box_bundles.BoxScorer`."""
        from medanomaly.imaging.supervised.box_bundles import BoxScorer

        return BoxScorer(bundle)

    def explain(self, scorer: Any, data: ModelInput, chosen: np.ndarray, left: Mapping) -> pd.DataFrame:
        """The boxes of the images."""
        from medanomaly.imaging.supervised.box_bundles import box_reasons

        return box_reasons(scorer, data, chosen)


def kinds() -> dict[str, Callable[[], ModelKind]]:
    """The supervised models of images."""
    return {kind.name: kind for kind in (ImageClassifierKind, ImageSegmenterKind, BoxDetectorKind)}
