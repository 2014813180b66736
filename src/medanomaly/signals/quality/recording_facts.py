"""Facts of a recording: what tells whether it was recorded as those of calibration were."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from medanomaly.signals.quality.assessment import BAD, assess_quality
from medanomaly.signals.recordings.recording import Recording

# measures of the ECG and faults of any lead; a lead of another kind lacks the former
MEASURES = (
    "noise", "contrast", "bas_sqi", "high_frequency", "mains", "p_sqi", "swing", "missing", "flat", "saturated",
)  # fmt: skip


def recording_facts(recordings: Iterable[Recording]) -> pd.DataFrame:
    """One row per recording.

    Args:
        recordings: of any length and rate.

    Returns:
        ``rate`` (Hz), ``leads`` (number), ``lead`` (name of the first), ``resolution`` (ln of the smallest step of the first
        lead, in its unit), ``bad`` (share of bad windows), then the median over the windows of the first lead of each of
        :data:`MEASURES`; NaN where a measure does not apply.
    """
    rows = []
    for recording in recordings:
        windows = assess_quality(recording)
        first = windows[windows["lead"].eq(recording.leads[0])]
        values = np.unique(recording.signal[np.isfinite(recording.signal[:, 0]), 0].astype(np.float64))
        steps = np.diff(values)
        steps = steps[steps > 1e-7 * max(1.0, np.ptp(values))] if len(values) > 1 else steps
        rows.append(
            {
                "rate": recording.fs,
                "leads": float(len(recording.leads)),
                "lead": recording.leads[0],
                "resolution": float(np.log(steps.min())) if len(steps) else np.nan,
                "bad": float(first["quality"].eq(BAD).mean()) if len(first) else np.nan,
            }
            | {name: float(first[name].median()) if name in first else np.nan for name in MEASURES}
        )
    return pd.DataFrame(rows)
