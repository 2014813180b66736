"""How well do found boxes agree with true ones? Average precision, FROC, and false boxes on normal images, with intervals.

A found box is right where it overlaps a true box of the same label by ``overlap`` or more (intersection over union). Found
boxes choose in the order of their scores, each the free true box that it overlaps most, as COCO's evaluation does; a true
box that two found ones overlap counts once, and the second is false.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.evaluation.images.box_overlap import pairwise_iou
from medanomaly.evaluation.resampling.draws import patient_weights
from medanomaly.evaluation.resampling.intervals import percentile_interval
from medanomaly.evaluation.resampling.ratio_intervals import ratio_intervals

CORNERS = ["x0", "y0", "x1", "y1"]
OVERLAP = 0.5
COCO_OVERLAPS = tuple(np.round(np.arange(0.5, 1.0, 0.05), 2))
# false boxes per image at which a sensitivity is given (van Ginneken et al. 2010, and LUNA16)
FROC_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
RECALLS = np.linspace(0.0, 1.0, 101)
# resamples that are computed together, which limits the memory
RESAMPLES_PER_PASS = 50


@dataclass(frozen=True)
class Matched:
    """Found boxes held against true ones at one overlap.

    Attributes:
        score: (m,) of the found boxes, the highest first.
        hit: (m,) whether each found a true box.
        found_image: (m,) row of its image.
        found_label: (m,) number of its label.
        true_image: (k,) row of the image of each true box.
        true_label: (k,) number of its label.
        true_score: (k,) score of the box that found it, minus infinity where none did.
        patient: (n,) number of the patient of each image.
    """

    score: np.ndarray
    hit: np.ndarray
    found_image: np.ndarray
    found_label: np.ndarray
    true_image: np.ndarray
    true_label: np.ndarray
    true_score: np.ndarray
    patient: np.ndarray


def match(
    found: pd.DataFrame,
    true: pd.DataFrame,
    n_images: int,
    *,
    overlap: float = OVERLAP,
    patient: np.ndarray | None = None,
    counted: np.ndarray | None = None,
) -> Matched:
    """Hold found boxes against true ones.

    Args:
        found: ``image`` (row), ``label``, ``x0, y0, x1, y1``, ``score``.
        true: ``image``, ``label``, ``x0, y0, x1, y1``.
        n_images: images, those without any box included.
        overlap: least intersection over union of a right box.
        patient: (n_images,) whose images they are; None: each its own.
        counted: (true boxes,) those that are asked about, such as the large ones. The others are left out after the
            matching, with the found boxes that are right about them: these are neither right nor false.

    Raises:
        InputError: a box of an image that is not there, or a score that is not finite.
    """
    for name, table in (("found", found), ("true", true)):
        rows = table["image"].to_numpy()
        if len(rows) and (rows.min() < 0 or rows.max() >= n_images):
            raise InputError(
                f"a {name} box of an image that is not there", remedy=f"There are {n_images} images."
            )
    score = found["score"].to_numpy(dtype=np.float64)
    if not np.isfinite(score).all():
        raise InputError("a box whose score is not finite", source="found boxes")
    order = np.argsort(-score, kind="stable")
    score, found = score[order], found.iloc[order]
    label = pd.factorize(pd.concat([found["label"], true["label"]]), sort=True)[0]
    # boxes of one image and one label compete; each such pair is one cell of the arrays below
    image = np.concatenate([found["image"].to_numpy(), true["image"].to_numpy()]).astype(np.int64)
    cell = pd.factorize(image * (label.max(initial=0) + 1) + label)[0]
    of_found, of_true = cell[: len(found)], cell[len(found) :]
    rank_found, rank_true = (pd.Series(c).groupby(c).cumcount().to_numpy() for c in (of_found, of_true))
    n_cells = int(cell.max(initial=-1)) + 1
    boxes = [np.full((n_cells, int(rank.max(initial=-1)) + 1, 4), np.nan) for rank in (rank_found, rank_true)]
    boxes[0][of_found, rank_found] = found[CORNERS].to_numpy(dtype=np.float64)
    boxes[1][of_true, rank_true] = true[CORNERS].to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore"):
        common = np.nan_to_num(pairwise_iou(*boxes), nan=-1.0)
    which = _greedy(common, min(overlap, 1 - 1e-10))
    partner = which[of_found, rank_found]
    position = np.full(boxes[1].shape[:2], -1)
    position[of_true, rank_true] = np.arange(len(true))
    hit = partner >= 0
    right = position[of_found[hit], partner[hit]]
    true_score = np.full(len(true), -np.inf)
    true_score[right] = score[hit]
    groups = np.arange(n_images) if patient is None else pd.factorize(np.asarray(patient, dtype=object))[0]
    kept, asked = np.ones(len(found), dtype=bool), np.ones(len(true), dtype=bool)
    if counted is not None:
        asked = np.asarray(counted, dtype=bool)
        kept[np.flatnonzero(hit)[~asked[right]]] = False
    return Matched(
        score[kept], hit[kept], image[: len(found)][kept], label[: len(found)][kept],
        image[len(found) :][asked], label[len(found) :][asked], true_score[asked], groups,
    )  # fmt: skip


def _greedy(common: np.ndarray, least: float) -> np.ndarray:
    """(cells, found) position of the true box that each found box takes, -1 for none, of overlaps (cells, found, true)."""
    cells, n_found, n_true = common.shape
    taken, which = np.zeros((cells, n_true), dtype=bool), np.full((cells, n_found), -1)
    for rank in range(n_found if n_true else 0):
        free = np.where(taken, -1.0, common[:, rank])
        # the last of equal ones, as in COCO's evaluation
        best = n_true - 1 - free[:, ::-1].argmax(axis=1)
        right = np.flatnonzero(free[np.arange(cells), best] >= least)
        which[right, rank] = best[right]
        taken[right, best[right]] = True
    return which


def average_precision(matched: Matched, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean over labels of the average precision at 101 recalls, as COCO computes it.

    Args:
        matched: of :func:`match`.
        weights: (r, n) how often each image counts in each resample; None for once.

    Returns:
        (r,), NaN where a resample has no true box.
    """
    weights = np.ones((1, len(matched.patient))) if weights is None else np.asarray(weights, dtype=np.float64)
    values = []
    for label in np.unique(matched.true_label):
        mine = matched.found_label == label
        n_true = weights[:, matched.true_image[matched.true_label == label]].sum(axis=1)
        values.append(_of_one_label(matched.hit[mine], weights[:, matched.found_image[mine]], n_true))
    # a label that a resample has no box of is left out of the mean
    each = np.reshape(values, (-1, len(weights)))
    known = np.isfinite(each)
    total = np.where(known, each, 0.0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(len(weights), np.nan), where=known.any(axis=0))


def _of_one_label(hit: np.ndarray, weight: np.ndarray, n_true: np.ndarray) -> np.ndarray:
    """(r,) average precision of found boxes in the order of their scores, each counting ``weight`` (r, m) times."""
    right, all_found = np.cumsum(weight * hit, axis=1), np.cumsum(weight, axis=1)
    # a box that a resample leaves out stands where the one before it stands
    precision = np.divide(right, all_found, out=np.zeros_like(right), where=all_found > 0)
    best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best_from_here = np.concatenate([best_from_here, np.zeros((len(weight), 1))], axis=1)
    value = np.full(len(weight), np.nan)
    for row in np.flatnonzero(n_true > 0):
        place = np.searchsorted(right[row] / n_true[row], RECALLS, side="left")
        value[row] = best_from_here[row, place].mean()
    return value


def froc(
    matched: Matched, weights: np.ndarray | None = None, rates: tuple[float, ...] = FROC_RATES
) -> np.ndarray:
    """Share of true boxes that are found while at most so many false boxes per image are drawn.

    Args:
        matched: of :func:`match`.
        weights: (r, n) how often each image counts in each resample; None for once.
        rates: false boxes per image.

    Returns:
        (r, rates), NaN where a resample has no true box. The highest sensitivity that the rate allows is given, not a value
        between two thresholds.
    """
    weights = np.ones((1, len(matched.patient))) if weights is None else np.asarray(weights, dtype=np.float64)
    weight = weights[:, matched.found_image]
    per_image = np.cumsum(weight * ~matched.hit, axis=1) / weights.sum(axis=1, keepdims=True)
    n_true = weights[:, matched.true_image].sum(axis=1)
    right = np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weight * matched.hit, axis=1)], axis=1)
    # boxes of one score are drawn together or not at all
    last = (
        np.append(matched.score[1:] != matched.score[:-1], True)
        if matched.score.size
        else np.zeros(0, dtype=bool)
    )
    ends = np.flatnonzero(last)
    right, per_image = right[:, np.append(0, ends + 1)], per_image[:, ends]
    drawn = [
        right[row, np.searchsorted(per_image[row], np.asarray(rates) + 1e-12, side="right")]
        for row in range(len(weights))
    ]
    found = np.array(drawn).reshape(len(weights), len(rates))
    return np.divide(found, n_true[:, None], out=np.full(found.shape, np.nan), where=n_true[:, None] > 0)


def box_weights(matched: Matched, n_resamples: int, seed: int) -> np.ndarray:
    """(n_resamples, n) how often each image counts where patients are drawn with replacement."""
    drawn = patient_weights(seed, range(n_resamples), np.bincount(matched.patient))
    return drawn[:, matched.patient].astype(np.float64)


def false_boxes(found: pd.DataFrame, images: np.ndarray, threshold: float) -> np.ndarray:
    """(k,) boxes of at least ``threshold`` on each of the images (rows), which show nothing."""
    drawn = found.loc[found["score"].to_numpy() >= threshold, "image"]
    return drawn.value_counts().reindex(np.asarray(images), fill_value=0).to_numpy()


def detection_metrics(
    found: pd.DataFrame,
    true: pd.DataFrame,
    patient: np.ndarray,
    *,
    threshold: float,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What a detector of boxes is worth, with percentile intervals of a bootstrap over patients.

    Args:
        found, true: tables of boxes (:func:`match`).
        patient: (n,) patient of each image, those without a box included.
        threshold: boxes of at least this score are drawn.
        n_resamples, seed, confidence: of the bootstrap.

    Returns:
        ``metric, value, ci_low, ci_high``: ``ap50``, ``ap50_95`` (mean over overlaps of .5 to .95),
        ``sensitivity_at_<rate>`` (FROC), ``sensitivity`` at the threshold, ``precision`` there, and
        ``false_boxes_per_normal_image``.
    """
    at = {
        overlap: match(found, true, len(patient), overlap=overlap, patient=patient)
        for overlap in COCO_OVERLAPS
    }
    matched = at[OVERLAP]
    rows = _resampled(
        "ap50", lambda w: average_precision(matched, w)[:, None], matched, n_resamples, seed, confidence
    )
    rows += _resampled(
        "ap50_95",
        lambda w: np.mean([average_precision(m, w) for m in at.values()], axis=0)[:, None],
        matched,
        n_resamples,
        seed,
        confidence,
    )
    names = [f"sensitivity_at_{rate:g}" for rate in FROC_RATES]
    rows += _resampled(names, lambda w: froc(matched, w), matched, n_resamples, seed, confidence)
    n, drawn = len(patient), matched.score >= threshold
    shown = np.bincount(matched.true_image, minlength=n)
    right = np.bincount(matched.true_image[matched.true_score >= threshold], minlength=n)
    each = np.bincount(matched.found_image[drawn], minlength=n)
    normal = shown == 0
    value, low, high = ratio_intervals(
        np.column_stack([right, right, each * normal]).astype(np.float64),
        np.column_stack([shown, each, normal]).astype(np.float64),
        patient,
        n_resamples=n_resamples,
        seed=seed,
        confidence=confidence,
    )
    for place, name in enumerate(("sensitivity", "precision", "false_boxes_per_normal_image")):
        rows.append((name, value[place], low[place], high[place]))
    return pd.DataFrame(rows, columns=["metric", "value", "ci_low", "ci_high"])


def _resampled(
    names, figures, matched: Matched, n_resamples: int, seed: int, confidence: float
) -> list[tuple]:
    names = [names] if isinstance(names, str) else names
    value = figures(np.ones((1, len(matched.patient))))[0]
    weights = box_weights(matched, n_resamples, seed)
    passes = range(0, n_resamples, RESAMPLES_PER_PASS)
    drawn = np.concatenate([figures(weights[i : i + RESAMPLES_PER_PASS]) for i in passes])
    return [
        (n, v, *percentile_interval(d, confidence)) for n, v, d in zip(names, value, drawn.T, strict=True)
    ]
