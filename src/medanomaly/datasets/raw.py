"""What every dataset of raw data has in common."""

from typing import Generic, TypeVar

from kedro.io import AbstractDataset

from medanomaly.core.errors import InputError

Raw = TypeVar("Raw")


class RawDataset(AbstractDataset[None, Raw], Generic[Raw]):
    """Raw data is read, never written."""

    def save(self, data: None) -> None:
        """Refuse.

        Raises:
            InputError: always.
        """
        raise InputError("raw data is read only", source=f"{type(self).__name__} {self._describe()}")
