"""ADBench files: ``<number>_<name>.npz`` with ``X`` (n, d) and ``y`` (n,), 1 = anomaly."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.core.unpacked_size import check_zip_size
from medanomaly.datasets.raw import RawDataset
from medanomaly.datasets.sources import not_found


class ADBenchDataset(RawDataset[pd.DataFrame]):
    """One set of an ADBench folder as a table: columns ``x1`` .. ``xd`` and ``y``.

    Args:
        folder: that holds the ``.npz`` files.
        name: the set, with or without its number, in upper or lower case (``annthyroid``, ``2_annthyroid``).
    """

    def __init__(self, *, folder: str, name: str, metadata: dict | None = None):
        self.folder, self.name, self.metadata = Path(folder), str(name), metadata

    def _path(self) -> Path:
        files = sorted(self.folder.glob("*.npz"))
        if not files:
            raise not_found(self.folder / "*.npz")
        wanted = self.name.lower()
        for path in files:
            stem = path.stem.lower()
            if wanted in (stem, stem.split("_", 1)[-1]):
                return path
        available = sorted(path.stem.split("_", 1)[-1] for path in files)
        raise DataNotFoundError(
            f"there is no set '{self.name}'", remedy=f"There are {available}.", source=self.folder
        )

    def load(self) -> pd.DataFrame:
        """Read the table; object arrays are refused, because they need pickle."""
        path = self._path()
        try:
            check_zip_size(str(path), path.stat().st_size, path)
            with np.load(path, allow_pickle=False) as data:
                x, y = data["X"], data["y"].ravel()
        except (KeyError, ValueError, BadZipFile, OSError) as error:
            raise InputError(
                f"the file is not an ADBench file: {error}", remedy="Expected arrays X and y.", source=path
            ) from error
        if x.ndim != 2 or len(x) != len(y):
            raise InputError(
                f"X is {x.shape}, y is {y.shape}", remedy="Expected (n, d) and (n,).", source=path
            )
        table = pd.DataFrame(x, columns=[f"x{j + 1}" for j in range(x.shape[1])])
        return table.assign(y=y.astype(np.int64))

    def _exists(self) -> bool:
        return self.folder.is_dir()

    def _describe(self) -> dict:
        return {"folder": self.folder.as_posix(), "name": self.name}
