"""Files that are made one per partition, once: what is finished survives whatever stops a run, and is not made again.

The folder of a stage holds ``stage.json`` (what the files depend on), ``part-00003.parquet`` and beside it
``part-00003.json`` with its SHA-256, and ``manifest.json`` once all are there. Each gets its name when it is whole.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.partitions.workers import Workers

MANIFEST = "manifest.json"
_SETTINGS = "stage.json"


class Stage:
    """Files of one step, one per partition.

    Args:
        folder: of the files; other files in it are left alone.
        settings: all that the files depend on, in JSON types; files that were made with others are made again.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]):
        self.folder = Path(folder)
        # as it is read back: tuples become lists
        self._settings = json.loads(json.dumps(settings))

    @property
    def finished(self) -> list[dict[str, Any]] | None:
        """The records of all partitions in order; None as long as one is not finished, or a file is not as it was left."""
        manifest = _read(self.folder / MANIFEST)
        if manifest is None or manifest["settings"] != self._settings:
            return None
        whole = all(
            (file := self.folder / record["file"]).is_file() and file.stat().st_size == record["bytes"]
            for record in manifest["parts"]
        )
        return manifest["parts"] if whole else None

    def run(
        self,
        workers: Workers,
        make: Callable[..., Mapping[str, Any]],
        items: Sequence[Any],
        progress: Callable[[int], None] | None = None,
        **same: Any,
    ) -> list[dict[str, Any]]:
        """Make what is not there yet.

        Args:
            workers: that make the files.
            make: ``make(item, path, **same)`` writes one file and returns facts in JSON types. Equal arguments must give
                equal bytes.
            items: one per partition.
            progress: called with the number of finished partitions.
            same: further arguments of ``make``.

        Returns:
            One record per partition: ``part``, ``file``, ``sha256``, ``bytes``, ``facts``.

        Raises:
            InputError: another process works in this folder, or see :meth:`medanomaly.partitions.workers.Workers.each`.
        """
        from filelock import FileLock, Timeout

        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                "another process works in this folder", source=self.folder, remedy="Wait until it is done."
            ) from error
        try:
            if _read(self.folder / _SETTINGS) != self._settings:
                self.clear()
                write_whole(self.folder / _SETTINGS, json.dumps(self._settings, indent=1))
            # of a process that was killed
            for left in self.folder.glob(".part-*"):
                left.unlink(missing_ok=True)
            records: dict[int, dict[str, Any]] = {}
            numbered = list(enumerate(items))
            for i, record in workers.each(_made, numbered, make=make, folder=self.folder, same=same):
                records[i] = record
                if progress is not None:
                    progress(len(records))
            ordered = [records[i] for i in range(len(numbered))]
            write_whole(
                self.folder / MANIFEST, json.dumps({"settings": self._settings, "parts": ordered}, indent=1)
            )
            return ordered
        finally:
            lock.release()

    def files(self, records: Sequence[Mapping[str, Any]]) -> list[Path]:
        """The files of these records."""
        return [self.folder / record["file"] for record in records]

    def clear(self) -> None:
        """Remove the files of this stage."""
        for name in (MANIFEST, _SETTINGS):
            (self.folder / name).unlink(missing_ok=True)
        for file in self.folder.glob("part-*"):
            file.unlink()

    def remove(self) -> None:
        """Remove the whole folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def has_parts(folder: Path) -> bool:
    """Whether a folder is that of a finished stage."""
    return (folder / MANIFEST).is_file()


def parts_of(folder: Path) -> list[Path]:
    """The files of a finished stage in order.

    Raises:
        DataNotFoundError: the folder is none.
    """
    manifest = _read(folder / MANIFEST)
    if manifest is None:
        raise DataNotFoundError(
            "the folder has no finished partitions",
            source=folder,
            remedy="Make them first, or give one file.",
        )
    return [folder / record["file"] for record in manifest["parts"]]


def state_of(files: Sequence[Path]) -> list[list[Any]]:
    """Name, size and time of files: it changes whenever one of them does."""
    return [[file.name, (state := file.stat()).st_size, state.st_mtime_ns] for file in files]


def write_whole(path: Path, text: str) -> None:
    """Write a text that has its name only once it is whole and on the disk."""
    new = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    with new.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(new, path)


def _made(
    item: tuple[int, Any], make: Callable[..., Mapping[str, Any]], folder: Path, same: Mapping[str, Any]
) -> dict[str, Any]:
    """The record of one partition, which is made unless it is there; runs in a worker."""
    i, given = item
    path, about = folder / f"part-{i:05d}.parquet", folder / f"part-{i:05d}.json"
    record = _read(about)
    if record is not None and path.is_file() and _sha256(path) == record["sha256"]:
        return record
    new = path.with_name(f".{path.stem}.{os.getpid()}.{os.urandom(4).hex()}.parquet")
    facts = make(given, new, **same)
    record = {
        "part": i,
        "file": path.name,
        "sha256": _sha256(new),
        "bytes": new.stat().st_size,
        "facts": facts,
    }
    with new.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(new, path)
    write_whole(about, json.dumps(record))
    return record


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
