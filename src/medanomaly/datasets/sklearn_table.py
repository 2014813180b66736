"""Tables that are part of the scikit-learn package."""

import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.datasets.raw import RawDataset

LOADERS = ("breast_cancer",)


class SklearnDataset(RawDataset[pd.DataFrame]):
    """A labelled table of ``sklearn.datasets``, with the class names as text in the column ``target``.

    Args:
        name: ``breast_cancer`` (Breast Cancer Wisconsin, diagnostic: 569 x 30, target ``malignant`` or ``benign``).
    """

    def __init__(self, *, name: str, metadata: dict | None = None):
        if name not in LOADERS:
            raise ConfigurationError(f"unknown table '{name}'", remedy=f"There are {LOADERS}.")
        self.name, self.metadata = name, metadata

    def load(self) -> pd.DataFrame:
        """Read the table."""
        from sklearn import datasets

        data = getattr(datasets, f"load_{self.name}")(as_frame=True)
        return data.frame.assign(target=data.target.map(dict(enumerate(data.target_names))).astype("string"))

    def _describe(self) -> dict:
        return {"name": self.name}
