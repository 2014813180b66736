"""Models of images as kinds: the density on log band energies, and every network of ``imaging.networks``."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from pydantic import create_model

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import reference_cases
from medanomaly.core.models import FitContext, ModelInput, ModelKind
from medanomaly.imaging.image_models import LBEParams, NetworkModelParams
from medanomaly.imaging.networks.kinds import network_kinds


class ImageKind(ModelKind):
    """What every anomaly model of images has in common."""

    reads = "images"
    explains = tunable = True

    def open(self, bundle: Bundle) -> Any:
        """A :class:`medanomaly.imaging.image_scorer.ImageScorer`."""
        from medanomaly.imaging.image_scorer import ImageScorer

        return ImageScorer(bundle)

    def explain(self, scorer: Any, data: ModelInput, chosen: np.ndarray, left: Mapping) -> pd.DataFrame:
        """Which parts of an image make up its score."""
        from medanomaly.imaging.image_scorer import part_table

        return part_table(scorer, data.inputs[chosen], data.cases["case_id"].iloc[chosen].to_list())

    def objective(self, data: ModelInput, params: Any, n_folds: int, seed: int) -> tuple[Callable, dict]:
        """How well it finds lesions planted into normal train images that were left out."""
        import hashlib

        from medanomaly.imaging.objective import image_objective

        train = data.cases[reference_cases(data.cases, "train")]
        about = {
            "model": params.model_dump(mode="json", exclude={"kind"}),
            "train": hashlib.sha256("\n".join(train["case_id"]).encode()).hexdigest(),
            "size": data.inputs.shape[1],
        }
        return image_objective(data.inputs, data.cases, params, n_folds=n_folds, seed=seed), about


class LBE(ImageKind):
    """The density of normal images on log band energies."""

    name = "lbe"
    params = create_model("lbe_params", __base__=LBEParams, kind=(str, name))
    label = "band energies (LBE)"

    def fit(self, data: ModelInput, params: LBEParams, context: FitContext) -> tuple[Bundle, Mapping]:
        """Fit on normal train images, calibrate the exported model."""
        from medanomaly.imaging.image_models import lbe_bundle

        return lbe_bundle(
            data.inputs,
            data.cases,
            params,
            data.about["contract"],
            name=context.name,
            seed=context.seed,
            stamp=dict(context.stamp),
        ), {}


class ImageNetwork(ImageKind):
    """A network that learns normal images.

    Args:
        name: of the network.
    """

    by_epochs = True
    label = ""

    def __init__(self, name: str):
        self.name, self.label = name, network_kinds()[name].label
        self.params = _params(name)

    def fit(
        self, data: ModelInput, params: NetworkModelParams, context: FitContext
    ) -> tuple[Bundle, Mapping]:
        """Train on normal train images, calibrate the exported model."""
        from medanomaly.imaging.image_models import network_bundle

        return network_bundle(
            data.inputs,
            data.cases,
            params,
            data.about["contract"],
            **context.by_epochs,
        ), {}


@cache
def _params(name: str) -> type[NetworkModelParams]:
    of = network_kinds()[name].params
    return create_model(f"{name}_params", __base__=NetworkModelParams, kind=(str, name), network=(of, of()))


def kinds() -> dict[str, Callable[[], ModelKind]]:
    """LBE, and every network."""
    return {"lbe": LBE} | {name: partial(ImageNetwork, name) for name in network_kinds()}
