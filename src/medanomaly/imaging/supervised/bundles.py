"""Supervised image models as bundles: the probability of the label, and outlines like those of the masks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, make_bundle
from medanomaly.core.calibrated_bundle import training_fingerprint
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.manifest import require_kind
from medanomaly.core.models import ModelParams
from medanomaly.core.onnx_session import open_session
from medanomaly.core.scores import table_without_p_values
from medanomaly.core.thresholds import ThresholdParams, choose_threshold, flag_rates
from medanomaly.imaging.networks.classifier.params import ClassifierParams
from medanomaly.imaging.networks.segmenter.params import SegmenterParams
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.training.params import TrainingParams

# its own name, so that a scorer of anomalies refuses the bundle and tables of the two are never mixed
MODALITY = "imaging_risk"
KINDS = ("image_classifier", "image_segmenter")
FEWEST_OF_A_LABEL, FEWEST_MASKS = 5, 5


class ImageRiskParams(ModelParams):
    """A classifier of images, its training, and its threshold.

    Attributes:
        network: architecture, local weights if any, calibration.
        training: how it is trained.
        threshold: how to choose the threshold on calibration images.
    """

    network: ClassifierParams = ClassifierParams()
    training: TrainingParams = TrainingParams()
    threshold: ThresholdParams = ThresholdParams()


class ImageSegmenterParams(ModelParams):
    """A segmenter of images and its training."""

    network: SegmenterParams = SegmenterParams()
    training: TrainingParams = TrainingParams()


def labelled_rows(cases: pd.DataFrame, part: str) -> np.ndarray:
    """Row numbers of the labelled images of a part.

    Raises:
        ConfigurationError: fewer than five of one label.
    """
    rows = np.flatnonzero((cases["split"].eq(part) & cases["label"].notna()).to_numpy(dtype=bool))
    positive = int(cases["label"].iloc[rows].eq(1).sum())
    for what, n in (("normal", len(rows) - positive), ("anomalous", positive)):
        if n < FEWEST_OF_A_LABEL:
            raise ConfigurationError(
                f"{n} {what} images in {part}; a classifier needs at least {FEWEST_OF_A_LABEL} there",
                remedy="Set split.anomalous_patients: split, so that anomalous patients are in every "
                f"part, raise split.{part}, or bring more labelled images.",
            )
    return rows


def classifier_bundle(
    images: np.ndarray | ImageArray,
    cases: pd.DataFrame,
    params: ImageRiskParams,
    contract: InputContract,
    *,
    name: str,
    seed: int,
    folder: Path | None = None,
    stamp: dict | None = None,
    loggers: Sequence = (),
) -> Bundle:
    """Train a classifier on the labelled images of train; calibrate it and choose its threshold on those of calibration.

    Args:
        images: (n, size, size) float32 in [0, 1], row i is case i.
        cases: case table of n rows.
        params: network, training, threshold.
        contract: what the images were brought under.
        name: the model's name.
        seed: of weights, order and augmentation.
        folder: for checkpoints; an interrupted training continues from there.
        stamp: data set, version, time, libraries.
        loggers: for Lightning.

    Returns:
        A bundle of ``model.onnx`` (``image`` to the calibrated probability ``score``) and ``weights.safetensors``. The
        manifest holds the threshold and the shares of calibration images that it flags.

    Raises:
        ConfigurationError: too few images of a label in train or calibration, or images whose contrast was changed.
    """
    from medanomaly.imaging.image_scorer import onnx_outputs
    from medanomaly.imaging.supervised.models import ImageClassifier

    check_contrast(contract)
    train, calibration = labelled_rows(cases, "train"), labelled_rows(cases, "calibration")
    label = cases["label"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    train_images = np.asarray(images[train])
    model = ImageClassifier(params.network, params.training, seed)
    model.fit(
        train_images, label[train], cases["patient_id"].to_numpy()[train], folder=folder, loggers=loggers
    ).calibrate(np.asarray(images[calibration]), label[calibration])
    exported = model.to_onnx()
    probability = onnx_outputs(open_session(exported), _Rows(images, calibration), ["score"], contract)[
        "score"
    ]
    threshold = choose_threshold(probability, label[calibration], params.threshold)
    head = model.head_
    manifest = _manifest(name, "image_classifier", cases, train, train_images, contract, seed) | {
        "meaning": "probability of label 1, calibrated on calibration images; not an anomaly score",
        "options": params.model_dump(mode="json", exclude={"kind"}),
        "spec": model.spec(),
        "epochs": {"run": model.run_.epochs_run, "best": model.run_.best_epoch},
        "calibration": {
            "name": params.network.calibration,
            "slope": float(head.slope),
            "offset": float(head.offset),
            "n_cases": len(calibration),
        },
        "risk_threshold": {
            "probability": threshold,
            "calibration": flag_rates(probability, label[calibration], threshold),
        },
    }
    return make_bundle(
        manifest | (stamp or {}), {"model.onnx": exported, "weights.safetensors": model.weights()}
    )


def segmenter_bundle(
    images: np.ndarray | ImageArray,
    cases: pd.DataFrame,
    masks: np.ndarray,
    rows: np.ndarray,
    params: ImageSegmenterParams,
    contract: InputContract,
    *,
    name: str,
    seed: int,
    folder: Path | None = None,
    stamp: dict | None = None,
    loggers: Sequence = (),
) -> Bundle:
    """Train a segmenter on the train images with a mask, and on the normal ones, which have nothing to outline.

    Args:
        masks: (k, size, size) bool; rows: (k,) row numbers of their cases.
        images, cases, contract, seed, folder, stamp, loggers: see :func:`classifier_bundle`.
        params: network and training.

    Returns:
        A bundle of ``model.onnx`` (``image`` to ``probability`` (n, size, size)) and ``weights.safetensors``, and the
        threshold of best Dice on calibration images in the manifest.

    Raises:
        ConfigurationError: too few masks (:func:`enough_masks`), or images whose contrast was changed.
    """
    from medanomaly.imaging.image_scorer import onnx_outputs
    from medanomaly.imaging.supervised.models import ImageSegmenter

    check_contrast(contract)
    if not enough_masks(cases, masks, rows):
        raise ConfigurationError(
            f"a segmenter needs at least {FEWEST_MASKS} images with a mask in train and in calibration",
            remedy="Bring masks (mask_column of the images' table), or leave the segmenter out.",
        )
    train, drawn = with_outlines(cases, masks, rows, "train")
    train_images = np.asarray(images[train])
    model = ImageSegmenter(params.network, params.training, seed)
    model.fit(
        train_images,
        drawn.astype(np.float32),
        cases["patient_id"].to_numpy()[train],
        folder=folder,
        loggers=loggers,
    )
    exported = model.to_onnx()
    held_out, true = with_outlines(cases, masks, rows, "calibration")
    outputs = onnx_outputs(open_session(exported), _Rows(images, held_out), ["probability"], contract)
    probability = outputs["probability"]
    manifest = _manifest(name, "image_segmenter", cases, train, train_images, contract, seed) | {
        "meaning": "probability that a pixel lies inside what the masks outline",
        "options": params.model_dump(mode="json", exclude={"kind"}),
        "spec": model.spec(),
        "epochs": {"run": model.run_.epochs_run, "best": model.run_.best_epoch},
        "outline_threshold": best_dice_threshold(probability, true),
    }
    return make_bundle(
        manifest | (stamp or {}), {"model.onnx": exported, "weights.safetensors": model.weights()}
    )


def enough_masks(cases: pd.DataFrame, masks: np.ndarray, rows: np.ndarray) -> bool:
    """Whether train and calibration have five or more images with a mask that is not empty.

    Args:
        cases: case table; masks: (k, size, size) bool; rows: (k,) row numbers of their cases.
    """
    shown = masks.any(axis=(1, 2)) if len(masks) else np.zeros(0, dtype=bool)
    counts = cases["split"].iloc[rows[shown]].value_counts()
    return min(counts.get(part, 0) for part in ("train", "calibration")) >= FEWEST_MASKS


def with_outlines(
    cases: pd.DataFrame, masks: np.ndarray, rows: np.ndarray, part: str
) -> tuple[np.ndarray, np.ndarray]:
    """Images of a part for which the true outline is known.

    Returns:
        ``(rows, masks)``: images with a mask, and normal images with an empty mask, in the order of the case table. An
        anomalous image without a mask is left out, because its outline is not known.
    """
    inside = cases["split"].eq(part).to_numpy()
    masked = np.zeros(len(cases), dtype=bool)
    masked[rows] = True
    chosen = np.flatnonzero(inside & (masked | cases["label"].eq(0).fillna(False).to_numpy(dtype=bool)))
    place = np.full(len(cases), -1)
    place[rows] = np.arange(len(rows))
    drawn = np.zeros((len(chosen), *masks.shape[1:]), dtype=bool)
    has = place[chosen] >= 0
    drawn[has] = masks[place[chosen[has]]]
    return chosen, drawn


def best_dice_threshold(probability: np.ndarray, true: np.ndarray) -> float:
    """The threshold among 0.05, 0.10 .. 0.95 with the highest Dice over all pixels of (n, H, W) images."""
    levels = np.round(np.arange(0.05, 1.0, 0.05), 2)
    dice = []
    for level in levels:
        found = probability >= level
        dice.append(2 * (found & true).sum() / max(found.sum() + true.sum(), 1))
    return float(levels[int(np.argmax(dice))])


class ImageRiskScorer:
    """A bundle of :func:`classifier_bundle` or :func:`segmenter_bundle` that is ready to score.

    Raises:
        BundleError: a bundle of another modality.
    """

    def __init__(self, bundle: Bundle):
        require_kind(bundle.manifest, KINDS, "a model of images that learned from labels")
        self.bundle, self.contract = bundle, InputContract(**bundle.manifest["contract"])
        self._session = open_session(bundle.files["model.onnx"])

    def _outputs(self, images: np.ndarray | ImageArray, name: str) -> np.ndarray:
        from medanomaly.imaging.image_scorer import onnx_outputs

        return onnx_outputs(self._session, images, [name], self.contract)[name]

    def probability(self, images: np.ndarray | ImageArray) -> np.ndarray:
        """(n,) float64 probability of the label of (n, size, size) images that keep the contract."""
        return self._outputs(images, "score").astype(np.float64)

    def outlines(self, images: np.ndarray | ImageArray) -> np.ndarray:
        """(n, size, size) bool: True inside what the segmenter outlines."""
        return self._outputs(images, "probability") >= self.bundle.manifest["outline_threshold"]


class _Rows:
    """Some rows of images, read slice by slice."""

    def __init__(self, images: np.ndarray | ImageArray, rows: np.ndarray):
        self._images, self._rows = images, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, wanted: slice) -> np.ndarray:
        return self._images[self._rows[wanted]]


def check_contrast(contract: InputContract) -> None:
    """A supervised network normalises contrast itself.

    Raises:
        ConfigurationError: the contrast of the images was changed.
    """
    if contract.contrast != "none":
        raise ConfigurationError(
            f"images with contrast '{contract.contrast}'",
            remedy="Set imaging_processing.contract.contrast to none: each network normalises contrast itself.",
        )


def _manifest(
    name: str,
    kind: str,
    cases: pd.DataFrame,
    train: np.ndarray,
    images: np.ndarray,
    contract: InputContract,
    seed: int,
) -> dict:
    inside = cases.iloc[train]
    low, high = contract.range
    return {
        "name": name,
        "modality": MODALITY,
        "kind": kind,
        "population": "labelled",
        "outcome": "an anomalous image",
        "seed": seed,
        "training_data": {
            "n_cases": len(train),
            "n_patients": int(inside["patient_id"].nunique()),
            "n_positive": int(inside["label"].eq(1).sum()),
            "prevalence": float(inside["label"].eq(1).mean()),
            "fingerprint": training_fingerprint(inside, images),
            "labelled": True,
        },
        "input_contract": {
            "image": f"one grey image, {contract.size} x {contract.size} px, float32 in [{low:g}, {high:g}]",
            "geometry": contract.geometry,
            "contrast": contract.contrast,
        },
        "contract": contract.model_dump(),
    }


def risk_tables(
    scorer: ImageRiskScorer, images: np.ndarray | ImageArray, cases: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Probabilities and score table of the test images. The model has seen all other images.

    Returns:
        ``(probabilities, scores)``: ``case_id, model, probability``, and a score table whose score is the probability and
        whose flag says that it reaches the threshold. p-values are NA, because a risk has none.
    """
    test = np.flatnonzero(cases["split"].eq("test").to_numpy(dtype=bool))
    bundle = scorer.bundle
    probability = scorer.probability(_Rows(images, test))
    table = pd.DataFrame(
        {
            "case_id": cases["case_id"].iloc[test].reset_index(drop=True),
            "model": pd.array([bundle.manifest.name] * len(test), dtype="string"),
            "probability": probability,
        }
    )
    threshold = bundle.manifest["risk_threshold"]["probability"]
    flagged = pd.Series(probability >= threshold)
    return table, table_without_p_values(table["case_id"], probability, bundle.manifest.name, flagged)
