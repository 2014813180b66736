"""Model bundles in the catalog."""

from pathlib import Path

from kedro.io import AbstractDataset

from medanomaly.core.bundle import MANIFEST, Bundle, read_bundle, write_bundle


class BundleDataset(AbstractDataset[Bundle, Bundle]):
    """A bundle folder; every file is verified against the manifest when it is loaded.

    Args:
        filepath: the folder.
    """

    def __init__(self, *, filepath: str, metadata: dict | None = None):
        self.folder, self.metadata = Path(filepath), metadata

    def load(self) -> Bundle:
        """Read and verify."""
        return read_bundle(self.folder)

    def save(self, data: Bundle) -> None:
        """Write, replacing what was there."""
        write_bundle(self.folder, data)

    def _exists(self) -> bool:
        return (self.folder / MANIFEST).is_file()

    def _describe(self) -> dict:
        return {"filepath": self.folder.as_posix()}
