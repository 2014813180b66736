"""Facts of a recording: what tells whether it was recorded as those of calibration were."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from medanomaly.signals.quality.assessment import BAD, assess_quality
from medanomaly.signals.recordings.recording import Recording

# measures of the ECG and faults of any lead; a lead of another kind lacks the former
MEASURES = (
    "noise", "contrast", "bas_sqi", "high_frequency", "mains", "p_sqi", "swing", "missing", "flat", "saturated",
)  # fmt: skip


def recording_facts(
    recordings: Iterable[Recording], windows: Mapping[str, pd.DataFrame] | None = None
) -> pd.DataFrame:
    """One row per recording.

    Args:
        recordings: of any length and rate.
        windows: record -> its quality windows, where they are known; without them every lead is assessed.

    Returns:
        ``record``, ``rate`` (Hz), ``leads`` (number), ``lead`` (name of the first that was assessed), ``resolution`` (ln of
        the smallest step of this lead, in its unit), ``bad`` (share of bad windows), then the median over the windows of
        this lead of each of :data:`MEASURES`; NaN where a measure does not apply.
    """
    rows = []
    for recording in recordings:
        table = assess_quality(recording) if windows is None else windows[recording.record]
        lead = str(table["lead"].iloc[0]) if len(table) else recording.leads[0]
        first = table[table["lead"].eq(lead)]
        signal = recording.signal[:, recording.leads.index(lead)]
        values = np.unique(signal[np.isfinite(signal)].astype(np.float64))
        steps = np.diff(values)
        steps = steps[steps > 1e-7 * max(1.0, np.ptp(values))] if len(values) > 1 else steps
        rows.append(
            {
                "record": recording.record,
                "rate": recording.fs,
                "leads": float(len(recording.leads)),
                "lead": lead,
                "resolution": float(np.log(steps.min())) if len(steps) else np.nan,
                "bad": float(first["quality"].eq(BAD).mean()) if len(first) else np.nan,
            }
            | {name: float(first[name].median()) if name in first else np.nan for name in MEASURES}
        )
    return pd.DataFrame(rows)


def facts_of_beats(cases: pd.DataFrame, facts: pd.DataFrame) -> Callable[[np.ndarray], pd.DataFrame]:
    """Positions of beats to the facts of their recordings.

    Args:
        cases: case table of n beats, whose ids are ``<record>:<sample>``.
        facts: of :func:`recording_facts`, one row per recording.

    Returns:
        A function of (k,) positions to k rows of facts, without the name of the recording.
    """
    record = cases["case_id"].astype("string").str.rsplit(":", n=1).str[0].to_numpy(dtype=object)
    by_record = facts.set_index("record")
    return lambda rows: by_record.loc[record[rows]].reset_index(drop=True)
