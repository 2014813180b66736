"""What the page about supervised models of films shows: probabilities, Grad-CAM, outlines."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import reference_cases
from medanomaly.evaluation.calibration import reliability_table
from medanomaly.evaluation.metrics import evaluate
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.imaging.cam_check import cam_check
from medanomaly.imaging.film_array import FilmArray
from medanomaly.imaging.gradcam import grad_cam
from medanomaly.imaging.risk_models import FilmRiskScorer, with_outlines
from medanomaly.imaging.segmentation_metrics import outline, segmentation_metrics
from medanomaly.imaging.stratified_table import stratified_table
from medanomaly.imaging.supervised import ImageClassifier
from medanomaly.reporting import film_risk
from medanomaly.reporting.figures.images import film_grid, overlay
from medanomaly.reporting.risk import figures_of_merit, not_an_anomaly_score, risk_lead
from medanomaly.reporting.sections import Figure, Section
from medanomaly.reporting.wording import percent

SURE, WRONG, OUTLINED = 4, 3, 6
NORMALS = 200
TRUE, FOUND = (0.25, 0.85, 0.45), (1.0, 0.55, 0.1)


def film_risk_page(
    films: FilmArray,
    aspect: np.ndarray,
    cases: pd.DataFrame,
    masks: dict[str, np.ndarray],
    bundle: Bundle,
    segmenter: Bundle | None,
    settings: EvaluationParams,
    *,
    scores: pd.DataFrame,
    probabilities: pd.DataFrame,
    beside: pd.DataFrame,
    metrics: pd.DataFrame,
    comparisons: pd.DataFrame,
) -> tuple[str, list[Section]]:
    """The finding in one sentence, and the sections in order.

    Args:
        films: (n, size, size); aspect: (n,) width over height; cases: case table of n rows.
        masks: ``masks`` and ``rows`` of the films that came with one.
        bundle: of the classifier; segmenter: of the segmenter, if there is one.
        settings: of the evaluation.
        scores, probabilities, beside: of the classifier, and score table of LBE and the controls.
        metrics, comparisons: of the classifier, and of all of them.
    """
    best = bundle.manifest["name"]
    whole = cases[["case_id", "patient_id", "label", "kind", "split"]]
    other = evaluate(whole, beside, "imaging", settings)
    joined = probabilities.merge(cases.loc[cases["label"].notna(), ["case_id", "label"]], on="case_id")
    reliability = reliability_table(
        joined["probability"].to_numpy(), joined["label"].eq(1).to_numpy(dtype=bool)
    ).assign(model=best)
    together = pd.concat([scores, beside], ignore_index=True)
    model = ImageClassifier.from_weights(bundle.manifest["spec"], bundle.files["weights.safetensors"])
    sections = [
        not_an_anomaly_score(metrics, other, comparisons, best, "an anomalous film", "film"),
        figures_of_merit(metrics, reliability, "film", "calibration films"),
        film_risk.kinds_section(metrics, stratified_table(cases, together, aspect, settings.seed), best),
        _cam_section(films, cases, scores, model, settings.seed),
        _outline_section(films, cases, masks, segmenter, settings),
    ]
    return risk_lead(metrics, other, "film"), sections


def _cam_section(
    films: FilmArray, cases: pd.DataFrame, scores: pd.DataFrame, model: ImageClassifier, seed: int
) -> Section:
    row = pd.Series(np.arange(len(cases)), index=cases["case_id"])
    ranked = cases.merge(scores, on="case_id", validate="one_to_one").sort_values(
        "score", ascending=False, kind="stable"
    )
    flagged = ranked["flagged"].fillna(False).astype(bool)
    normal, abnormal = (ranked["label"].eq(v).fillna(False).astype(bool) for v in (0, 1))
    groups = (
        ("highest probability", ranked.head(SURE)),
        ("normal, flagged", ranked[normal & flagged].head(WRONG)),
        ("abnormal, not flagged", ranked[abnormal & ~flagged].tail(WRONG).iloc[::-1]),
    )
    rows, labels = [], []
    for what, chosen in groups:
        for case in chosen.itertuples():
            film = films[[row[case.case_id]]]
            rows.append([film[0], overlay(film[0], grad_cam(model, film)[0], 0.2, 1.0)])
            labels.append(f"{what}\n{film_risk.shown_kind(case)}, {percent(case.score)}")
    figure = Figure(
        "What speaks for an anomaly",
        "Colour: Grad-CAM (Selvaraju et al. 2017), each film scaled to its own maximum; it says where, not how much.",
        film_grid(
            rows, ["film", "Grad-CAM"], labels, f"{len(rows)} test films with what speaks for an anomaly."
        ),
    )
    ill = np.flatnonzero((cases["split"].eq("test") & cases["label"].eq(1)).fillna(False).to_numpy(bool))
    healthy = np.flatnonzero(reference_cases(cases, "calibration").to_numpy())[:NORMALS]
    order = np.random.default_rng(seed).permutation(ill)
    check = cam_check(model, films[order], films[healthy], seed) if len(ill) else None
    return film_risk.cam_section(figure, check)


def _outline_section(
    films: FilmArray,
    cases: pd.DataFrame,
    masks: dict[str, np.ndarray],
    segmenter: Bundle | None,
    settings: EvaluationParams,
) -> Section:
    if segmenter is None:
        return film_risk.no_outlines_section()
    rows, true = with_outlines(cases, masks["masks"], masks["rows"], "test")
    found = FilmRiskScorer(segmenter).outlines(films[rows])
    shown = true.any(axis=(1, 2))
    patient = cases["patient_id"].to_numpy()[rows]
    table = film_risk.outline_table(
        segmentation_metrics(found[shown], true[shown]),
        patient[shown],
        found[~shown].any(axis=(1, 2)),
        patient[~shown],
        settings,
    )
    first = np.flatnonzero(shown)[:OUTLINED]
    tiles = [
        [film, _drawn(film, mask, TRUE), _drawn(film, guess, FOUND)]
        for film, mask, guess in zip(films[rows[first]], true[first], found[first], strict=True)
    ]
    labels = [film_risk.shown_kind(case) for case in cases.iloc[rows[first]].itertuples()]
    figure = Figure(
        "Outlines",
        "Green: the mask that the film came with. Orange: what the segmenter outlines.",
        film_grid(
            tiles,
            ["film", "mask", "outlined"],
            labels,
            f"{len(tiles)} test films with true and found outlines.",
        ),
    )
    return film_risk.outline_section(
        table, segmenter.manifest["outline_threshold"], [figure] if tiles else []
    )


def _drawn(film: np.ndarray, mask: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    tile = np.repeat(np.clip(film, 0, 1)[..., None], 3, axis=2)
    tile[outline(mask)] = colour
    return tile
