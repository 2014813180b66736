"""Detectors of boxes as bundles: trained, with a threshold that holds the asked rate of false boxes, and p-values."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, array_bytes, make_bundle
from medanomaly.core.calibrated_bundle import CALIBRATION, training_fingerprint
from medanomaly.core.conformal import p_values
from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.core.manifest import require_kind
from medanomaly.core.models import EXPLANATION_COLUMNS, ModelInput
from medanomaly.core.onnx_session import open_session
from medanomaly.evaluation.images.false_boxes import false_box_threshold, fewest_normals
from medanomaly.imaging.boxes.decode import boxes_of_heat
from medanomaly.imaging.boxes.of_maps import boxes_of_masks
from medanomaly.imaging.boxes.table import CORNERS, BoxTable, on_images, on_originals, on_prepared
from medanomaly.imaging.networks.box_detector.params import STRIDE
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.imaging.supervised.box_params import BoxModelParams

# its own name, so that a scorer of anomalies refuses the bundle
MODALITY = "imaging_boxes"
KIND = "box_detector"
FEWEST_WITH_BOXES = 5
# what is known of an image
BOXES, NORMAL, UNKNOWN = "boxes", "normal", "not known"
ONE_LABEL = "lesion"


def known_boxes(
    cases: pd.DataFrame,
    manifest: pd.DataFrame,
    masks: dict[str, np.ndarray],
    table: BoxTable | None,
    contract: InputContract,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Boxes on prepared images, and what is known of every image.

    Boxes come from the table, if there is one, else each region of a mask gets one. An image counts as normal if the table
    or its label says so and it has no box; an image whose box had to be left out is not known.

    Args:
        cases: case table of n images; manifest: their ``path``, ``width`` and ``height``, row by row.
        masks: ``masks`` (k, size, size) and ``rows`` (k,) of the case table.
        table: of a file of boxes, or None.
        contract: how images were prepared.

    Returns:
        ``(boxes, states, refused, notes)``: ``image`` (row), ``label``, ``x0, y0, x1, y1`` in px of the prepared images;
        ``case_id`` and ``state`` of each image; refused boxes with reasons; sentences.

    Raises:
        InputError: there is no box at all.
    """
    state = np.full(len(cases), UNKNOWN, dtype=object)
    state[cases["label"].eq(0).fillna(False).to_numpy(dtype=bool)] = NORMAL
    refused, notes = pd.DataFrame(columns=["record", "image", "label", "reason"], dtype="string"), ()
    if table is None:
        boxes = (
            boxes_of_masks(masks["masks"])
            if len(masks["rows"])
            else boxes_of_masks(np.zeros((0, 1, 1), bool))
        )
        rows = np.asarray(masks["rows"], dtype=np.int64)
        boxes = boxes.assign(image=rows[boxes["image"].to_numpy(dtype=np.int64)])
        boxes["label"] = cases["kind"].fillna(ONE_LABEL).to_numpy(dtype=object)[boxes["image"].to_numpy()]
    else:
        images = pd.DataFrame(
            {"name": manifest["path"].str.rsplit("/", n=1).str[-1], **manifest[["width", "height"]]}
        )
        there = on_images(table, images)
        boxes, cut_off = on_prepared(there.boxes, images, contract)
        out = there.boxes[cut_off]
        state[list(there.normals)] = NORMAL
        state[out["image"].to_numpy(dtype=np.int64)] = UNKNOWN
        named = images["name"].to_numpy()[out["image"].to_numpy(dtype=np.int64)]
        lost = pd.DataFrame({"record": out["record"], "image": named, "label": out["label"],
                             "reason": "its middle lies outside of the prepared image"}).astype("string")  # fmt: skip
        refused, notes = pd.concat([there.refused, lost], ignore_index=True), there.notes
        unclear = images["name"].isin(refused["image"]).to_numpy()
        state[unclear] = UNKNOWN
    if boxes.empty:
        raise InputError(
            "there is no box about anything on these images",
            remedy="Name a file of boxes (imaging.box_table in the catalog), or bring masks of lesions.",
        )
    state[boxes["image"].to_numpy(dtype=np.int64)] = BOXES
    columns = ["image", "label", *CORNERS]
    boxes = boxes[columns].astype(dict.fromkeys(CORNERS, np.float64)).reset_index(drop=True)
    return boxes, pd.DataFrame({"case_id": cases["case_id"], "state": state}), refused, notes


def rows_of(cases: pd.DataFrame, states: pd.DataFrame, part: str, *wanted: str) -> np.ndarray:
    """Row numbers of the images of a part of the split whose state is one of those wanted."""
    return np.flatnonzero(cases["split"].eq(part).to_numpy() & states["state"].isin(wanted).to_numpy())


def boxes_in(boxes: pd.DataFrame, rows: np.ndarray, one_label: bool = False) -> pd.DataFrame:
    """The boxes of some images, ``image`` being the position in ``rows``."""
    place = pd.Series(np.arange(len(rows)), index=rows)
    own = boxes[boxes["image"].isin(rows)].reset_index(drop=True)
    own = own.assign(image=place[own["image"]].to_numpy())
    return own.assign(label=ONE_LABEL) if one_label else own


def box_bundle(
    images: np.ndarray | ImageArray,
    cases: pd.DataFrame,
    boxes: pd.DataFrame,
    states: pd.DataFrame,
    params: BoxModelParams,
    contract: InputContract,
    *,
    name: str,
    seed: int,
    folder: Path | None = None,
    stamp: dict | None = None,
    loggers: Sequence = (),
) -> Bundle:
    """Train on the images of train that are known; choose the threshold on normal images of calibration.

    Args:
        images: (n, size, size) float32 in [0, 1], row i is case i.
        cases: case table of n rows.
        boxes, states: of :func:`known_boxes`.
        params: network, training, rate of false boxes.
        contract, name, seed, folder, stamp, loggers: see
            :func:`medanomaly.imaging.supervised.bundles.classifier_bundle`.

    Returns:
        A bundle of ``model.onnx`` (``image`` to ``heat`` and ``geometry``), ``weights.safetensors`` and ``calibration.npy``:
        the strongest box of one normal calibration image per patient, 0 without any. The manifest holds the threshold.

    Raises:
        ConfigurationError: fewer than five images with a box in train, no normal calibration image, or images whose
            contrast was changed.
    """
    from medanomaly.imaging.supervised.box_models import BoxDetector
    from medanomaly.imaging.supervised.bundles import check_contrast

    check_contrast(contract)
    train = rows_of(cases, states, "train", BOXES, NORMAL)
    with_boxes = int(states["state"].iloc[train].eq(BOXES).sum())
    if with_boxes < FEWEST_WITH_BOXES:
        raise ConfigurationError(
            f"{with_boxes} images with a box in train; '{name}' needs at least {FEWEST_WITH_BOXES}",
            remedy="Set split.anomalous_patients: split, so that anomalous patients are in every part, or bring more boxes.",
        )
    normals = rows_of(cases, states, "calibration", NORMAL)
    if not len(normals):
        raise ConfigurationError(
            "no normal image in calibration, so no threshold can be chosen",
            remedy="Bring normal images, or raise split.calibration.",
        )
    train_images, own = np.asarray(images[train]), boxes_in(boxes, train, params.one_label)
    model = BoxDetector(params.network, params.training, seed)
    patient = cases["patient_id"].to_numpy()
    model.fit(train_images, own, patient[train], folder=folder, loggers=loggers)
    exported = model.to_onnx()
    decoding = {"stride": STRIDE, "overlap": params.network.overlap, "most": params.network.most_boxes}
    found = _found(open_session(exported), np.asarray(images[normals]), contract, decoding)
    rate, most = params.false_boxes_per_image, params.network.most_boxes
    threshold = false_box_threshold(found, np.arange(len(normals)), patient[normals], rate, most)
    strongest = (
        found.groupby("image")["score"].max().reindex(np.arange(len(normals)), fill_value=0.0).to_numpy()
    )
    first = ~pd.Series(patient[normals]).duplicated().to_numpy()
    low, high = contract.range
    manifest = {
        "name": name,
        "modality": MODALITY,
        "kind": KIND,
        "population": "labelled",
        "outcome": "a lesion, with a box about it",
        "meaning": "probability that the middle of a lesion is here; not an anomaly score",
        "seed": seed,
        "options": params.model_dump(mode="json", exclude={"kind"}),
        "spec": model.spec(),
        "epochs": {"run": model.run_.epochs_run, "best": model.run_.best_epoch},
        "decoding": decoding,
        "box_threshold": {
            "score": threshold if math.isfinite(threshold) else None,
            "false_boxes_per_image": rate,
            "n_patients": int(first.sum()),
            "n_patients_needed": fewest_normals(rate, most),
        },
        "training_data": {
            "n_cases": len(train),
            "n_patients": int(pd.Series(patient[train]).nunique()),
            "n_positive": with_boxes,
            "n_boxes": len(own),
            "prevalence": with_boxes / len(train),
            "fingerprint": training_fingerprint(cases.iloc[train], train_images),
            "labelled": True,
        },
        "input_contract": {
            "image": f"one grey image, {contract.size} x {contract.size} px, float32 in [{low:g}, {high:g}]",
            "geometry": contract.geometry,
            "contrast": contract.contrast,
        },
        "contract": contract.model_dump(),
    }
    files = {
        "model.onnx": exported,
        "weights.safetensors": model.weights(),
        CALIBRATION: array_bytes(np.sort(strongest[first])),
    }
    return make_bundle(manifest | (stamp or {}), files)


def score_threshold(bundle: Bundle) -> float:
    """Score from which boxes are drawn; infinite where no score holds the asked rate of false boxes."""
    score = bundle.manifest["box_threshold"]["score"]
    return math.inf if score is None else float(score)


def _found(session, images: np.ndarray | ImageArray, contract: InputContract, decoding: dict) -> pd.DataFrame:
    """Boxes of images under the contract; their labels are numbers."""
    from medanomaly.imaging.image_scorer import onnx_outputs

    given = onnx_outputs(session, images, ["heat", "geometry"], contract)
    return boxes_of_heat(given["heat"], given["geometry"], **decoding)


class BoxScorer:
    """A bundle of :func:`box_bundle` that is ready to draw boxes. It needs no torch.

    Raises:
        BundleError: a bundle of another kind.
    """

    def __init__(self, bundle: Bundle):
        require_kind(bundle.manifest, (KIND,), "a detector of boxes")
        self.bundle, self.contract = bundle, InputContract(**bundle.manifest["contract"])
        self.labels = tuple(bundle.manifest["spec"]["labels"])
        self.threshold = score_threshold(bundle)
        self.calibration = bundle.array(CALIBRATION)
        self._session = open_session(bundle.files["model.onnx"])

    def score(self, images: np.ndarray | ImageArray) -> np.ndarray:
        """(n,) float64 score of the strongest box of each of (n, size, size) images, 0 without any."""
        strongest = self.boxes(images).groupby("image")["score"].max()
        return strongest.reindex(np.arange(len(images)), fill_value=0.0).to_numpy(dtype=np.float64)

    def boxes(self, images: np.ndarray | ImageArray) -> pd.DataFrame:
        """Boxes of images.

        Args:
            images: (n, size, size) images that keep the contract.

        Returns:
            ``image`` (row), ``label``, ``x0, y0, x1, y1`` in px, ``score``, ``p_value`` and ``drawn``; by image, the highest
            score first. ``p_value`` is the conformal p-value of the score among the strongest boxes of normal images: at
            most alpha of new normal images have a box with a p-value of alpha or less. ``drawn`` says that the score
            reaches the threshold, which holds the asked number of false boxes per normal image.
        """
        found = _found(self._session, images, self.contract, dict(self.bundle.manifest["decoding"]))
        score = found["score"].to_numpy()
        return found.assign(
            label=np.array(self.labels, dtype=object)[found["label"].to_numpy(dtype=np.int64)],
            p_value=p_values(score, self.calibration),
            drawn=score >= self.threshold,
        )


def box_reasons(scorer: BoxScorer, data: ModelInput, chosen: np.ndarray) -> pd.DataFrame:
    """The boxes of images as the reasons of their scores, in px of the original images where their sizes are known.

    Args:
        scorer: the detector.
        data: images, and ``width`` and ``height`` of their originals.
        chosen: positions of the images.

    Returns:
        Rows of :data:`medanomaly.core.models.EXPLANATION_COLUMNS`; the strongest box of an image first.
    """
    found = scorer.boxes(np.asarray(data.inputs[chosen]))
    if "width" in data.about:
        sizes = pd.DataFrame({side: np.asarray(data.about[side])[chosen] for side in ("width", "height")})
        found = on_originals(found, sizes, scorer.contract)
    case = data.cases["case_id"].to_numpy()[chosen]
    rows = [
        (
            case[box.image],
            scorer.bundle.manifest.name,
            f"{box.label}, x {box.x0:.0f} to {box.x1:.0f}, y {box.y0:.0f} to {box.y1:.0f} px",
            f"p = {box.p_value:.3g}" + (", drawn" if box.drawn else ""),
            "",
            np.nan,
            np.nan,
            box.score,
            False,
        )
        for box in found.itertuples()
    ]
    return pd.DataFrame(rows, columns=list(EXPLANATION_COLUMNS))
