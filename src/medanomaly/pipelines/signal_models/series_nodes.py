"""Nodes of the detectors of whole series: each series is its own teacher, so a model is a recipe and a calibration."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.provenance import bundle_stamp
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.signals.series.params import SeriesDetectorParams, SeriesParams


def score_series(
    raw: RecordingSet,
    windows: pd.DataFrame,
    cases: pd.DataFrame,
    params: SeriesDetectorParams,
    settings: SeriesParams,
    alarm: AlarmParams,
    run: RunParams,
    *,
    name: str,
) -> tuple[Bundle, pd.DataFrame, dict[str, np.ndarray]]:
    """Bundle, score table of the windows, and the score of every sample of every series."""
    from medanomaly.core.bundle import make_bundle
    from medanomaly.core.scores import score_table
    from medanomaly.core.sealing import seal
    from medanomaly.reporting.model_card import render_card
    from medanomaly.signals.series.windows import point_scores, window_scores

    points, scores = {}, pd.Series(0.0, index=cases["case_id"])
    for record, mine in windows.groupby("record", sort=False):
        of_samples = point_scores(raw[str(record)], params, settings)
        scores[mine["case_id"].to_numpy()] = window_scores(of_samples, mine)
        points[str(record)] = of_samples.astype(np.float32)
    bundle = seal(
        {},
        cases,
        scores.to_numpy(),
        name=name,
        modality="signals",
        detector=params.detector,
        options=params.options,
        alpha=alarm.alpha,
        seed=run.seed,
        input_contract={"series": "one lead, with a beginning that is known to be normal, which teaches"},
        stamp=bundle_stamp(run.dataset),
        more={"series": settings.model_dump()},
    )
    bundle = make_bundle(
        bundle.manifest, bundle.files | {"card.md": render_card(bundle.manifest, None).encode()}
    )
    table = score_table(
        cases,
        scores.to_numpy(),
        name,
        alarm.alpha,
        group_by=alarm.group_by,
        min_group_size=alarm.min_group_size,
    )
    return bundle, table, points


def describe_series(
    raw: RecordingSet,
    settings: SeriesParams,
    evaluation: EvaluationParams,
    run: RunParams,
    **points: dict[str, np.ndarray],
) -> tuple[pd.DataFrame, list[dict]]:
    """Where each detector points to, and sections on it.

    Args:
        raw: series.
        settings: where beginnings end.
        evaluation: resamples.
        run: seed.
        points: detector -> record -> score of every sample.
    """
    from medanomaly.reporting.sections import to_json
    from medanomaly.reporting.signals.series import series_sections
    from medanomaly.signals.series.windows import anomalies, location, parts_of

    rows, curves = [], []
    for record, recording in raw.each():
        if isinstance(recording, Exception) or record not in next(iter(points.values())):
            continue
        begin = parts_of(recording, settings).calibration
        truth = np.zeros(recording.n_samples - begin, dtype=bool)
        for start, end in anomalies(recording):
            truth[max(0, start - begin) : max(0, end - begin)] = True
        if not truth.any():
            continue
        for model, of_records in points.items():
            rows.append(
                location(of_records[record], recording, settings)
                | {"model": model, "source": raw.patients[record]}
            )
            curves.append((model, record, truth, of_records[record][begin:].astype(np.float64)))
    found = pd.DataFrame(rows)
    sections = series_sections(
        found,
        curves,
        lambda record: raw[record].signal[:, 0].astype(np.float64),
        n_resamples=evaluation.n_resamples,
        seed=run.seed,
    )
    return found, to_json(sections)
