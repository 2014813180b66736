"""The secret of a project that the pseudonyms of its files are made with."""

from pathlib import Path

from medanomaly.core.project_key import ProjectKey

VARIABLE = "MEDANOMALY_PSEUDONYM_KEY"
FILE = Path("conf/local/pseudonym.key")
_KEY = ProjectKey("the pseudonyms", VARIABLE, FILE, "with another key, ids and split change")


def project_key() -> bytes:
    """The key of the environment variable, else of ``conf/local/pseudonym.key``, which is made where it is absent.

    Raises:
        ConfigurationError: the key is shorter than 16 characters, or there is none and the file cannot be written.
    """
    return _KEY.read()
