"""Models of images as bundles: trained, calibrated on the scores of the ONNX model, sealed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import Field

from medanomaly.core.bundle import Bundle, array_bytes, make_bundle
from medanomaly.core.calibrated_bundle import calibrated_bundle, check_reference
from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.models import ModelParams
from medanomaly.imaging.networks.kinds import AnyNetworkParams
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.training.params import TrainingParams


class LBEParams(ModelParams):
    """The density model on log band energies.

    Attributes:
        n_neighbors: number of nearest normal images that a score is made from.
        grid: cells per side.
    """

    n_neighbors: int = Field(3, ge=1)
    grid: int = Field(5, ge=1)


class NetworkModelParams(ModelParams):
    """A network, how it is trained, and how many of them are averaged."""

    network: AnyNetworkParams
    training: TrainingParams = TrainingParams()
    members: int = Field(1, ge=1)

    def replaced(self, options: Mapping[str, Any]) -> Self:
        """A copy in which these options replace values. A name is a parameter of the network, else of the training.

        Raises:
            ConfigurationError: a name is not known, or a value does not fit.
        """
        parts: dict[str, dict] = {"network": {}, "training": {}, "self": {}}
        for name, value in options.items():
            parts[
                "network"
                if name in type(self.network).model_fields
                else "training"
                if name in TrainingParams.model_fields
                else "self"
            ][name] = value
        blocks = {name: getattr(self, name).replaced(parts[name]) for name in ("network", "training")}
        return super().replaced(parts["self"]).model_copy(update=blocks)


def lbe_margin(size: int) -> int:
    """Width of the border that LBE leaves out, px: 6 of a side of 64."""
    return round(size * 6 / 64)


def fitted_lbe(images: np.ndarray, groups: np.ndarray, params: LBEParams):
    """LBE fitted on (m, H, W) normal images of (m,) patients."""
    from medanomaly.imaging.lbe.detector import LBEDetector

    size = images.shape[1]
    detector = LBEDetector(
        size=size, n_neighbors=params.n_neighbors, grid=params.grid, margin=lbe_margin(size)
    )
    return detector.fit(images, groups)


def lbe_bundle(
    images: np.ndarray | ImageArray,
    cases: pd.DataFrame,
    params: LBEParams,
    contract: InputContract,
    *,
    name: str,
    seed: int,
    stamp: dict | None = None,
) -> Bundle:
    """Fit LBE on normal train images, calibrate its ONNX model, seal.

    Args:
        images: (n, size, size) float32 in [0, 1], row i is case i.
        cases: case table of n rows.
        params: of the detector.
        contract: that the images were prepared to.
        name, seed, stamp: see :func:`medanomaly.core.calibrated_bundle.calibrated_bundle`.
    """
    import safetensors.numpy

    from medanomaly.imaging.lbe.onnx import lbe_onnx

    rows = np.flatnonzero(check_reference(cases, name)[0])
    detector = fitted_lbe(np.asarray(images[rows]), cases["patient_id"].to_numpy()[rows], params)
    arrays = {key: np.ascontiguousarray(value) for key, value in detector.to_arrays().items()}
    files = {"model.onnx": lbe_onnx(detector), "weights.safetensors": safetensors.numpy.save(arrays)}
    about = {
        "kind": "lbe",
        "options": params.model_dump(exclude={"kind"}),
        "map": "contributions",
        "rows_kept": len(rows),
    }
    return _sealed(files, images, cases, rows, contract, about, name, seed, stamp)


def network_bundle(
    images: np.ndarray | ImageArray,
    cases: pd.DataFrame,
    params: NetworkModelParams,
    contract: InputContract,
    *,
    name: str,
    seed: int,
    folder: Path | None = None,
    stamp: dict | None = None,
    loggers: Sequence = (),
) -> Bundle:
    """Train a network on normal train images, calibrate its ONNX model, seal.

    About 15 % of the train patients are held out to choose the best epoch. Only the calibration uses calibration images,
    so p-values hold.

    Args:
        images, cases, contract: see :func:`lbe_bundle`.
        params: network, training, members.
        folder: for checkpoints; an interrupted training continues from there.
        name, seed, stamp: see :func:`medanomaly.core.calibrated_bundle.calibrated_bundle`.
        loggers: for Lightning.
    """
    from medanomaly.imaging.image_scorer import USUAL_PARTS, ImageScorer
    from medanomaly.imaging.networks.detector import NetworkDetector

    if contract.contrast != "none":
        raise ConfigurationError(
            f"images with contrast '{contract.contrast}'",
            remedy="Set imaging_processing.contract.contrast to none: each network normalises contrast itself.",
        )
    rows = np.flatnonzero(check_reference(cases, name)[0])
    detector = NetworkDetector(params.network, params.training, seed, params.members)
    detector.fit(
        np.asarray(images[rows]), groups=cases["patient_id"].to_numpy()[rows], folder=folder, loggers=loggers
    )
    files = {"model.onnx": detector.to_onnx(), "weights.safetensors": detector.weights()}
    about = {
        "kind": params.network.network,
        "options": params.model_dump(mode="json", exclude={"kind"}),
        "map": "error_map",
        "spec": detector.spec(),
        "epochs": [{"run": run.epochs_run, "best": run.best_epoch} for run in detector.runs_],
    }
    sealed = _sealed(files, images, cases, rows, contract, about, name, seed, stamp)
    usual = ImageScorer(sealed).usual_parts(images[normal_rows(cases)])
    return make_bundle(sealed.manifest, sealed.files | {USUAL_PARTS: array_bytes(usual)})


def normal_rows(cases: pd.DataFrame) -> np.ndarray:
    """Positions of the normal calibration images that a network is looked at with, 200 at most."""
    from medanomaly.imaging.model_checks import CHECKED_IMAGES

    return np.flatnonzero(reference_cases(cases, "calibration").to_numpy())[:CHECKED_IMAGES]


def _sealed(files, images, cases, rows, contract, about, name, seed, stamp) -> Bundle:
    from medanomaly.core.onnx_session import open_session
    from medanomaly.imaging.image_scorer import onnx_outputs

    low, high = contract.range
    more = {key: value for key, value in about.items() if key not in ("kind", "options")}
    return calibrated_bundle(
        files,
        cases,
        onnx_outputs(open_session(files["model.onnx"]), images, ["score"], contract)["score"],
        name=name,
        modality="imaging",
        kind=about["kind"],
        options=about["options"],
        seed=seed,
        input_contract={
            "image": f"one grey image, {contract.size} x {contract.size} px, float32 in [{low:g}, {high:g}]",
            "geometry": contract.geometry,
            "contrast": contract.contrast,
        },
        stamp=stamp,
        fingerprint_of=np.asarray(images[rows]),
        more=more | {"contract": contract.model_dump()},
    )


def detector_of(bundle: Bundle):
    """The network of a bundle in torch, for reconstructions. Scores come from the ONNX model of the bundle.

    Raises:
        ConfigurationError: the bundle holds no network.
    """
    from medanomaly.imaging.networks.detector import NetworkDetector

    if "spec" not in bundle.manifest:
        raise ConfigurationError(
            f"'{bundle.manifest['name']}' is not a network", remedy="Give a bundle that has a 'spec'."
        )
    return NetworkDetector.from_weights(bundle.manifest["spec"], bundle.files["weights.safetensors"])
