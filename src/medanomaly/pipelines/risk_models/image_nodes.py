"""Nodes of the supervised models of films: training, probabilities, and what they are held against."""

from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, make_bundle
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.imaging.image_models import LBEParams
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.imaging.sources.image_cases import ImageParams
from medanomaly.imaging.supervised.bundles import ImageRiskParams, ImageSegmenterParams
from medanomaly.parameters import AlarmParams, RunParams, judged_as_flagged
from medanomaly.pipelines.model_steps import scored
from medanomaly.pipelines.provenance import bundle_stamp
from medanomaly.tracking.params import TrackingParams

# what a classifier has to beat without looking at the lungs
CONTROLS = ("aspect ratio", "mean intensity", "sharpness")
AT_ONCE = 1024


def fit_classifier(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    params: ImageRiskParams,
    image_params: ImageParams,
    run: RunParams,
    tracking: TrackingParams,
) -> Bundle:
    """Train, calibrate and choose the threshold on labelled films outside test."""
    from medanomaly.imaging.supervised.bundles import classifier_bundle

    data = ImageArray(images, manifest["row"]), cases
    return _fitted(classifier_bundle, data, params, image_params, run, tracking)


def fit_segmenter(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    masks: dict[str, np.ndarray],
    params: ImageSegmenterParams,
    image_params: ImageParams,
    run: RunParams,
    tracking: TrackingParams,
) -> dict[str, Bundle]:
    """Train where there are masks; an empty dictionary where there are none."""
    from medanomaly.imaging.supervised.bundles import enough_masks, segmenter_bundle

    known = cases, masks["masks"], masks["rows"]
    if not enough_masks(*known):
        return {}
    data = ImageArray(images, manifest["row"]), *known
    return {"segmenter": _fitted(segmenter_bundle, data, params, image_params, run, tracking)}


def _fitted(train, data, params, image_params, run, tracking) -> Bundle:
    from medanomaly.reporting.imaging.risk import film_risk_card
    from medanomaly.tracking.wandb_runs import training_loggers

    name = params.network.network
    about = {"name": name, "group": run.dataset, "job_type": "training"}
    with training_loggers(tracking.wandb, **about, config=params.model_dump(mode="json")) as loggers:
        bundle = train(
            *data,
            params,
            image_params.contract,
            seed=run.seed,
            folder=Path(run.checkpoints) / "imaging_risk" / name if run.checkpoints else None,
            stamp=bundle_stamp(run.dataset),
            loggers=loggers,
        )
    return make_bundle(bundle.manifest, bundle.files | {"card.md": film_risk_card(bundle.manifest).encode()})


def predict_films(
    images: np.ndarray, manifest: pd.DataFrame, cases: pd.DataFrame, bundle: Bundle
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Probabilities and score table of the test films."""
    from medanomaly.imaging.supervised.bundles import risk_tables

    return risk_tables(bundle, ImageArray(images, manifest["row"]), cases)


def score_beside(
    images: np.ndarray, manifest: pd.DataFrame, cases: pd.DataFrame, params: LBEParams, alarm: AlarmParams
) -> pd.DataFrame:
    """Score table of LBE and of what needs no model, to be held against the risk; fitted as in imaging_models."""
    from medanomaly.core.cases import reference_cases
    from medanomaly.core.scores import BASELINE, MODEL
    from medanomaly.imaging.baselines import baselines
    from medanomaly.imaging.image_models import fitted_lbe

    films, aspect = ImageArray(images, manifest["row"]), manifest["aspect"].to_numpy()
    normal = np.flatnonzero(reference_cases(cases, "train").to_numpy())
    lbe = fitted_lbe(films[normal], cases["patient_id"].to_numpy()[normal], params)
    views = {"lbe": (lambda x, _: lbe.score(x), MODEL)}
    views |= {name: (baselines()[name].score, BASELINE) for name in CONTROLS}
    starts = range(0, len(films), AT_ONCE)
    tables = []
    for name, (view, role) in views.items():
        parts = [view(films[i : i + AT_ONCE], aspect[i : i + AT_ONCE]) for i in starts]
        tables.append(scored(cases, np.concatenate(parts), name, alarm, role))
    return pd.concat(tables, ignore_index=True)


def measure_films(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    probabilities: pd.DataFrame,
    beside: pd.DataFrame,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics, with brier and ece, and paired differences from the scores beside."""
    from medanomaly.evaluation.comparison import compare_models
    from medanomaly.evaluation.metrics import evaluate

    settings = judged_as_flagged(params, alarm, run)
    together = pd.concat([scores, beside], ignore_index=True)
    return (
        evaluate(cases, scores, "imaging_risk", settings, probabilities),
        compare_models(cases, together, "imaging_risk", settings),
    )
