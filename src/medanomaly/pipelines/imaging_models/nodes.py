"""Nodes of the models of films."""

from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import reference_cases
from medanomaly.core.scores import BASELINE, most_anomalous
from medanomaly.imaging.image_models import LBEParams, NetworkModelParams
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.imaging.sources.image_cases import ImageParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.model_steps import EXPLAINED_CASES, scored, stamp, with_card
from medanomaly.tracking.params import TrackingParams

AT_ONCE = 1024


def fit_lbe(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    tuned: dict,
    params: LBEParams,
    image_params: ImageParams,
    alarm: AlarmParams,
    run: RunParams,
    *,
    name: str,
) -> Bundle:
    """The density of normal films on log band energies."""
    from medanomaly.imaging.image_models import lbe_bundle

    return with_card(
        lbe_bundle(
            ImageArray(images, manifest["row"]),
            cases,
            params.replaced(tuned.get("options", {})),
            image_params.contract,
            name=name,
            alpha=alarm.alpha,
            seed=run.seed,
            stamp=stamp(run, tuned),
        )
    )


def fit_network(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    tuned: dict,
    params: NetworkModelParams,
    image_params: ImageParams,
    alarm: AlarmParams,
    run: RunParams,
    tracking: TrackingParams,
    *,
    name: str,
) -> Bundle:
    """A network on normal films; a training that was interrupted goes on from its last epoch."""
    from medanomaly.imaging.image_models import network_bundle
    from medanomaly.tracking.wandb_runs import training_loggers

    params = params.replaced(tuned.get("options", {}))
    about = {"name": name, "group": run.dataset, "job_type": "training", "config": params.model_dump()}
    with training_loggers(tracking.wandb, **about) as loggers:
        bundle = network_bundle(
            ImageArray(images, manifest["row"]),
            cases,
            params,
            image_params.contract,
            name=name,
            alpha=alarm.alpha,
            seed=run.seed,
            folder=Path(run.checkpoints) / "imaging" / name if run.checkpoints else None,
            stamp=stamp(run, tuned),
            loggers=loggers,
        )
    return with_card(bundle)


def score_films(
    images: np.ndarray, manifest: pd.DataFrame, cases: pd.DataFrame, bundle: Bundle, alarm: AlarmParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score table of every case, and which parts of the most anomalous test films make up their scores."""
    from medanomaly.imaging.image_scorer import ImageScorer, part_table

    films, scorer = ImageArray(images, manifest["row"]), ImageScorer(bundle)
    scores = scored(cases, scorer.score(films), bundle.manifest["name"], alarm)
    chosen = most_anomalous(cases, scores, EXPLAINED_CASES)
    table = part_table(scorer, films[chosen], cases["case_id"].iloc[chosen].to_list(), _healthy(films, cases))
    return scores, table


def examine_model(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    features: pd.DataFrame,
    masks: dict[str, np.ndarray],
    bundle: Bundle,
    scores: pd.DataFrame,
    alarm: AlarmParams,
    run: RunParams,
) -> dict:
    """Identity leak, planted lesions, own lesions where there are masks, and whether p-values hold for the test films."""
    from medanomaly.imaging import model_checks
    from medanomaly.imaging.image_scorer import ImageScorer

    films, scorer = ImageArray(images, manifest["row"]), ImageScorer(bundle)
    healthy = _healthy(films, cases)
    found = {
        "leak": model_checks.leak(bundle, healthy, run.seed),
        "planted": model_checks.planted_lesions(scorer, healthy, run.seed),
    }
    test = (cases["split"] == "test").to_numpy()
    shown = masks["masks"].any(axis=(1, 2)) & test[masks["rows"]] if len(masks["rows"]) else np.zeros(0, bool)
    if shown.any():
        rows = masks["rows"][shown]
        found["own"] = model_checks.own_lesions(scorer, healthy, films[rows], masks["masks"][shown], run.seed)
    calibration = reference_cases(cases, "calibration").to_numpy()
    numbers = features.drop(columns="case_id")
    found["test batch"] = model_checks.batch_check(
        scores["score"].to_numpy()[calibration],
        scores["score"].to_numpy()[test],
        numbers[calibration],
        numbers[test],
        alarm.alpha,
        cases["label"][test].astype("Float64").to_numpy(dtype=float, na_value=np.nan),
        run.seed,
    )
    return found


def score_controls(
    images: np.ndarray, manifest: pd.DataFrame, cases: pd.DataFrame, alarm: AlarmParams
) -> pd.DataFrame:
    """Score table of what every model has to beat: shape, brightness, sharpness, PCA, nearest film, local norm."""
    from medanomaly.imaging.baselines import baselines

    films, aspect = ImageArray(images, manifest["row"]), manifest["aspect"].to_numpy()
    fitted = np.flatnonzero(reference_cases(cases, "train").to_numpy())
    tables = []
    for name, baseline in baselines().items():
        baseline.fit(films[fitted], aspect[fitted])
        parts = [
            baseline.score(films[i : i + AT_ONCE], aspect[i : i + AT_ONCE])
            for i in range(0, len(films), AT_ONCE)
        ]
        tables.append(scored(cases, np.concatenate(parts), name, alarm, BASELINE))
    return pd.concat(tables, ignore_index=True)


def _healthy(films: ImageArray, cases: pd.DataFrame) -> np.ndarray:
    from medanomaly.imaging.model_checks import CHECKED_IMAGES

    return films[np.flatnonzero(reference_cases(cases, "calibration").to_numpy())[:CHECKED_IMAGES]]
