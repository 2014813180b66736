"""Models of films as bundles: trained, calibrated on what the ONNX model gives, sealed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medanomaly.core.bundle import Bundle
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.sealing import check_reference, seal
from medanomaly.imaging.networks.params import DetectorNetworkParams
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.image_array import FilmArray
from medanomaly.training.params import TrainingParams


class LBEParams(BaseModel):
    """The density model on log band energies.

    Attributes:
        n_neighbors: nearest normal films that are looked at.
        grid: cells a side.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_neighbors: int = Field(3, ge=1)
    grid: int = Field(5, ge=1)

    def tuned(self, options: Mapping[str, Any]) -> "LBEParams":
        """These parameters with others in their place."""
        return _replaced(self, options)


class NetworkModelParams(BaseModel):
    """A network, how it is trained, and how many of them are averaged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: DetectorNetworkParams
    training: TrainingParams = TrainingParams()
    members: int = Field(1, ge=1)

    def tuned(self, options: Mapping[str, Any]) -> "NetworkModelParams":
        """These parameters with others in their place; a name is one of the network's, or else one of the training's.

        Raises:
            ConfigurationError: nothing has a parameter of this name, or the value does not fit.
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
        replaced = _replaced(self, parts["self"])
        return replaced.model_copy(
            update={
                "network": _replaced(self.network, parts["network"]),
                "training": _replaced(self.training, parts["training"]),
            }
        )


def _replaced(params: BaseModel, options: Mapping[str, Any]) -> Any:
    try:
        return type(params).model_validate(params.model_dump() | dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(
            f"'{'.'.join(map(str, first['loc']))}' does not fit: {first['msg']}",
            remedy=f"Known are {sorted(type(params).model_fields)}.",
        ) from error


def lbe_margin(size: int) -> int:
    """Border that LBE leaves out of a film of this side, px: 6 of 64."""
    return round(size * 6 / 64)


def fitted_lbe(images: np.ndarray, groups: np.ndarray, params: LBEParams):
    """LBE fitted on (m, H, W) normal films of (m,) patients."""
    from medanomaly.imaging.lbe.detector import LBEDetector

    size = images.shape[1]
    detector = LBEDetector(
        size=size, n_neighbors=params.n_neighbors, grid=params.grid, margin=lbe_margin(size)
    )
    return detector.fit(images, groups)


def lbe_bundle(
    images: np.ndarray | FilmArray,
    cases: pd.DataFrame,
    params: LBEParams,
    contract: InputContract,
    *,
    name: str,
    alpha: float,
    seed: int,
    stamp: dict | None = None,
) -> Bundle:
    """Fit LBE on normal train films, calibrate its ONNX model, seal.

    Args:
        images: (n, size, size) float32 in [0, 1], row i is case i.
        cases: case table of n rows.
        params: of the detector.
        contract: what the images were brought under.
        name, alpha, seed, stamp: as of :func:`medanomaly.core.sealing.seal`.
    """
    import safetensors.numpy

    from medanomaly.imaging.lbe.onnx import lbe_onnx

    rows = np.flatnonzero(check_reference(cases, name)[0])
    detector = fitted_lbe(np.asarray(images[rows]), cases["patient_id"].to_numpy()[rows], params)
    arrays = {key: np.ascontiguousarray(value) for key, value in detector.to_arrays().items()}
    files = {"model.onnx": lbe_onnx(detector), "weights.safetensors": safetensors.numpy.save(arrays)}
    about = {"detector": "log band energies", "options": params.model_dump(), "map": "contributions"}
    return _sealed(files, images, cases, rows, contract, about, name, alpha, seed, stamp)


def network_bundle(
    images: np.ndarray | FilmArray,
    cases: pd.DataFrame,
    params: NetworkModelParams,
    contract: InputContract,
    *,
    name: str,
    alpha: float,
    seed: int,
    folder: Path | None = None,
    stamp: dict | None = None,
    loggers: Sequence = (),
) -> Bundle:
    """Train a network on normal train films, calibrate its ONNX model, seal.

    About 15 % of the train patients are held out to choose the best epoch; calibration films are seen by nothing but the
    calibration, so that p-values hold.

    Args:
        images, cases, contract: as of :func:`lbe_bundle`.
        params: network, training, members.
        folder: where checkpoints go, and from where an interrupted training goes on.
        name, alpha, seed, stamp: as of :func:`medanomaly.core.sealing.seal`.
        loggers: Lightning's.
    """
    from medanomaly.imaging.networks.detector import NetworkDetector

    if contract.contrast != "none":
        raise ConfigurationError(
            f"images with contrast '{contract.contrast}'",
            remedy="Set imaging_processing.contract.contrast to none: each network has a contrast of its own.",
        )
    rows = np.flatnonzero(check_reference(cases, name)[0])
    detector = NetworkDetector(params.network, params.training, seed, params.members)
    detector.fit(
        np.asarray(images[rows]), groups=cases["patient_id"].to_numpy()[rows], folder=folder, loggers=loggers
    )
    files = {"model.onnx": detector.to_onnx(), "weights.safetensors": detector.weights()}
    about = {
        "detector": params.network.network,
        "options": params.model_dump(mode="json"),
        "map": "error_map",
        "spec": detector.spec(),
        "epochs": [{"run": run.epochs_run, "best": run.best_epoch} for run in detector.runs_],
    }
    return _sealed(files, images, cases, rows, contract, about, name, alpha, seed, stamp)


def _sealed(files, images, cases, rows, contract, about, name, alpha, seed, stamp) -> Bundle:
    from medanomaly.core.onnx_session import open_session
    from medanomaly.imaging.image_scorer import onnx_outputs

    low, high = contract.range
    more = {key: value for key, value in about.items() if key not in ("detector", "options")}
    return seal(
        files,
        cases,
        onnx_outputs(open_session(files["model.onnx"]), images, ["score"], contract)["score"],
        name=name,
        modality="imaging",
        detector=about["detector"],
        options=about["options"],
        alpha=alpha,
        seed=seed,
        input_contract={
            "image": f"one grey film, {contract.size} x {contract.size} px, float32 in [{low:g}, {high:g}]",
            "geometry": contract.geometry,
            "contrast": contract.contrast,
        },
        stamp=stamp,
        fingerprint_of=np.asarray(images[rows]),
        more=more | {"contract": contract.model_dump()},
    )


def detector_of(bundle: Bundle):
    """The network of a bundle in torch, which reconstructs; scores come from its ONNX model.

    Raises:
        ConfigurationError: the bundle holds no network.
    """
    from medanomaly.imaging.networks.detector import NetworkDetector

    if "spec" not in bundle.manifest:
        raise ConfigurationError(
            f"'{bundle.manifest['name']}' is no network", remedy="Ask a bundle that has a 'spec'."
        )
    return NetworkDetector.from_weights(bundle.manifest["spec"], bundle.files["weights.safetensors"])
