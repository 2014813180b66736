"""JSON that may be missing."""

import json
from pathlib import Path

from kedro.io import AbstractDataset


class OptionalJSONDataset(AbstractDataset[dict, dict]):
    """A JSON object; an empty one if the file is missing.

    Args:
        filepath: the file.
    """

    def __init__(self, *, filepath: str, metadata: dict | None = None):
        self._filepath, self.metadata = Path(filepath), metadata

    def load(self) -> dict:
        """Read the object."""
        return json.loads(self._filepath.read_text("utf-8")) if self._filepath.exists() else {}

    def save(self, data: dict) -> None:
        """Write the object."""
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        self._filepath.write_text(json.dumps(data, indent=2) + "\n", "utf-8")

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict:
        return {"filepath": self._filepath.as_posix()}
