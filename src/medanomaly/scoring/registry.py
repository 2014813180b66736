"""A registry of trained models: a folder of versions, and one small file that says which of them is the champion.

``aliases.json`` names the versions that are ``champion`` (answers), ``challenger`` (wants to) and ``previous`` (answered
before). Every change of it is one rename, so whoever reads it sees the state before or the state after, also where the
process that changed it was killed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medanomaly.core.bundle import Bundle, bundles_of
from medanomaly.core.errors import BundleError, ConfigurationError, DataNotFoundError

ALIASES = "aliases.json"
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
VERSIONS, COMPARISONS, MODELS, AUDIT = "versions", "comparisons", "models", "audit.json"
# steps of the past that are kept
_MOST_STEPS = 1000


@dataclass(frozen=True)
class Aliases:
    """Which version is what; None where none is.

    Attributes:
        champion, challenger, previous: versions.
        steps: what was done, the last one at the end: ``at``, ``what``, ``champion``.
    """

    champion: str | None = None
    challenger: str | None = None
    previous: str | None = None
    steps: tuple[Mapping[str, Any], ...] = ()


def is_registry(folder: Path) -> bool:
    """Whether a folder is a registry."""
    return (Path(folder) / ALIASES).is_file()


def read_aliases(folder: Path) -> Aliases:
    """The aliases of a registry.

    Raises:
        DataNotFoundError: the folder is none.
        BundleError: the file of aliases is damaged.
    """
    path = Path(folder) / ALIASES
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        found = [said.get(name) for name in (CHAMPION, CHALLENGER, PREVIOUS)]
        steps = tuple(said.get("steps", ()))
    except FileNotFoundError as error:
        raise DataNotFoundError(
            "this folder is no registry", source=folder, remedy="Make one: medanomaly registry add."
        ) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise BundleError(f"{ALIASES} cannot be read: {type(error).__name__}", source=folder) from error
    for version in found:
        if version is not None and (not isinstance(version, str) or Path(version).name != version):
            raise BundleError(f"{ALIASES} names '{version}', which is no version", source=folder)
    return Aliases(*found, steps)


def served_folder(folder: Path) -> Path:
    """The folder of models that is meant: the champion's where it is a registry, else the folder itself.

    Raises:
        DataNotFoundError: the registry has no champion yet.
    """
    if not is_registry(folder):
        return Path(folder)
    champion = read_aliases(folder).champion
    if champion is None:
        raise DataNotFoundError(
            "the registry has no champion yet",
            source=folder,
            remedy="Promote the challenger: medanomaly registry promote.",
        )
    return Path(folder) / VERSIONS / champion / MODELS


def version_of(bundles: list[Bundle]) -> str:
    """The version of a folder of models: the beginning of a hash of all its bundles."""
    hashes = sorted(bundle.bundle_hash for bundle in bundles)
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]


class Registry:
    """Versions and aliases in a folder.

    Args:
        folder: of the registry; :meth:`add` makes it.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)

    @property
    def aliases(self) -> Aliases:
        """Which version is what."""
        return read_aliases(self.folder)

    def models(self, version: str) -> Path:
        """The folder of models of a version.

        Raises:
            DataNotFoundError: there is no such version.
        """
        path = self.folder / VERSIONS / version / MODELS
        if Path(version).name != version or not path.is_dir():
            known = ", ".join(self.versions()) or "none"
            raise DataNotFoundError(
                f"there is no version '{version}'", source=self.folder, remedy=f"There are {known}."
            )
        return path

    def versions(self) -> list[str]:
        """All versions, the one that was added first at the beginning."""
        found = [
            path
            for path in (self.folder / VERSIONS).glob("*")
            if (path / MODELS).is_dir() and path.name[0] != "."
        ]
        return [
            path.name for path in sorted(found, key=lambda path: (self.about(path.name)["added"], path.name))
        ]

    def about(self, version: str) -> dict[str, Any]:
        """What is known of a version: ``added``, ``source``."""
        return json.loads((self.folder / VERSIONS / version / "about.json").read_text(encoding="utf-8"))

    def audit(self, version: str) -> Any:
        """The audit of the run that trained a version; None where none was given."""
        path = self.folder / VERSIONS / version / AUDIT
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def comparison(self, challenger: str, champion: str, modality: str) -> dict[str, Any] | None:
        """The comparison of two versions on cases of a modality that lies here; None where there is none."""
        path = self.comparison_path(challenger, champion, modality)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def comparison_path(self, challenger: str, champion: str, modality: str) -> Path:
        """Where the comparison of two versions lies."""
        return self.folder / COMPARISONS / f"{challenger}-{champion}" / f"{modality}.json"

    def changed_modalities(self, challenger: str, champion: str) -> list[str]:
        """Modalities whose bundles are not the same in two versions."""
        made: list[dict[str, set[str]]] = []
        for version in (challenger, champion):
            made.append({})
            for bundle in bundles_of(self.models(version)):
                made[-1].setdefault(bundle.manifest.modality, set()).add(bundle.bundle_hash)
        # a fusion belongs to no modality: it changes with the models that it fuses
        known = {bundle_of for of in made for bundle_of in of} - {"patients", ""}
        return sorted(name for name in known if made[0].get(name) != made[1].get(name))

    def add(self, source: Path | str, audit: Path | str | None = None) -> str:
        """Copy the models of a run into the registry as the challenger.

        Args:
            source: ``06_models/<data set>`` of a run.
            audit: ``audit.json`` of the run; None takes the one beside its report, where it is.

        Returns:
            The version. Models that are here already are not copied again.

        Raises:
            BundleError, DataNotFoundError: the models cannot be opened.
            ConfigurationError: they are the champion already.
        """
        from medanomaly.scoring.models import open_models

        source = Path(source)
        open_models(source)
        version = version_of(bundles_of(source))
        place = self.folder / VERSIONS / version
        if not place.is_dir():
            staging = place.with_name(f".{version}.new")
            shutil.rmtree(staging, ignore_errors=True)
            shutil.copytree(source, staging / MODELS, ignore=shutil.ignore_patterns(".*", "*.tuned.json"))
            found = Path(audit) if audit is not None else _audit_beside(source)
            if found is not None:
                shutil.copyfile(found, staging / AUDIT)
            about = {"added": datetime.now(UTC).isoformat(), "source": source.name}
            (staging / "about.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
            # the copy is what was opened
            if version_of(bundles_of(staging / MODELS)) != version:
                shutil.rmtree(staging)
                raise BundleError(
                    "the models changed while they were copied", source=source, remedy="Add them again."
                )
            os.replace(staging, place)
        with self._changing() as now:
            if now.champion == version:
                raise ConfigurationError(f"version {version} is the champion already", source=self.folder)
            self._write(now, "added", champion=now.champion, challenger=version, previous=now.previous)
        return version

    def promote(self) -> str:
        """Make the challenger the champion; the champion becomes the previous one. One rename.

        Returns:
            The new champion.

        Raises:
            ConfigurationError: there is no challenger, or no comparison of the two that it passed.
        """
        with self._changing() as now:
            if now.challenger is None:
                raise ConfigurationError(
                    "there is no challenger", source=self.folder, remedy="Add one: medanomaly registry add."
                )
            self.models(now.challenger)
            if now.champion is not None:
                self._check_compared(now.challenger, now.champion)
            self._write(now, "promoted", champion=now.challenger, challenger=None, previous=now.champion)
            return now.challenger

    def roll_back(self) -> str:
        """Make the previous version the champion again; the champion becomes the challenger. One rename.

        Before it can be promoted again it has to be compared again.

        Returns:
            The new champion.

        Raises:
            ConfigurationError: there is no previous version.
        """
        with self._changing() as now:
            if now.previous is None:
                raise ConfigurationError("there is no previous version to go back to", source=self.folder)
            self.models(now.previous)
            if now.champion is not None:
                # what was rolled back does not come again by a comparison of before
                shutil.rmtree(self.comparison_path(now.champion, now.previous, "").parent, ignore_errors=True)
            self._write(now, "rolled back", champion=now.previous, challenger=now.champion, previous=None)
            return now.previous

    def _check_compared(self, challenger: str, champion: str) -> None:
        for modality in self.changed_modalities(challenger, champion):
            found = self.comparison(challenger, champion, modality)
            if found is None:
                raise ConfigurationError(
                    f"the challenger {challenger} was not compared with the champion {champion} on {modality} cases",
                    source=self.folder,
                    remedy="Compare them on recent cases with labels: medanomaly registry compare.",
                )
            if not found["passed"]:
                failed = "; ".join(
                    one["sentence"].rstrip(".") for one in found["criteria"] if not one["passed"]
                )
                raise ConfigurationError(
                    f"the challenger {challenger} did not pass: {failed}",
                    source=self.folder,
                    remedy="Train a better one, or compare again on more cases.",
                )

    @contextmanager
    def _changing(self) -> Iterator[Aliases]:
        """The aliases, while no other process changes them."""
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock", timeout=60):
            yield self.aliases if is_registry(self.folder) else Aliases()

    def _write(self, before: Aliases, what: str, **now: str | None) -> None:
        step = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "what": what, CHAMPION: now[CHAMPION]}
        said = now | {"steps": [*before.steps, step][-_MOST_STEPS:]}
        beside = self.folder / f".{ALIASES}.new"
        with beside.open("w", encoding="utf-8") as stream:
            json.dump(said, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, self.folder / ALIASES)
        _sync_folder(self.folder)


def _sync_folder(folder: Path) -> None:
    """Let the rename survive a power cut, where the system can say so."""
    if os.name != "posix":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _audit_beside(source: Path) -> Path | None:
    """``audit.json`` of the report of the same run."""
    source = source.resolve()
    path = source.parent.parent / "08_reporting" / source.name / AUDIT
    return path if path.is_file() else None
