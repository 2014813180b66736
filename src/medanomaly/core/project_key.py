"""Secrets of a project, which pseudonyms are made with; each is kept beside its credentials, outside all outputs."""

import logging
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from medanomaly.core.errors import ConfigurationError

logger = logging.getLogger(__name__)

_SHORTEST = 16  # characters; a shorter key can be guessed


@dataclass(frozen=True)
class ProjectKey:
    """Where a secret lies.

    Attributes:
        purpose: whose key it is, in a sentence: ``the pseudonyms``.
        variable: environment variable that is asked first.
        file: below the folder of the project; it is made where it is absent.
        kept_because: what another key would change.
    """

    purpose: str
    variable: str
    file: Path
    kept_because: str

    def read(self) -> bytes:
        """The key of the environment variable, else of the file.

        Raises:
            ConfigurationError: the key is shorter than 16 characters, or there is none and the file cannot be written.
        """
        given = os.environ.get(self.variable)
        if given is not None:
            return self._checked(given, self.variable)
        path = _project_folder() / self.file
        try:
            if not path.exists():
                self._make(path)
            return self._checked(path.read_text("ascii"), self.file)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"the key of {self.purpose} can be neither read nor made",
                remedy=f"Set {self.variable} to a secret text, and keep it: {self.kept_because}.",
                source=self.file,
            ) from error

    def exists(self) -> bool:
        """Whether there is a key, without making one."""
        return self.variable in os.environ or (_project_folder() / self.file).is_file()

    def _checked(self, text: str, source: object) -> bytes:
        if len(text.strip()) < _SHORTEST:
            raise ConfigurationError(
                f"the key of {self.purpose} has fewer than {_SHORTEST} characters", source=source
            )
        return text.strip().encode()

    def _make(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # only its owner may read it; the name appears with the whole text, and of two runs at once one makes it
        handle, written = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w") as stream:
                stream.write(secrets.token_hex(32))
            os.link(written, path)
        except FileExistsError:
            return
        finally:
            os.unlink(written)
        logger.warning(
            "A key for %s was made in %s. Keep it: %s.", self.purpose, self.file, self.kept_because
        )


def _project_folder() -> Path:
    """The Kedro project that the working folder lies in, else the working folder; Kedro itself is not needed to find it."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        described = folder / "pyproject.toml"
        if described.is_file() and "[tool.kedro]" in described.read_text("utf-8", errors="replace"):
            return folder
    return here
