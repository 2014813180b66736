"""The secret of a project that its pseudonyms are made with; it is kept beside its credentials, outside all outputs."""

import logging
import os
import secrets
from pathlib import Path

from kedro.utils import find_kedro_project

from medanomaly.core.errors import ConfigurationError

logger = logging.getLogger(__name__)

VARIABLE = "MEDANOMALY_PSEUDONYM_KEY"
FILE = Path("conf/local/pseudonym.key")
_SHORTEST = 16  # characters; a shorter key can be guessed


def project_key() -> bytes:
    """The key of the environment variable, else of ``conf/local/pseudonym.key``, which is made where it is absent.

    Raises:
        ConfigurationError: the key is shorter than 16 characters, or there is none and the file cannot be written.
    """
    given = os.environ.get(VARIABLE)
    if given is not None:
        return _checked(given, VARIABLE)
    path = (find_kedro_project(Path.cwd()) or Path.cwd()) / FILE
    try:
        if not path.exists():
            _make(path)
        return _checked(path.read_text("ascii"), FILE)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "the key of the pseudonyms can be neither read nor made",
            remedy=f"Set {VARIABLE} to a secret text, and keep it: other keys give other ids and another split.",
            source=FILE,
        ) from error


def _checked(text: str, source: object) -> bytes:
    if len(text.strip()) < _SHORTEST:
        raise ConfigurationError(
            f"the key of the pseudonyms has fewer than {_SHORTEST} characters", source=source
        )
    return text.strip().encode()


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # only its owner may read it, and of two runs at once one makes it
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(file, "w") as stream:
        stream.write(secrets.token_hex(32))
    logger.warning(
        "A key for pseudonyms was made in %s. Keep it: with another one, ids and split change.", FILE
    )
