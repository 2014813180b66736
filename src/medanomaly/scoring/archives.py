"""Archives of images (zip, tar): what is in them, and its bytes, read without unpacking anything to the disk."""

import tarfile
import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from medanomaly.core.errors import InputError
from medanomaly.core.unpacked_size import check_zip_size
from medanomaly.imaging.sources.readers import LARGEST_FILE

ARCHIVES = (".zip", ".tar")


def archive_members(file: Path) -> list[str]:
    """Names of the files in an archive, sorted; folders and hidden files are left out.

    Raises:
        InputError: two files have one name, or all are far larger than the archive.
        OSError, zipfile.BadZipFile, tarfile.TarError: it is no whole archive.
    """
    if file.suffix.lower() == ".zip":
        check_zip_size(str(file), file.stat().st_size, file.name)
        with zipfile.ZipFile(file) as archive:
            found = [one.filename for one in archive.infolist() if not one.is_dir()]
    else:
        with tarfile.open(file, "r:") as archive:
            found = [one.name for one in archive if one.isfile()]
    names = sorted(name for name in found if not any(part.startswith(".") for part in Path(name).parts))
    if len(set(names)) < len(names):
        twice = next(a for a, b in pairwise(names) if a == b)
        raise InputError(f"two files in it are called '{twice}'", source=file.name, remedy="Name each once.")
    return names


def archive_contents(file: Path, members: Sequence[str]) -> list[bytes]:
    """The bytes of these files; those of one that is damaged or too large for an image are empty, so it alone is refused."""
    if file.suffix.lower() == ".zip":
        with zipfile.ZipFile(file) as archive:
            return [_zipped(archive, name) for name in members]
    with tarfile.open(file, "r:") as archive:
        return [_from_tar(archive, name) for name in members]


def _zipped(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        if archive.getinfo(name).file_size > LARGEST_FILE:
            return b""
        return archive.read(name)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError):
        return b""


def _from_tar(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.getmember(name)
    if member.size > LARGEST_FILE:
        return b""
    try:
        stream = archive.extractfile(member)
        return b"" if stream is None else stream.read()
    except (tarfile.TarError, OSError, EOFError):
        return b""
