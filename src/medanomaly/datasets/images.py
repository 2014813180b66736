"""Kedro datasets of images: each lists a data set and returns an ``ImageSource``; the store reads the images later."""

from typing import Any

import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.datasets.raw import RawDataset
from medanomaly.datasets.sources import not_found
from medanomaly.imaging.sources.folders import class_folders, dicom_folder, labelled_folder, medmnist
from medanomaly.imaging.sources.manifest import ImageSource
from medanomaly.imaging.sources.readers import split_url


class _ImageDataset(RawDataset[ImageSource]):
    """What all of them share: a URL of any fsspec file system, read only."""

    def __init__(self, *, url: str, storage_options: dict | None = None, metadata: dict | None = None):
        self.url, self.storage_options, self.metadata = str(url), storage_options or {}, metadata

    def _must_exist(self) -> None:
        if not self._exists():
            raise not_found(self.url)

    def _exists(self) -> bool:
        filesystem, path = split_url(self.url, **self.storage_options)
        return bool(filesystem.exists(path))

    def _describe(self) -> dict:
        return {"url": self.url}


class ClassFoldersDataset(_ImageDataset):
    """One folder per class, with or without ``train`` and ``test`` above them; see ``class_folders``.

    Args:
        url: root folder.
        normal: names of the class folders that hold normal images.
        storage_options: of the file system.
    """

    def __init__(self, *, url: str, normal: list[str] | None = None, **options: Any):
        super().__init__(url=url, **options)
        self.normal = normal

    def load(self) -> ImageSource:
        """List the images."""
        self._must_exist()
        chosen = {} if self.normal is None else {"normal": tuple(name.lower() for name in self.normal)}
        return class_folders(self.url, **chosen, **self.storage_options)


class MedMNISTDataset(_ImageDataset):
    """A file in the format of MedMNIST; see ``medmnist``.

    Args:
        url: the npz file.
        normal: classes that are normal.
        storage_options: of the file system.
    """

    def __init__(self, *, url: str, normal: list[int] | None = None, **options: Any):
        super().__init__(url=url, **options)
        self.normal = tuple(normal or (0,))

    def load(self) -> ImageSource:
        """List the rows of its arrays."""
        self._must_exist()
        return medmnist(self.url, self.normal, **self.storage_options)


class DicomFolderDataset(_ImageDataset):
    """A folder of DICOM files; see ``dicom_folder``.

    Args:
        url: root folder.
        labels: optional CSV with columns path (relative to the folder) and label.
        storage_options: of the file system.
    """

    def __init__(self, *, url: str, labels: str | None = None, **options: Any):
        super().__init__(url=url, **options)
        self.labels = labels

    def load(self) -> ImageSource:
        """Read the headers."""
        self._must_exist()
        labels = None if self.labels is None else _table(self.labels, self.storage_options)
        return dicom_folder(self.url, labels, **self.storage_options)


class LabelledImagesDataset(_ImageDataset):
    """PNG or JPEG files with a table of labels; see ``labelled_folder``.

    Args:
        url: root folder.
        labels: CSV with one row per image.
        columns: names of columns: ``path_column``, ``label_column``, ``patient_column``, ``kind_column``,
            ``split_column``, ``mask_column``. The first two default to path and label, the others to none.
        storage_options: of the file system.
    """

    def __init__(self, *, url: str, labels: str, columns: dict | None = None, **options: Any):
        super().__init__(url=url, **options)
        self.labels, self.columns = labels, columns or {}

    def load(self) -> ImageSource:
        """List the images that have a row."""
        self._must_exist()
        return labelled_folder(
            self.url, _table(self.labels, self.storage_options), **self.columns, **self.storage_options
        )


def _table(url: str, storage_options: dict) -> pd.DataFrame:
    filesystem, path = split_url(url, **storage_options)
    try:
        with filesystem.open(path) as stream:
            return pd.read_csv(stream)
    except FileNotFoundError as error:
        raise DataNotFoundError("the label table does not exist", source=url) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"not a readable CSV: {error}", source=url) from error
