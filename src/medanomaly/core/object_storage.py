"""A folder and its copy in object storage (S3 and whatever else fsspec reaches): only what changed goes over."""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from medanomaly.core.bundle import MANIFEST
from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError

# what was last brought over, beside the folders it speaks of
INDEX = ".stored.json"
# locks and halves of files
_OURS = (INDEX, ".lock")
_HALF = ".part"


class ObjectStorage:
    """A local folder that object storage holds as well.

    Files are compared by what was last brought over: an entity tag or time there, size and time here. Nothing is guessed: a
    file that changed on both sides is refused.

    Args:
        folder: here.
        url: there, such as ``s3://bucket/prefix``; keys and endpoint come from the environment, as fsspec's file system
            reads them (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ...).

    Raises:
        ConfigurationError: the URL cannot be opened, or the package that reaches it is not installed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as here, TemporaryDirectory() as there:
        ...     _ = Path(here, "scores.csv").write_text("case_id,score")
        ...     storage = ObjectStorage(here, f"file://{there}")
        ...     storage.push(lambda path: True), storage.push(lambda path: True)
        (['scores.csv'], [])
    """

    def __init__(self, folder: str | Path, url: str):
        self.folder, self.url = Path(folder), url.rstrip("/")
        if "://" not in url:
            raise ConfigurationError(
                f"'{url}' is no address of object storage",
                remedy="Set MEDANOMALY_STORAGE=s3://bucket/prefix.",
            )
        with self._reached("opened"):
            self._fs, root = _filesystem(self.url)
        self._root = root.rstrip("/")
        self._index: dict[str, list[Any]] = self._read_index()

    def pull(self, wanted: Callable[[str], bool], within: str = "") -> list[str]:
        """Bring what is newer there, or absent here; returns the relative paths that were brought.

        Args:
            wanted: whether a relative path is looked at.
            within: look only at ``<any folder>/<within>``, where the storage holds much else.

        Raises:
            InputError: a file changed here and there since they were equal; nothing was brought.
        """
        there = self._there(within)
        fetched = []
        for path, (key, size) in there.items():
            if not wanted(path) or _ours(path):
                continue
            known, here = self._index.get(path), self._state(path)
            if here is not None and known is not None and known[0] == key:
                continue
            if here is not None and (known is None or here != known[1:]):
                self._refuse_unless_equal(path, key, size, here)
                continue
            fetched.append((path, key, size))
        for path, key, size in fetched:
            self._fetch(path, key, size)
        if fetched:
            self._save_index()
        return [path for path, *_ in fetched]

    def push(self, wanted: Callable[[str], bool]) -> list[str]:
        """Send what changed here, remove there what was removed here; returns the relative paths that were sent or removed.

        Args:
            wanted: whether a relative path is looked at.
        """
        here = {path for path in self._here() if wanted(path)}
        changed = [p for p in here if (known := self._index.get(p)) is None or known[1:] != self._state(p)]
        # a bundle counts from when its manifest is there
        changed.sort(key=lambda path: (PurePosixPath(path).name == MANIFEST, path))
        gone = [path for path in self._index if wanted(path) and path not in here]
        for path in changed:
            with self._reached("written", path):
                self._fs.put_file(str(self.folder / path), f"{self._root}/{path}")
        for path in gone:
            with self._reached("removed", path):
                if self._fs.exists(f"{self._root}/{path}"):
                    self._fs.rm_file(f"{self._root}/{path}")
            del self._index[path]
        for path in changed:
            with self._reached("read", path):
                self._fs.invalidate_cache()
                info = self._fs.info(f"{self._root}/{path}")
            state = self._state(path)
            if state is None or info["size"] != state[0]:
                raise InputError(
                    "the copy has another size than the file",
                    source=f"{self.url}/{path}",
                    remedy="Run the command again.",
                )
            self._index[path] = [_key(info), *state]
        if changed or gone:
            self._save_index()
        return [*changed, *gone]

    def _refuse_unless_equal(self, path: str, key: str, size: int, here: list[Any]) -> None:
        if size == here[0]:
            with self._reached("read", path):
                equal = self._fs.cat_file(f"{self._root}/{path}") == (self.folder / path).read_bytes()
            if equal:
                self._index[path] = [key, *here]
                return
        raise InputError(
            "the file differs from its copy in the object storage, and each may be the newer one",
            source=self.folder / path,
            remedy=f"Remove the file, or the copy {self.url}/{path}.",
        )

    def _fetch(self, path: str, key: str, size: int) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(target.name + _HALF)
        with self._reached("read", path):
            self._fs.get_file(f"{self._root}/{path}", str(half))
        if half.stat().st_size != size:
            half.unlink()
            raise InputError(
                "the file was not received to its end",
                source=f"{self.url}/{path}",
                remedy="Run the command again.",
            )
        os.replace(half, target)
        state = target.stat()
        self._index[path] = [key, state.st_size, state.st_mtime_ns]

    def _there(self, within: str = "") -> dict[str, tuple[str, int]]:
        with self._reached("listed"):
            self._fs.invalidate_cache()
            try:
                parts = [self._root]
                if within:
                    parts = [f"{part.rstrip('/')}/{within}" for part in self._fs.ls(self._root, detail=False)]
                found: dict[str, Any] = {}
                for part in parts:
                    found |= self._fs.find(part, detail=True)
            except FileNotFoundError:
                return {}
        cut = len(self._root) + 1
        return {name[cut:]: (_key(info), info["size"]) for name, info in sorted(found.items())}

    def _here(self) -> Iterator[str]:
        for parent, _, names in os.walk(self.folder):
            for name in names:
                path = (Path(parent) / name).relative_to(self.folder).as_posix()
                if not _ours(path):
                    yield path

    def _state(self, path: str) -> list[int] | None:
        try:
            found = (self.folder / path).stat()
        except FileNotFoundError:
            return None
        return [found.st_size, found.st_mtime_ns]

    def _read_index(self) -> dict[str, list[Any]]:
        try:
            kept = json.loads((self.folder / INDEX).read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        # what was compared with another storage says nothing about this one
        return kept["files"] if kept.get("url") == self.url else {}

    def _save_index(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        half = self.folder / (INDEX + _HALF)
        half.write_text(json.dumps({"url": self.url, "files": self._index}, sort_keys=True), "utf-8")
        os.replace(half, self.folder / INDEX)

    @contextmanager
    def _reached(self, done: str, path: str = "") -> Iterator[None]:
        source = f"{self.url}/{path}" if path else self.url
        try:
            yield
        except (ConfigurationError, InputError):
            raise
        except ImportError as error:
            raise ConfigurationError(
                f"the package that reaches it is not installed: {error}",
                source=source,
                remedy="For s3:// it comes with pip install 'medanomaly[s3]'.",
            ) from error
        # each file system has errors of its own: no network, no permission, no bucket
        except Exception as error:
            raise ConfigurationError(
                f"it cannot be {done}: {type(error).__name__}: {error}",
                source=source,
                remedy="Check the address, the keys and the endpoint (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...).",
            ) from error


def fetched_folder(url: str, cache: str | Path) -> Path:
    """A folder of object storage, brought into a folder of the cache that belongs to its address; only changes are fetched.

    Raises:
        DataNotFoundError: there is nothing.
        ConfigurationError: it cannot be reached.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as there, TemporaryDirectory() as cache:
        ...     _ = Path(there, "manifest.json").write_text("{}")
        ...     fetched_folder(f"file://{there}", cache).joinpath("manifest.json").read_text()
        '{}'
    """
    folder = Path(cache) / hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
    storage = ObjectStorage(folder, url)
    there = storage._there()
    if not there:
        raise DataNotFoundError("there is nothing", source=url, remedy="Check the address.")
    for path in set(storage._here()) - set(there):
        (folder / path).unlink()
    storage.pull(lambda path: True)
    return folder


def _filesystem(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    # object storage has no folders that have to be made first
    return url_to_fs(url, **({"auto_mkdir": True} if url.startswith("file:") else {}))


def _key(info: dict[str, Any]) -> str:
    """What changes when the file does: its entity tag, else size and time."""
    tag = info.get("ETag") or info.get("etag") or info.get("md5Hash")
    return str(tag) if tag else f"{info['size']} {info.get('mtime') or info.get('LastModified')}"


def _ours(path: str) -> bool:
    name = PurePosixPath(path).name
    return name in _OURS or name.endswith((_HALF, ".tmp"))


def below(folders: Collection[str]) -> Callable[[str], bool]:
    """Whether a relative path is one of these, or lies below one.

    Example:
        >>> wanted = below(["06_models/ward"])
        >>> wanted("06_models/ward/tabular/ecdf/model.onnx"), wanted("08_reporting/ward/report.html")
        (True, False)
    """
    kept = {PurePosixPath(folder) for folder in folders}
    return lambda path: not kept.isdisjoint([PurePosixPath(path), *PurePosixPath(path).parents])
