"""A bundle that a run makes only if its data allow it."""

import shutil

from kedro.io import AbstractDataset

from medanomaly.core.bundle import Bundle
from medanomaly.datasets.outputs.bundle import BundleDataset


class OptionalBundleDataset(AbstractDataset[dict[str, Bundle], dict[str, Bundle]]):
    """A dictionary of no bundle or one, with the name in its manifest as key.

    Args:
        filepath: the bundle's folder; it is removed if an empty dictionary is saved, so no bundle of an earlier run remains.
    """

    def __init__(self, *, filepath: str, metadata: dict | None = None):
        self._bundle, self.metadata = BundleDataset(filepath=filepath), metadata

    def load(self) -> dict[str, Bundle]:
        """Read and verify; empty if there is no folder."""
        if not self._exists():
            return {}
        bundle = self._bundle.load()
        return {bundle.manifest.name: bundle}

    def save(self, data: dict[str, Bundle]) -> None:
        """Write the bundle, or remove what was there."""
        if not data:
            shutil.rmtree(self._bundle.folder, ignore_errors=True)
        for bundle in data.values():
            self._bundle.save(bundle)

    def _exists(self) -> bool:
        return self._bundle._exists()

    def _describe(self) -> dict:
        return self._bundle._describe()
