"""Supervised models of films as bundles: the probability of the label, and outlines of what masks outline."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from medanomaly.core.bundle import Bundle, make_bundle
from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.core.onnx_session import open_session
from medanomaly.core.sealing import training_fingerprint
from medanomaly.core.thresholds import ThresholdParams, choose_threshold, flag_rates
from medanomaly.imaging.networks.params import ClassifierParams, SegmenterParams
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.image_array import FilmArray
from medanomaly.training.params import TrainingParams

# a name of its own: a scorer of anomalies refuses the bundle, and tables of the two are never mixed
MODALITY = "imaging_risk"
CLASSIFIER, SEGMENTER = "classifier", "segmenter"
FEWEST_OF_A_LABEL, FEWEST_MASKS = 5, 5


class FilmRiskParams(BaseModel):
    """A classifier of films, its training, and its threshold.

    Attributes:
        network: architecture, local weights if any, calibration.
        training: how it is trained.
        threshold: how the threshold is chosen on calibration films.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: ClassifierParams = ClassifierParams()
    training: TrainingParams = TrainingParams()
    threshold: ThresholdParams = ThresholdParams()


class FilmSegmenterParams(BaseModel):
    """A segmenter of films and its training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: SegmenterParams = SegmenterParams()
    training: TrainingParams = TrainingParams()


def labelled_rows(cases: pd.DataFrame, part: str) -> np.ndarray:
    """Row numbers of the films of a part whose label is known.

    Raises:
        ConfigurationError: fewer than five of one label.
    """
    rows = np.flatnonzero((cases["split"].eq(part) & cases["label"].notna()).to_numpy(dtype=bool))
    positive = int(cases["label"].iloc[rows].eq(1).sum())
    for what, n in (("normal", len(rows) - positive), ("anomalous", positive)):
        if n < FEWEST_OF_A_LABEL:
            raise ConfigurationError(
                f"{n} {what} films in {part}; a classifier needs at least {FEWEST_OF_A_LABEL} there",
                remedy="Set data_processing.split.anomalous_patients: split, so that anomalous patients stand in every "
                f"part, raise data_processing.split.{part}, or bring more labelled films.",
            )
    return rows


def classifier_bundle(
    images: np.ndarray | FilmArray,
    cases: pd.DataFrame,
    params: FilmRiskParams,
    contract: InputContract,
    *,
    seed: int,
    folder: Path | None = None,
    stamp: dict | None = None,
    loggers: Sequence = (),
) -> Bundle:
    """Train a classifier on the labelled films of train, calibrate it and choose its threshold on those of calibration.

    Args:
        images: (n, size, size) float32 in [0, 1], row i is case i.
        cases: case table of n rows.
        params: network, training, threshold.
        contract: what the images were brought under.
        seed: of weights, order and augmentation.
        folder: where checkpoints go, and from where an interrupted training goes on.
        stamp: data set, version, time, libraries.
        loggers: Lightning's.

    Returns:
        A bundle of ``model.onnx`` (``image`` to the calibrated probability ``score``) and ``weights.safetensors``; the
        threshold, and what it does to calibration films, are in the manifest.

    Raises:
        ConfigurationError: too few films of a label in train or calibration, or images with a contrast of their own.
    """
    from medanomaly.imaging.image_scorer import onnx_outputs
    from medanomaly.imaging.supervised.models import ImageClassifier

    _check_contrast(contract)
    train, calibration = labelled_rows(cases, "train"), labelled_rows(cases, "calibration")
    label = cases["label"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    films = np.asarray(images[train])
    model = ImageClassifier(params.network, params.training, seed)
    model.fit(
        films, label[train], cases["patient_id"].to_numpy()[train], folder=folder, loggers=loggers
    ).calibrate(np.asarray(images[calibration]), label[calibration])
    exported = model.to_onnx()
    probability = onnx_outputs(open_session(exported), _Rows(images, calibration), ["score"], contract)[
        "score"
    ]
    threshold = choose_threshold(probability, label[calibration], params.threshold)
    scorer = model.scorer_
    manifest = _manifest(CLASSIFIER, cases, train, films, contract, seed) | {
        "meaning": "probability of label 1, calibrated on calibration films; not an anomaly score",
        "options": params.model_dump(mode="json"),
        "spec": model.spec(),
        "epochs": {"run": model.run_.epochs_run, "best": model.run_.best_epoch},
        "calibration": {
            "name": params.network.calibration,
            "slope": float(scorer.slope),
            "offset": float(scorer.offset),
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
    images: np.ndarray | FilmArray,
    cases: pd.DataFrame,
    masks: np.ndarray,
    rows: np.ndarray,
    params: FilmSegmenterParams,
    contract: InputContract,
    *,
    seed: int,
    folder: Path | None = None,
    stamp: dict | None = None,
    loggers: Sequence = (),
) -> Bundle:
    """Train a segmenter on train films: those that came with a mask, and normal ones, on which there is nothing.

    Args:
        masks: (k, size, size) bool; rows: (k,) whose they are.
        images, cases, contract, seed, folder, stamp, loggers: as of :func:`classifier_bundle`.
        params: network and training.

    Returns:
        A bundle of ``model.onnx`` (``image`` to ``probability`` (n, size, size)) and ``weights.safetensors``, with the
        threshold of best Dice on calibration films in the manifest.

    Raises:
        ConfigurationError: too few masks (:func:`enough_masks`), or images with a contrast of their own.
    """
    from medanomaly.imaging.image_scorer import onnx_outputs
    from medanomaly.imaging.supervised.models import ImageSegmenter

    _check_contrast(contract)
    if not enough_masks(cases, masks, rows):
        raise ConfigurationError(
            f"a segmenter needs at least {FEWEST_MASKS} films with a mask in train and in calibration",
            remedy="Bring masks (mask_column of the images' table), or leave the segmenter out.",
        )
    train, drawn = with_outlines(cases, masks, rows, "train")
    films = np.asarray(images[train])
    model = ImageSegmenter(params.network, params.training, seed)
    model.fit(
        films,
        drawn.astype(np.float32),
        cases["patient_id"].to_numpy()[train],
        folder=folder,
        loggers=loggers,
    )
    exported = model.to_onnx()
    held_out, true = with_outlines(cases, masks, rows, "calibration")
    outputs = onnx_outputs(open_session(exported), _Rows(images, held_out), ["probability"], contract)
    probability = outputs["probability"]
    manifest = _manifest(SEGMENTER, cases, train, films, contract, seed) | {
        "meaning": "probability that a pixel lies inside what the masks outline",
        "options": params.model_dump(mode="json"),
        "spec": model.spec(),
        "epochs": {"run": model.run_.epochs_run, "best": model.run_.best_epoch},
        "outline_threshold": best_dice_threshold(probability, true),
    }
    return make_bundle(
        manifest | (stamp or {}), {"model.onnx": exported, "weights.safetensors": model.weights()}
    )


def enough_masks(cases: pd.DataFrame, masks: np.ndarray, rows: np.ndarray) -> bool:
    """Whether five films or more of train, and of calibration, came with a mask that outlines something.

    Args:
        cases: case table; masks: (k, size, size) bool; rows: (k,) whose they are.
    """
    shown = masks.any(axis=(1, 2)) if len(masks) else np.zeros(0, dtype=bool)
    counts = cases["split"].iloc[rows[shown]].value_counts()
    return min(counts.get(part, 0) for part in ("train", "calibration")) >= FEWEST_MASKS


def with_outlines(
    cases: pd.DataFrame, masks: np.ndarray, rows: np.ndarray, part: str
) -> tuple[np.ndarray, np.ndarray]:
    """Films of a part of which it is known what there is to outline.

    Returns:
        ``(rows, masks)``: films with a mask and normal films, whose mask is empty, in the order of the case table. An
        anomalous film without a mask is left out: what is on it is not known.
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
    """Of 0.05, 0.10 .. 0.95 the one with the highest Dice over all pixels of (n, H, W) films together."""
    levels = np.round(np.arange(0.05, 1.0, 0.05), 2)
    dice = []
    for level in levels:
        found = probability >= level
        dice.append(2 * (found & true).sum() / max(found.sum() + true.sum(), 1))
    return float(levels[int(np.argmax(dice))])


class FilmRiskScorer:
    """A bundle of :func:`classifier_bundle` or :func:`segmenter_bundle` made ready: contract and ONNX session.

    Raises:
        BundleError: a bundle of another modality.
    """

    def __init__(self, bundle: Bundle):
        if bundle.manifest.get("modality") != MODALITY:
            raise BundleError(
                f"this bundle is of modality '{bundle.manifest.get('modality')}'",
                remedy=f"Expected one of '{MODALITY}'.",
            )
        self.bundle, self.contract = bundle, InputContract(**bundle.manifest["contract"])
        self._session = open_session(bundle.files["model.onnx"])

    def _outputs(self, images: np.ndarray | FilmArray, name: str) -> np.ndarray:
        from medanomaly.imaging.image_scorer import onnx_outputs

        return onnx_outputs(self._session, images, [name], self.contract)[name]

    def probability(self, images: np.ndarray | FilmArray) -> np.ndarray:
        """(n,) float64 probability of the label of (n, size, size) films under the contract."""
        return self._outputs(images, "score").astype(np.float64)

    def outlines(self, images: np.ndarray | FilmArray) -> np.ndarray:
        """(n, size, size) bool: what the segmenter outlines."""
        return self._outputs(images, "probability") >= self.bundle.manifest["outline_threshold"]


class _Rows:
    """Some rows of images, read a slice at a time."""

    def __init__(self, images: np.ndarray | FilmArray, rows: np.ndarray):
        self._images, self._rows = images, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, wanted: slice) -> np.ndarray:
        return self._images[self._rows[wanted]]


def _check_contrast(contract: InputContract) -> None:
    if contract.contrast != "none":
        raise ConfigurationError(
            f"images with contrast '{contract.contrast}'",
            remedy="Set imaging_processing.contract.contrast to none: each network has a contrast of its own.",
        )


def _manifest(
    name: str, cases: pd.DataFrame, train: np.ndarray, films: np.ndarray, contract: InputContract, seed: int
) -> dict:
    inside = cases.iloc[train]
    low, high = contract.range
    return {
        "name": name,
        "modality": MODALITY,
        "detector": name,
        "population": "labelled",
        "outcome": "an anomalous film",
        "seed": seed,
        "training_data": {
            "n_cases": len(train),
            "n_patients": int(inside["patient_id"].nunique()),
            "n_positive": int(inside["label"].eq(1).sum()),
            "prevalence": float(inside["label"].eq(1).mean()),
            "fingerprint": training_fingerprint(inside, films),
            "labelled": True,
        },
        "input_contract": {
            "image": f"one grey film, {contract.size} x {contract.size} px, float32 in [{low:g}, {high:g}]",
            "geometry": contract.geometry,
            "contrast": contract.contrast,
        },
        "contract": contract.model_dump(),
    }


def risk_tables(
    bundle: Bundle, images: np.ndarray | FilmArray, cases: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Probabilities and score table of the test films; the model has seen all others.

    Returns:
        ``(probabilities, scores)``: ``case_id, model, probability``, and a score table whose score is the probability and
        whose flag says that it reaches the threshold. p-values are NA: a risk has none.
    """
    test = np.flatnonzero(cases["split"].eq("test").to_numpy(dtype=bool))
    scorer = FilmRiskScorer(bundle)
    probability = scorer.probability(_Rows(images, test))
    table = pd.DataFrame(
        {
            "case_id": cases["case_id"].iloc[test].reset_index(drop=True),
            "model": pd.array([bundle.manifest["name"]] * len(test), dtype="string"),
            "probability": probability,
        }
    )
    threshold = bundle.manifest["risk_threshold"]["probability"]
    scores = pd.DataFrame(
        {
            "case_id": table["case_id"],
            "model": table["model"],
            "score": probability,
            "p_value": np.nan,
            "flagged": pd.array(probability >= threshold, dtype="boolean"),
        }
    )
    return table, scores
