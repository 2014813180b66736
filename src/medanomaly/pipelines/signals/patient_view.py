"""What the page of a patient shows of a recording: the strip around its most unusual beat."""

from collections.abc import Mapping

import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.signals.recordings.recording_set import RecordingSet


def show_beats(
    chosen: pd.DataFrame,
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    bundle: Bundle,
    raw: RecordingSet,
    beats: pd.DataFrame,
) -> Mapping[str, object]:
    """case_id -> section; arguments as of ``PatientView``."""
    from medanomaly.reporting.signals.beats import beat_section
    from medanomaly.signals.beats.views import strip_around

    flagged = scores.set_index("case_id")["flagged"]
    n_beats = cases["patient_id"].value_counts()
    sections = {}
    for row in chosen.itertuples():
        record, _, sample = row.case_id.rpartition(":")
        recording, of_record = raw[record], beats[beats["record"] == record]
        strip = strip_around(recording, of_record, flagged, int(sample))
        bad = float(of_record["quality"].eq("bad").mean())
        n = int(n_beats[row.patient_id])
        sections[row.case_id] = beat_section(row, strip, record, int(sample) / recording.fs, n, bad)
    return sections
