"""How large compressed data may become: what grows far beyond its file is damaged or meant to fill the memory."""

from collections.abc import Iterable
from typing import IO
from zipfile import ZipFile

from medanomaly.core.errors import InputError

# data may become this large, or so many times the file
LARGEST_BYTES, LARGEST_RATIO = 64 * 2**20, 30


def check_unpacked_size(unpacked: Iterable[int], packed: int, source: object) -> None:
    """Raise as soon as the parts of a file are together larger than its size allows.

    Args:
        unpacked: sizes of the parts in bytes, or of the blocks that come as a stream is unpacked.
        packed: size of the file in bytes.
        source: the file, for the error.

    Raises:
        InputError: the parts have more than 64 MiB, and more than 30 times the size of the file.
    """
    limit, total = max(LARGEST_BYTES, LARGEST_RATIO * packed), 0
    for size in unpacked:
        total += size
        if total > limit:
            raise InputError(
                f"a file of {packed:,} bytes has more than {limit:,} bytes when it is unpacked",
                remedy="Give the data without compression.",
                source=source,
            )


def check_zip_size(file: str | IO[bytes], packed: int, source: object) -> None:
    """The same for a ZIP archive (npz, xlsx), whose directory states the size of every part."""
    with ZipFile(file) as archive:
        check_unpacked_size([part.file_size for part in archive.infolist()], packed, source)
