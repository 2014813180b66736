"""A bundle that a run makes or does not make, as its data allow."""

import shutil

from kedro.io import AbstractDataset

from medanomaly.core.bundle import Bundle
from medanomaly.datasets.outputs.bundle import BundleDataset


class OptionalBundleDataset(AbstractDataset[dict[str, Bundle], dict[str, Bundle]]):
    """No bundle or one, by the name in its manifest.

    Args:
        filepath: the bundle's folder; removed where an empty dictionary is saved, so that none of an earlier run is left.
    """

    def __init__(self, *, filepath: str, metadata: dict | None = None):
        self._bundle, self.metadata = BundleDataset(filepath=filepath), metadata

    def load(self) -> dict[str, Bundle]:
        """Read and verify; empty where there is no folder."""
        if not self._exists():
            return {}
        bundle = self._bundle.load()
        return {bundle.manifest.name: bundle}

    def save(self, data: dict[str, Bundle]) -> None:
        """Write the bundle, or remove what was there."""
        if not data:
            shutil.rmtree(self._bundle.folder, ignore_errors=True)
        for bundle in data.inputs():
            self._bundle.save(bundle)

    def _exists(self) -> bool:
        return self._bundle._exists()

    def _describe(self) -> dict:
        return self._bundle._describe()
