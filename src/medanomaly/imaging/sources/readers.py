"""Sources of the bytes of an image: a file on any file system, or a row of an npz file."""

import hashlib
import io
import zlib
from typing import Protocol
from zipfile import BadZipFile

import fsspec
import numpy as np

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.core.unpacked_size import check_zip_size
from medanomaly.imaging.sources.raw_image import RawImage, decode

# names for the time or the version of a file: local, memory, S3, Google, Azure, HTTP
_VERSIONS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created", "md5Hash")
LARGEST_FILE = 512 * 2**20  # bytes; files are read whole


class Reader(Protocol):
    """Reads an image in three steps, so that a store can find changes before it decodes anything."""

    def stamp(self, path: str) -> str:
        """A value that is quick to read (size and time) and changes when the image may have changed."""

    def content(self, path: str) -> bytes:
        """The bytes of the image."""

    def decode(self, content: bytes, path: str) -> RawImage:
        """Grey values in [0, 1]."""


def split_url(url: str, **storage_options) -> tuple[fsspec.AbstractFileSystem, str]:
    """File system and path of ``/a/b``, ``file:///a/b``, ``memory://a/b``, ``s3://bucket/b``.

    Raises:
        DataNotFoundError: the protocol is unknown, or its package is not installed.
    """
    try:
        return fsspec.core.url_to_fs(url, **storage_options)
    except (ValueError, ImportError) as error:
        raise DataNotFoundError(
            f"the URL cannot be opened: {error}", remedy="Install its fsspec package.", source=url
        ) from error


class FileReader:
    """Images as files of one file system.

    Args:
        filesystem: of fsspec.
    """

    def __init__(self, filesystem: fsspec.AbstractFileSystem):
        self.filesystem = filesystem

    def stamp(self, path: str) -> str:
        """Size and modification time or version tag."""
        info = self.filesystem.info(path)
        return "|".join([str(info.get("size")), *(str(info[key]) for key in _VERSIONS if key in info)])

    def content(self, path: str) -> bytes:
        """The whole file.

        Raises:
            InputError: the file is larger than an image is.
        """
        size = self.filesystem.size(path)
        if size is not None and size > LARGEST_FILE:
            raise InputError(f"a file of {size / 2**20:.0f} MiB is too large for an image", source=path)
        return self.filesystem.cat_file(path)

    def decode(self, content: bytes, path: str) -> RawImage:
        """Grey values of a PNG, JPEG, BMP, TIFF or DICOM file."""
        return decode(content, path)


class NpzReader:
    """Images as rows of the arrays of one npz file; paths are ``<array>/<row>``.

    Args:
        url: the file.
        storage_options: of its file system.
    """

    def __init__(self, url: str, **storage_options):
        self.url = url
        self._filesystem, self._path = split_url(url, **storage_options)
        self._arrays: dict[str, np.ndarray] | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays of the file. Object arrays are refused, because they would need pickle."""
        if self._arrays is None:
            try:
                content = self._filesystem.cat_file(self._path)
                check_zip_size(io.BytesIO(content), len(content), self.url)
                with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                    self._arrays = {key: stored[key] for key in stored.files}
            except FileNotFoundError as error:
                raise DataNotFoundError(
                    "the file does not exist",
                    remedy="Get it from https://medmnist.com (CC BY 4.0), or correct the path.",
                    source=self.url,
                ) from error
            except (ValueError, BadZipFile, EOFError, OSError, KeyError, zlib.error) as error:
                raise InputError(f"not a readable npz file: {error}", source=self.url) from error
            except MemoryError as error:
                raise InputError(
                    f"its arrays do not fit into memory: {error}",
                    remedy="Take the set with smaller images.",
                    source=self.url,
                ) from error
        return self._arrays

    def stamp(self, path: str) -> str:
        """The stamp of the whole file."""
        return FileReader(self._filesystem).stamp(self._path)

    def content(self, path: str) -> bytes:
        """Shape and bytes of the row, so that equal bytes of another shape differ."""
        row = self._row(path)
        return f"{row.shape}{row.dtype}\n".encode() + row.tobytes()

    def decode(self, content: bytes, path: str) -> RawImage:
        """8-bit grey or colour to [0, 1]."""
        row = self._row(path)
        if row.dtype != np.uint8:
            raise InputError(f"images of type {row.dtype}", remedy="Expected uint8.", source=self.url)
        values = row.astype(np.float32) / np.float32(255)
        if values.ndim == 3 and values.shape[-1] == 3:
            values = values @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        if values.ndim != 2:
            raise InputError(
                f"an image of shape {row.shape}", remedy="Expected (H, W) or (H, W, 3).", source=self.url
            )
        return RawImage(values)

    def _row(self, path: str) -> np.ndarray:
        key, number = path.rsplit("/", 1)
        return self.arrays()[key][int(number)]


def content_hash(content: bytes) -> str:
    """SHA-256 of the bytes of an image."""
    return hashlib.sha256(content).hexdigest()


class MemoryReader:
    """Images in memory.

    Args:
        images: path to (H, W) float32 in [0, 1].
    """

    def __init__(self, images: dict[str, np.ndarray]):
        self.images = images

    def stamp(self, path: str) -> str:
        """Hash of the content, which is quick to read."""
        return content_hash(self.content(path))

    def content(self, path: str) -> bytes:
        """Shape and bytes of the array."""
        image = self.images[path]
        return f"{image.shape}{image.dtype}\n".encode() + image.tobytes()

    def decode(self, content: bytes, path: str) -> RawImage:
        """The array itself."""
        return RawImage(np.asarray(self.images[path], dtype=np.float32))
