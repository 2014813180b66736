"""Kedro datasets of images: each lists a data set and returns an ``ImageSource``; the store reads the images later."""

import warnings
from abc import abstractmethod
from typing import Any

import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.datasets.pseudonym_key import project_key
from medanomaly.datasets.raw import RawDataset
from medanomaly.datasets.sources import not_found
from medanomaly.imaging.sources.folders import class_folders, dicom_folder, labelled_folder, medmnist
from medanomaly.imaging.sources.manifest import ImageSource, with_pseudonyms
from medanomaly.imaging.sources.readers import split_url


class _ImageDataset(RawDataset[ImageSource]):
    """What all of them share.

    Args:
        url: of any fsspec file system, read only.
        storage_options: of the file system.
        pseudonyms: whether case and patient ids are keyed hashes; else names of files are case ids.
        metadata: for Kedro-Viz.
    """

    def __init__(
        self,
        *,
        url: str,
        storage_options: dict | None = None,
        pseudonyms: bool = False,
        metadata: dict | None = None,
    ):
        self.url, self.storage_options, self.metadata = str(url), storage_options or {}, metadata
        self.pseudonyms = pseudonyms

    def load(self) -> ImageSource:
        """List the images; they are read later."""
        if not self._exists():
            raise not_found(self.url)
        if not self.pseudonyms:
            return self._listed(None)
        key = project_key()
        return with_pseudonyms(self._listed(key), key, patients=self._patients_are_open)

    # patient ids are as they stand in the data
    _patients_are_open = True

    @abstractmethod
    def _listed(self, key: bytes | None) -> ImageSource:
        """The images of the data set under the names of their files; ``key`` is that of pseudonyms."""

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

    def _listed(self, key: bytes | None) -> ImageSource:
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

    def _listed(self, key: bytes | None) -> ImageSource:
        return medmnist(self.url, self.normal, **self.storage_options)


class DicomFolderDataset(_ImageDataset):
    """A folder of DICOM files; see ``dicom_folder``.

    Args:
        url: root folder.
        labels: optional CSV with columns path (relative to the folder) and label.
        pseudonyms: whether case ids hide the names of files; patient ids are always pseudonyms.
        storage_options: of the file system.
    """

    _patients_are_open = False

    def __init__(self, *, url: str, labels: str | None = None, pseudonyms: bool = True, **options: Any):
        super().__init__(url=url, pseudonyms=pseudonyms, **options)
        self.labels = labels

    def _listed(self, key: bytes | None) -> ImageSource:
        labels = None if self.labels is None else _table(self.labels, self.storage_options)
        return dicom_folder(
            self.url, labels, key=project_key() if key is None else key, **self.storage_options
        )


class LabelledImagesDataset(_ImageDataset):
    """PNG or JPEG files, with a table of labels or without one; see ``labelled_folder``.

    Args:
        url: root folder.
        labels: CSV with one row per image; None: all images, whose labels are unknown.
        columns: names of columns: ``path_column``, ``label_column``, ``patient_column``, ``kind_column``,
            ``split_column``, ``mask_column``. The first two default to path and label, the others to none.
        storage_options: of the file system.
    """

    def __init__(self, *, url: str, labels: str | None = None, columns: dict | None = None, **options: Any):
        super().__init__(url=url, **options)
        self.labels, self.columns = labels, columns or {}

    def _listed(self, key: bytes | None) -> ImageSource:
        table = None if self.labels is None else _table(self.labels, self.storage_options)
        return labelled_folder(self.url, table, **self.columns, **self.storage_options)


def _table(url: str, storage_options: dict) -> pd.DataFrame:
    """A label table; every value is text as it stands in the file."""
    filesystem, path = split_url(url, **storage_options)
    try:
        with filesystem.open(path) as stream, warnings.catch_warnings():
            # pandas cuts off what a row has more than the header, and warns
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                stream, dtype=str, keep_default_na=False, index_col=False, encoding="utf-8-sig"
            )
    except FileNotFoundError as error:
        raise DataNotFoundError("the label table does not exist", source=url) from error
    except pd.errors.ParserWarning as error:
        raise InputError(
            "a row of the label table has more values than the header",
            remedy="Quote values with commas.",
            source=url,
        ) from error
    except ValueError as error:
        raise InputError(f"not a readable CSV: {error}", source=url) from error
