"""Node that says where each detector of series points to."""

import numpy as np
import pandas as pd

from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import RunParams
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.signals.series.params import SeriesParams


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
    from medanomaly.signals.series.windows import annotated_anomalies, location, parts_of

    rows, curves = [], []
    for record, recording in raw.each():
        if isinstance(recording, Exception) or record not in next(iter(points.values())):
            continue
        begin = parts_of(recording, settings).calibration
        truth = np.zeros(recording.n_samples - begin, dtype=bool)
        for start, end in annotated_anomalies(recording):
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
