"""Synthetic events: laboratory values and vital signs of patients over a year, in any number, file by file.

A file is a stretch of time with events of any patient, as a daily export is. What a patient is like follows from a hash of
the seed and the number of the patient, so files are made side by side and in any order, and nothing grows with their number.
Values scatter around the middle of the adult reference interval; a patient has a level of its own.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.synthetic.variables import VARIABLES

CODES = tuple(VARIABLES)
KINDS = ("rising creatinine", "one very high potassium", "high glucose")
START = pd.Timestamp("2025-01-01")
DAYS = 365
_SHARE_OF_OWN = (
    0.6  # of a reference interval's half width: how patients differ; the rest scatters within a patient
)
_NAMES = {name: i for i, name in enumerate(CODES)}


@dataclass(frozen=True)
class EventCohort:
    """Who the events are of.

    Attributes:
        n_events: of all files together.
        n_patients: that they are spread over.
        seed: another seed gives other patients.
        anomaly_share: of the patients.
        file_events: events of one file.
    """

    n_events: int
    n_patients: int
    seed: int = 0
    anomaly_share: float = 0.05
    file_events: int = 2_000_000

    @property
    def n_files(self) -> int:
        """That hold all events."""
        return max(1, -(-self.n_events // self.file_events))


def draw_events(cohort: EventCohort, file: int) -> pd.DataFrame:
    """The events of one file: ``subject_id`` (int64), ``time`` (µs), ``code`` (category), ``numeric_value`` (float64).

    Args:
        cohort: whose events.
        file: number of the file, from 0.
    """
    first = file * cohort.file_events
    n = min(cohort.file_events, cohort.n_events - first)
    rng = np.random.default_rng([cohort.seed, file])
    patient = rng.integers(0, cohort.n_patients, n)
    code = rng.integers(0, len(CODES), n).astype(np.int8)
    # a stretch of the year per file, in no order within it
    stretch = DAYS * 86_400 / cohort.n_files
    seconds = ((file + rng.random(n, dtype=np.float32)) * stretch).astype(np.int64)
    middle = np.array([sum(VARIABLES[name].reference_male) / 2 for name in CODES])
    half = np.array([np.ptp(VARIABLES[name].reference_male) / 2 for name in CODES])
    decimals = np.array([VARIABLES[name].decimals for name in CODES])
    own = _normal(_hash(patient * len(CODES) + code, cohort.seed))
    noise = rng.standard_normal(n, dtype=np.float32)
    value = middle[code] + half[code] * (_SHARE_OF_OWN * own + 0.25 * noise)
    _plant(value, patient, code, seconds, cohort, half)
    step = 10.0 ** decimals[code]
    value = np.round(np.maximum(value, 0.0) * step) / step
    return pd.DataFrame(
        {
            "subject_id": patient,
            "time": START.to_datetime64().astype("datetime64[us]")
            + (seconds * 1_000_000).astype("timedelta64[us]"),
            "code": pd.Categorical.from_codes(code, categories=list(CODES)),
            "numeric_value": value,
        },
        copy=False,
    )


def patient_table(cohort: EventCohort) -> pd.DataFrame:
    """One row per patient: ``subject_id``, ``sex``, ``age`` (years), ``anomaly`` (0, 1), ``anomaly_kind``."""
    patient = np.arange(cohort.n_patients)
    kind = _kind(patient, cohort)
    names = np.array([*KINDS, "none"], dtype=object)
    return pd.DataFrame(
        {
            "subject_id": patient,
            "sex": np.where(_uniform(_hash(patient, cohort.seed + 1)) < 0.5, "F", "M"),
            "age": np.floor(18 + 70 * _uniform(_hash(patient, cohort.seed + 2))),
            "anomaly": (kind >= 0).astype(np.int64),
            "anomaly_kind": names[kind],
        }
    )


def _plant(
    value: np.ndarray,
    patient: np.ndarray,
    code: np.ndarray,
    seconds: np.ndarray,
    cohort: EventCohort,
    half: np.ndarray,
) -> None:
    kind = _kind(patient, cohort)
    rising = (kind == 0) & (code == _NAMES["creatinine"])
    year = DAYS * 86_400
    value[rising] += 8 * half[_NAMES["creatinine"]] * seconds[rising] / year
    high = (kind == 1) & (code == _NAMES["potassium"])
    # those of one week, whichever it is
    week = (_uniform(_hash(patient[high], cohort.seed + 4)) * (DAYS / 7 - 1)).astype(np.int64)
    value[high] += 4 * half[_NAMES["potassium"]] * (seconds[high] // (7 * 86_400) == week)
    sweet = (kind == 2) & (code == _NAMES["glucose"])
    value[sweet] += 5 * half[_NAMES["glucose"]]


def _kind(patient: np.ndarray, cohort: EventCohort) -> np.ndarray:
    """Place in :data:`KINDS` of each patient; -1 for those without an anomaly."""
    at = _uniform(_hash(patient, cohort.seed + 3)) / max(cohort.anomaly_share, 1e-12)
    return np.where(at < 1, (at * len(KINDS)).astype(np.int64), -1)


def _hash(numbers: np.ndarray, seed: int) -> np.ndarray:
    """(n,) uint64, one per number: SplitMix64 (Steele, Lea & Flood 2014)."""
    gamma = 0x9E3779B97F4A7C15
    x = numbers.astype(np.uint64) * np.uint64(gamma) + np.uint64((seed + 1) * gamma % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _uniform(hashed: np.ndarray) -> np.ndarray:
    return (hashed >> np.uint64(11)).astype(np.float64) / 2.0**53


def _normal(hashed: np.ndarray) -> np.ndarray:
    """Nearly standard normal numbers of a hash: the sum of its four uniform parts (Irwin-Hall)."""
    parts = sum(
        ((hashed >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float64) for shift in (0, 16, 32, 48)
    )
    return (parts / 65536 - 2) * np.sqrt(3)
