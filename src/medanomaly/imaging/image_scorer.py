"""Score images with a bundle, and explain which parts of an image make up its score."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.conformal import p_values
from medanomaly.core.manifest import require_kind
from medanomaly.core.onnx_session import open_session, run_batches
from medanomaly.imaging.lbe.band_energies import BandEnergies
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.image_array import ImageArray

if TYPE_CHECKING:
    import onnxruntime

IMAGES_PER_BATCH = 64
USUAL_PARTS = "usual_parts.npy"
CELLS_PER_SIDE = 5
ROW_NAMES = ("top", "upper", "middle", "lower", "bottom")
COLUMN_NAMES = ("far left", "left", "centre", "right", "far right")
BAND_NAMES = ("finest detail", "fine detail", "coarse detail", "coarsest detail")


def onnx_outputs(
    session: "onnxruntime.InferenceSession",
    images: np.ndarray | ImageArray,
    names: list[str],
    contract: InputContract,
) -> dict[str, np.ndarray]:
    """Outputs of an ONNX model for (n, H, W) images under the contract; ``images`` may be a memory map."""

    def prepare(batch: np.ndarray) -> np.ndarray:
        return contract.check(np.asarray(batch)).astype(np.float32)[:, None]

    return run_batches(session, images, batch_size=IMAGES_PER_BATCH, names=names, prepare=prepare)


def cell_names(grid: int = CELLS_PER_SIDE) -> list[str]:
    """Names of the cells of a grid, row by row, as seen by a person who looks at the image."""
    if grid != CELLS_PER_SIDE:
        return [f"row {i + 1}, column {j + 1} of {grid}" for i in range(grid) for j in range(grid)]
    return [f"{row} {column}" for row in ROW_NAMES for column in COLUMN_NAMES]


class ImageScorer:
    """A bundle that is ready to score: contract, ONNX session and calibration scores.

    Args:
        bundle: a verified bundle of the imaging modality.

    Raises:
        BundleError: a bundle of another modality.
    """

    def __init__(self, bundle: Bundle):
        from medanomaly.imaging.kinds import kinds

        require_kind(bundle.manifest, kinds(), "an anomaly model of images")
        self.bundle = bundle
        self.contract = InputContract(**bundle.manifest["contract"])
        self.calibration = bundle.array("calibration.npy")
        self._session = open_session(bundle.files["model.onnx"])

    def score(self, images: np.ndarray | ImageArray) -> np.ndarray:
        """(n,) float64 scores of (n, size, size) images that keep the contract, higher = more anomalous."""
        return self._outputs(images, "score").astype(np.float64)

    def _outputs(self, images: np.ndarray | ImageArray, name: str) -> np.ndarray:
        return onnx_outputs(self._session, images, [name], self.contract)[name]

    def p_values(self, images: np.ndarray) -> np.ndarray:
        """(n,) conformal p-values, compared with the calibration normals of the bundle."""
        return p_values(self.score(images), self.calibration)

    def maps(self, images: np.ndarray) -> np.ndarray:
        """(n, size, size) float32: where each image is unusual."""
        return self.look(images)[1]

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores and maps of (n, size, size) images in one pass."""
        names = ["score", self.bundle.manifest["map"]]
        score, found = onnx_outputs(self._session, images, names, self.contract).values()
        if found.ndim == 4:
            from medanomaly.imaging.lbe.detector import interpolate_cells

            found = interpolate_cells(found.sum(axis=1), self._energies, self.contract.size)
        return score.astype(np.float64), found.astype(np.float32)

    @cached_property
    def _lbe(self) -> dict[str, np.ndarray]:
        import safetensors.numpy

        return safetensors.numpy.load(self.bundle.files["weights.safetensors"])

    @property
    def _energies(self) -> BandEnergies:
        size, margin, grid, _ = (int(v) for v in self._lbe["spec"])
        return BandEnergies(size=size, margin=margin, grid=grid)

    def parts(self, images: np.ndarray) -> tuple[pd.DataFrame, np.ndarray, bool]:
        """What each part of an image adds to its score, minus what it adds for a usual image.

        For LBE a part is the detail of one scale in one cell, and its value is the log energy there. For a network a part
        is a cell of the map, and its value is the mean error there. Usual is what training images of LBE, and calibration
        images of a network, show.

        Args:
            images: (n, size, size) images.

        Returns:
            ``(parts, contributions, exact)``. ``parts`` has one row per part: ``feature``, ``unit``, ``usual_low`` and
            ``usual_high`` (5th and 95th percentile), and ``values`` of the n images. ``contributions`` is (n, parts).
            ``exact`` says whether they add up to the score, except for a constant.
        """
        if self.bundle.manifest["map"] == "contributions":
            return self._lbe_parts(images)
        return self._map_parts(images)

    def _lbe_parts(self, images: np.ndarray):
        found = self._outputs(images, "contributions")
        energies, arrays = self._energies, self._lbe
        values = energies.features(np.asarray(images))
        fitted = arrays["train"] * arrays["sd"] + arrays["mean"]
        bands = (
            BAND_NAMES
            if len(energies.sigmas) == len(BAND_NAMES)
            else [f"band {b}" for b in range(energies.shape[0])]
        )
        names = [f"{band}, {cell}" for band in bands for cell in cell_names(energies.grid)]
        low, high = np.quantile(fitted, [0.05, 0.95], axis=0)
        return _described(names, "log energy", low, high, values), found.reshape(len(images), -1), True

    def _map_parts(self, images: np.ndarray):
        params, inside = self.bundle.manifest["spec"]["params"], self._scored_region
        values = _cells(self.maps(images)[:, inside, inside])
        low, high, mean = self.bundle.array(USUAL_PARTS)
        side = inside.stop - inside.start
        share = _cell_sizes(side) / side**2
        exact = self.bundle.manifest["spec"]["members"] == 1 and params.get("score") != "neighbours"
        table = _described([f"error, {name}" for name in cell_names()], "", low, high, values)
        return table, (values - mean) * share, exact

    @property
    def _scored_region(self) -> slice:
        cut = self.contract.size // 8 if self.bundle.manifest["spec"]["params"]["region"] == "central" else 0
        return slice(cut, self.contract.size - cut)

    def usual_parts(self, normals: np.ndarray) -> np.ndarray:
        """(3, 25) 5th and 95th percentile and mean error of each cell of the map of normal images, for ``parts``."""
        values = _cells(self.maps(normals)[:, self._scored_region, self._scored_region])
        return np.stack([*np.quantile(values, [0.05, 0.95], axis=0), values.mean(axis=0)])


def _described(
    names: list[str], unit: str, low: np.ndarray, high: np.ndarray, values: np.ndarray
) -> pd.DataFrame:
    return pd.DataFrame(
        {"feature": names, "unit": unit, "usual_low": low, "usual_high": high, "values": list(values.T)}
    )


def _edges(side: int) -> np.ndarray:
    return np.linspace(0, side, CELLS_PER_SIDE + 1).round().astype(int)


def _cells(maps: np.ndarray) -> np.ndarray:
    """(n, H, H) to (n, 25) means of cells."""
    edges = _edges(maps.shape[1])
    sums = np.add.reduceat(np.add.reduceat(maps.astype(np.float64), edges[:-1], axis=1), edges[:-1], axis=2)
    return sums.reshape(len(maps), -1) / _cell_sizes(maps.shape[1])


def _cell_sizes(side: int) -> np.ndarray:
    width = np.diff(_edges(side))
    return np.outer(width, width).ravel()


def part_table(scorer: ImageScorer, images: np.ndarray, case_ids: list[str]) -> pd.DataFrame:
    """Explanations of some images.

    Args:
        scorer: the model.
        images: (n, size, size) images.
        case_ids: their n ids.

    Returns:
        ``case_id, model, feature, value, unit, usual_low, usual_high, contribution, exact``, the largest
        contribution of a case first.
    """
    parts, contributions, exact = scorer.parts(images)
    values = np.stack(parts["values"].to_list())
    rows = []
    for i, case in enumerate(case_ids):
        of_case = parts.drop(columns="values").assign(
            case_id=case,
            model=scorer.bundle.manifest.name,
            value=[f"{v:.4g}" for v in values[:, i]],
            contribution=contributions[i],
            exact=exact,
        )
        rows.append(of_case.sort_values("contribution", ascending=False, kind="stable"))
    columns = [
        "case_id",
        "model",
        "feature",
        "value",
        "unit",
        "usual_low",
        "usual_high",
        "contribution",
        "exact",
    ]
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)
