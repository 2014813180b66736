"""Model bundles: a folder of safe files with a manifest that holds the hash of each.

Nothing in a bundle is ever unpickled. A folder is refused when a file is missing, altered, not listed in the manifest, or
of a kind that can carry code; the manifest carries a hash of itself, so that thresholds cannot be edited unnoticed. The
hashes detect damage and careless edits, not an attacker who rewrites the whole folder: for that, sign it or keep the
``bundle_hash`` elsewhere.
"""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medanomaly.core.errors import BundleError, DataNotFoundError
from medanomaly.core.manifest import FORMAT_VERSION, Manifest, from_version_1

MANIFEST = "manifest.json"
# name of the bundle of a recipe, in the folder of its modality
RECIPE = "recipe"
# and of that of the alarm
ALARM = "alarm"
# and of what new cases are compared with
REFERENCE = "reference"
# left behind by a file manager that looked into the folder; never read
DESKTOP_FILES = (".DS_Store", "Thumbs.db", "desktop.ini")
SAFE_SUFFIXES = (".onnx", ".npy", ".safetensors", ".skops", ".md")
# entries that are no part of what a bundle is
_SEAL, _TIME = "manifest_sha256", "created"


@dataclass(frozen=True)
class Bundle:
    """A model as files in memory: ``manifest`` and ``files`` (name to content)."""

    manifest: Manifest
    files: dict[str, bytes]

    # every answer names it
    @cached_property
    def bundle_hash(self) -> str:
        """SHA-256 of the manifest, which holds the hash of every file, without the time of making.

        Two trainings with equal code, libraries, data, parameters and seed give the same hash.
        """
        return _manifest_hash(self.manifest, without=(_SEAL, _TIME))

    def array(self, name: str) -> np.ndarray:
        """The ``.npy`` file ``name`` as an array; object arrays, which would need pickle, are refused."""
        try:
            return np.load(io.BytesIO(self.files[name]), allow_pickle=False)
        except KeyError:
            raise BundleError(
                f"'{name}' is not in the bundle", remedy=f"It holds {sorted(self.files)}."
            ) from None
        except ValueError as error:
            raise BundleError(f"'{name}' is no plain array: {error}") from error


def array_bytes(array: np.ndarray) -> bytes:
    """An array as the content of a ``.npy`` file.

    Example:
        >>> array_bytes(np.arange(3.0))[:6]
        b'\\x93NUMPY'
    """
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _manifest_hash(manifest: Mapping[str, Any], without: Collection[str] = (_SEAL,)) -> str:
    content = {key: value for key, value in manifest.items() if key not in without}
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _check_name(name: str, source: object) -> None:
    if Path(name).name != name or name.startswith(".") or "\\" in name:
        raise BundleError(f"'{name}' is not a plain file name", source=source)
    if Path(name).suffix not in SAFE_SUFFIXES:
        raise BundleError(
            f"'{name}' is of a kind that is never loaded",
            remedy=f"A bundle holds {MANIFEST} and files ending in {', '.join(SAFE_SUFFIXES)}.",
            source=source,
        )


def make_bundle(manifest: Mapping[str, Any], files: dict[str, bytes]) -> Bundle:
    """Seal ``files`` under ``manifest``: adds the format version, the hash of every file and of the manifest itself.

    Raises:
        BundleError: a file name is not plain or of an unsafe kind, or the manifest is not JSON (NaN included).

    Example:
        >>> about = {"kind": "ecdf", "name": "mine", "modality": "tabular"}
        >>> bundle = make_bundle(about, {"calibration.npy": array_bytes(np.arange(3.0))})
        >>> bundle.array("calibration.npy").tolist(), len(bundle.bundle_hash)
        ([0.0, 1.0, 2.0], 64)
    """
    for name in files:
        _check_name(name, "new bundle")
    sealed = dict(manifest) | {
        "format_version": FORMAT_VERSION,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    try:
        sealed = json.loads(json.dumps(sealed, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise BundleError(f"the manifest is not plain JSON: {error}") from error
    return Bundle(Manifest(sealed | {_SEAL: _manifest_hash(sealed)}), dict(files))


def write_bundle(folder: Path, bundle: Bundle) -> None:
    """Write the bundle as ``folder``, replacing what was there only once the new one is complete.

    A process that is killed in between leaves the one before, which :func:`read_bundle` finds. Of a folder that it wrote
    half the next call leaves nothing.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> about = {"kind": "ecdf", "name": "mine", "modality": "tabular"}
        >>> bundle = make_bundle(about, {"calibration.npy": array_bytes(np.arange(3.0))})
        >>> with TemporaryDirectory() as folder:
        ...     write_bundle(Path(folder) / "mine", bundle)
        ...     read_bundle(Path(folder) / "mine").bundle_hash == bundle.bundle_hash
        True
    """
    folder = Path(folder)
    staging, before = _beside(folder, "new"), _before(folder)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        for name, content in bundle.files.items():
            _check_name(name, folder)
            (staging / name).write_bytes(content)
        (staging / MANIFEST).write_text(json.dumps(dict(bundle.manifest), indent=1, allow_nan=False) + "\n")
        if folder.exists():
            shutil.rmtree(before, ignore_errors=True)
            os.replace(folder, before)
        os.replace(staging, folder)
        shutil.rmtree(before, ignore_errors=True)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")


def _before(folder: Path) -> Path:
    """Where the bundle that is being replaced waits until the new one is in place."""
    return _beside(folder, "before")


def read_bundle(folder: Path) -> Bundle:
    """Read and verify a bundle.

    Raises:
        BundleError: the folder or a file is missing, altered, unlisted, of an unsafe kind, or the format is unknown.

    Example:
        >>> sorted(read_bundle("data/06_models/synthetic/tabular/ecdf").files)[0]
        'calibration.npy'
    """
    folder = Path(folder)
    if not folder.exists() and _before(folder).is_dir():
        os.replace(_before(folder), folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(
            f"there is no {MANIFEST}",
            remedy="Train the model first, or point to the bundle's folder.",
            source=folder,
        )
    try:
        manifest = json.loads(path.read_bytes())
        listed = dict(manifest["sha256"])
        stated = manifest[_SEAL]
        # refuses NaN and numbers beyond float64 too
        found = _manifest_hash(manifest)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} cannot be read: {error!r}", source=folder) from error
    if manifest.get("format_version") not in (1, FORMAT_VERSION):
        raise BundleError(
            f"bundle format {manifest.get('format_version')}",
            remedy=f"Expected {FORMAT_VERSION}.",
            source=folder,
        )
    if found != stated:
        raise BundleError(
            f"{MANIFEST} was altered",
            remedy="Train again, or fetch the bundle from where it came.",
            source=folder,
        )
    present = {entry.name for entry in folder.iterdir()} - {MANIFEST, *DESKTOP_FILES}
    for name in sorted(present | set(listed)):
        _check_name(name, folder)
    if present != set(listed):
        raise BundleError(
            f"files and manifest differ: missing {sorted(set(listed) - present)}, unlisted {sorted(present - set(listed))}",
            source=folder,
        )
    files = {}
    for name, expected in listed.items():
        # reading a pipe would wait for ever
        if (folder / name).is_symlink() or not (folder / name).is_file():
            raise BundleError(
                f"'{name}' is a link or no file", remedy="A bundle holds its files itself.", source=folder
            )
        content = (folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != expected:
            raise BundleError(
                f"'{name}' was altered: its hash is not the one in {MANIFEST}",
                remedy="Train again, or fetch the bundle from where it came.",
                source=folder,
            )
        files[name] = content
    if manifest["format_version"] == 1:
        return make_bundle(from_version_1(manifest), files)
    return Bundle(Manifest(manifest), files)


def bundles_of(folder: Path) -> list[Bundle]:
    """The bundles of models and recipes in a folder of a run, or the one bundle that the folder is.

    Raises:
        DataNotFoundError: there is no such folder.
        BundleError: a bundle was altered.

    Example:
        >>> "ecdf" in {bundle.manifest.name for bundle in bundles_of(Path("data/06_models/synthetic"))}
        True
    """
    if not folder.is_dir():
        raise DataNotFoundError(
            "there is no such folder",
            source=folder,
            remedy="Train first (kedro run), or give a folder of 06_models.",
        )
    if (folder / MANIFEST).is_file():
        return [read_bundle(folder)]
    found = sorted(path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{MANIFEST}"))
    return [read_bundle(path) for path in found if not path.name.startswith(".")]
