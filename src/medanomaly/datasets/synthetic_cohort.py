"""The embedded cohort as raw data: generated on loading, equal for equal seeds."""

import pandas as pd

from medanomaly.datasets.raw import RawDataset
from medanomaly.synthetic.cohort import CohortParams, clinical_cohort


class SyntheticClinicalDataset(RawDataset[pd.DataFrame]):
    """Clinical table of the synthetic cohort, one row per visit, with planted anomalies and their ground truth.

    Args:
        n_patients: number of patients.
        seed: another seed gives another cohort.
        anomaly_share: share of records that are anomalous.
    """

    def __init__(
        self, *, n_patients: int, seed: int = 0, anomaly_share: float = 0.08, metadata: dict | None = None
    ):
        self.params = CohortParams(n_patients=n_patients, seed=seed, anomaly_share=anomaly_share)
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        """Generate the table."""
        return clinical_cohort(self.params)[1]

    def _describe(self) -> dict:
        return self.params.model_dump(include={"n_patients", "seed", "anomaly_share"})
