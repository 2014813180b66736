"""API keys: random text of 256 bits, of which only the SHA-256 is kept, with the scopes that each may use."""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers

from medanomaly.core.errors import ConfigurationError
from medanomaly.service.problems import Problem

SCOPES = ("score", "explain", "review", "admin")
PREFIX = "mak_"


@dataclass(frozen=True)
class Key:
    """A key as it is kept.

    Attributes:
        name: whose it is, for whoever looks after the file.
        sha256: of the key; a key of 256 random bits needs no salt and no slow hash.
        scopes: what it may be used for.
    """

    name: str
    sha256: str
    scopes: frozenset[str]


class Keys:
    """The keys of a service; None as ``keys`` asks nobody for one."""

    def __init__(self, keys: Collection[Key] | None):
        self._keys = None if keys is None else list(keys)

    @property
    def asked(self) -> bool:
        """Whether a key is asked for."""
        return self._keys is not None

    @property
    def count(self) -> int:
        """How many keys there are."""
        return len(self._keys or ())

    def check(self, headers: Headers, scope: str) -> None:
        """Let a request through, or raise the :class:`Problem` that says what it lacks."""
        if self._keys is None:
            return
        given = headers.get("x-api-key", "")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            given = token.strip()
        found = self._scopes(given)
        if found is None:
            raise Problem(
                401,
                "unauthorized",
                "A valid API key is needed, as X-API-Key or as Authorization: Bearer.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if scope not in found:
            raise Problem(403, "forbidden", f"This API key does not have the scope '{scope}'.")

    def _scopes(self, given: str) -> frozenset[str] | None:
        digest = _digest(given)
        found = None
        # all are compared, so that the time says nothing
        for key in self._keys or ():
            if hmac.compare_digest(key.sha256, digest):
                found = key.scopes
        return found


def read_keys(path: Path | None) -> Keys:
    """The keys of a file.

    Raises:
        ConfigurationError: there is no such file, or it holds something else.
    """
    if path is None:
        return Keys(None)
    try:
        entries = json.loads(Path(path).read_text("utf-8"))["keys"]
        keys = [Key(str(e["name"]), str(e["sha256"]), frozenset(e["scopes"])) for e in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"the file of API keys cannot be read: {type(error).__name__}",
            remedy="Make one with python -m medanomaly.service key FILE NAME.",
            source=path,
        ) from error
    if not keys or any(not key.scopes <= set(SCOPES) or len(key.sha256) != 64 for key in keys):
        raise ConfigurationError(
            "the file holds no key, or one without a hash or with an unknown scope",
            remedy=f"Scopes are {', '.join(SCOPES)}.",
            source=path,
        )
    return Keys(keys)


def add_key(path: Path, name: str, scopes: Collection[str]) -> str:
    """Make a key and add its hash to the file, which only its owner can read.

    Returns:
        The key, which is kept nowhere.

    Raises:
        ConfigurationError: a scope is not known, or the file holds something else.
    """
    if unknown := set(scopes) - set(SCOPES):
        raise ConfigurationError(
            f"unknown scopes {sorted(unknown)}", remedy=f"Known are {', '.join(SCOPES)}."
        )
    path, key = Path(path), PREFIX + secrets.token_urlsafe(32)
    if path.exists():
        read_keys(path)
        kept = json.loads(path.read_text("utf-8"))["keys"]
    else:
        kept = []
    kept.append({"name": name, "sha256": _digest(key), "scopes": sorted(set(scopes))})
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"keys": kept}, file, indent=1)
    return key


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
