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
        points: detector -> record -> score of every sample; empty where no detector of series was chosen.
    """
    from medanomaly.reporting.sections import to_json
    from medanomaly.reporting.signals.series import places_section, series_sections
    from medanomaly.signals.series.windows import LOCATION_COLUMNS, annotated_anomalies, location, parts_of

    rows, curves, places = [], [], []
    for record, recording in raw.each():
        scored = {model: of[record] for model, of in points.items() if record in of}
        if isinstance(recording, Exception) or not scored:
            continue
        begin = parts_of(recording, settings).calibration
        truth = np.zeros(recording.n_samples - begin, dtype=bool)
        for start, end in annotated_anomalies(recording):
            truth[max(0, start - begin) : max(0, end - begin)] = True
        for model, score in scored.items():
            if truth.any():
                at = location(score, recording, settings)
                rows.append(at | {"model": model, "source": raw.patients[record]})
                curves.append((model, record, truth, score[begin:].astype(np.float64)))
            else:
                places.append((record, model, begin + int(np.argmax(score[begin:])), recording.fs))
    found = pd.DataFrame(rows, columns=[*LOCATION_COLUMNS, "model", "source"])
    sections = []
    if rows:
        sections = series_sections(
            found,
            curves,
            lambda record: raw[record].signal[:, 0].astype(np.float64),
            n_resamples=evaluation.n_resamples,
            seed=run.seed,
        )
    if places:
        sections.append(places_section(places))
    return found, to_json(sections)
