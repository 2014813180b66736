"""Nodes of the signal models."""

from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.scores import most_anomalous
from medanomaly.detectors.training import DetectorParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.model_steps import EXPLAINED_CASES, scored, stamp, with_card
from medanomaly.pipelines.tabular_models.nodes import with_tuned_options
from medanomaly.signals.beats.params import BeatDetectorParams, LSTMModelParams
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.tracking.params import TrackingParams


def fit_on_features(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    tuned: dict,
    params: DetectorParams,
    alarm: AlarmParams,
    run: RunParams,
    *,
    name: str,
) -> Bundle:
    """A detector of tables on features; ``tuned`` is empty before a study."""
    from medanomaly.detectors.training import train_bundle
    from medanomaly.signals.beats.features import feature_units

    return with_card(
        train_bundle(
            cases,
            features,
            with_tuned_options(params, tuned, name),
            name=name,
            alpha=alarm.alpha,
            seed=run.seed,
            units=feature_units(),
            group_by=alarm.group_by,
            stamp=stamp(run, tuned),
            modality="signals",
        )
    )


def score_features(
    cases: pd.DataFrame, features: pd.DataFrame, bundle: Bundle, alarm: AlarmParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score table of every case, and explanations of the most anomalous test cases."""
    from medanomaly.detectors.scorer import TabularScorer, explanation_table

    scorer = TabularScorer(bundle)
    scores = scored(cases, scorer.score(features), bundle.manifest["name"], alarm)
    return scores, explanation_table(scorer, cases, features, scores, EXPLAINED_CASES)


def fit_lstm(
    cases: pd.DataFrame,
    waveforms: dict[str, np.ndarray],
    tuned: dict,
    params: LSTMModelParams,
    alarm: AlarmParams,
    run: RunParams,
    tracking: TrackingParams,
    *,
    name: str,
) -> Bundle:
    """An LSTM autoencoder on waveforms; a training that was interrupted goes on from its last epoch."""
    from medanomaly.signals.beat_detector.bundle import lstm_bundle
    from medanomaly.tracking.wandb_runs import training_loggers

    params = LSTMModelParams.model_validate(params.model_dump() | tuned.get("options", {}))
    about = {"name": name, "group": run.dataset, "job_type": "training", "config": params.model_dump()}
    with training_loggers(tracking.wandb, **about) as loggers:
        bundle = lstm_bundle(
            waveforms["waveforms"],
            cases,
            params,
            name=name,
            alpha=alarm.alpha,
            seed=run.seed,
            folder=Path(run.checkpoints) / "signals" / name if run.checkpoints else None,
            stamp=stamp(run, tuned),
            loggers=loggers,
        )
    return with_card(bundle)


def score_waveforms(
    cases: pd.DataFrame, waveforms: dict[str, np.ndarray], bundle: Bundle, alarm: AlarmParams
) -> pd.DataFrame:
    """Score table of every case."""
    from medanomaly.signals.beat_detector.bundle import onnx_scores

    score = onnx_scores(bundle.files["model.onnx"], waveforms["waveforms"])
    return scored(cases, score, bundle.manifest["name"], alarm)


def fit_beat_detector(
    raw: RecordingSet,
    beats: pd.DataFrame,
    cases: pd.DataFrame,
    params: BeatDetectorParams,
    alarm: AlarmParams,
    run: RunParams,
    *,
    name: str,
) -> Bundle:
    """The beat detector: population tails from train, threshold from calibration."""
    from medanomaly.signals.beat_detector.bundle import beat_detector_bundle

    return with_card(
        beat_detector_bundle(
            raw,
            beats,
            cases,
            params,
            name=name,
            alpha=alarm.alpha,
            seed=run.seed,
            stamp=stamp(run, {}),
        )
    )


def score_recordings(
    raw: RecordingSet, beats: pd.DataFrame, cases: pd.DataFrame, bundle: Bundle, alarm: AlarmParams
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Score table of every case, which terms make up the highest scores, and the terms of every case."""
    from medanomaly.signals.beat_detector.bundle import TERMS, beat_contributions
    from medanomaly.signals.beat_detector.fusion import CONTRIBUTIONS

    parts = beat_contributions(bundle, raw, beats, cases)
    scores = scored(cases, parts.sum(axis=1), bundle.manifest["name"], alarm)
    chosen = most_anomalous(cases, scores, EXPLAINED_CASES)
    rows = [
        {
            "case_id": cases["case_id"].iloc[i],
            "model": bundle.manifest["name"],
            "feature": TERMS[name],
            "value": f"{parts[i, j]:.2f}",
            "unit": "",
            "usual_low": np.nan,
            "usual_high": np.nan,
            "contribution": parts[i, j],
            "exact": True,
        }
        for i in chosen
        for j, name in sorted(enumerate(CONTRIBUTIONS), key=lambda term, i=i: -parts[i, term[0]])
    ]
    terms = pd.DataFrame(parts, columns=list(CONTRIBUTIONS))
    terms.insert(0, "case_id", cases["case_id"])
    return scores, pd.DataFrame(rows), terms
