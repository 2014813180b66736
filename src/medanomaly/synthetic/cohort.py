"""The embedded cohort: patients, and their clinical table with planted anomalies."""

import pandas as pd
from pydantic import Field, field_validator

from medanomaly.core.params import Params
from medanomaly.synthetic.clinical_table import clinical_table
from medanomaly.synthetic.patients import draw_patients
from medanomaly.synthetic.table_anomalies import ANOMALY_KINDS, plant_anomalies


class CohortParams(Params):
    """Size, seed and planted anomalies of the cohort."""

    n_patients: int = Field(3000, ge=1, le=999_999)
    seed: int = 0
    anomaly_share: float = Field(0.08, ge=0, le=0.5)
    kinds: dict[str, float] = Field(default_factory=lambda: dict.fromkeys(ANOMALY_KINDS, 1.0))

    @field_validator("kinds")
    @classmethod
    def _weights_can_be_drawn_from(cls, kinds: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(kinds) - set(ANOMALY_KINDS))
        if unknown:
            raise ValueError(f"unknown kinds {unknown}; known are {list(ANOMALY_KINDS)}")
        if any(weight < 0 for weight in kinds.values()) or sum(kinds.values()) == 0:
            raise ValueError("weights must be >= 0, at least one above 0")
        return kinds


def clinical_cohort(params: CohortParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Patients and their clinical table with planted anomalies.

    Returns:
        ``(patients, records)``, see :func:`medanomaly.synthetic.patients.draw_patients`,
        :func:`medanomaly.synthetic.clinical_table.clinical_table` and
        :func:`medanomaly.synthetic.table_anomalies.plant_anomalies`.
    """
    patients = draw_patients(params.n_patients, params.seed)
    records = clinical_table(patients, params.seed)
    return patients, plant_anomalies(records, params.seed, params.anomaly_share, params.kinds)
