"""Keyed hashes in place of ids: who has the database alone can neither read nor guess whose rows they are."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from medanomaly.core.project_key import ProjectKey

SUBJECT_KEY = ProjectKey(
    "the subjects of the store",
    "MEDANOMALY_SUBJECT_KEY",
    Path("conf/local/subject.key"),
    "with another key, the history of every patient is lost",
)
# 128 bits in hexadecimal digits
KEY_LENGTH = 32
HASH_LENGTH = 64
# BLAKE2b takes keys of up to 64 bytes
_LONGEST = 64


class Keys:
    """Keyed BLAKE2b, with a domain per purpose, so that hashes of one purpose say nothing of another.

    Args:
        key: secret of the project; a longer one than 64 bytes is hashed first.
    """

    def __init__(self, key: bytes):
        self._key = key if len(key) <= _LONGEST else hashlib.blake2b(key).digest()

    def hashes(self, domain: str, texts: Iterable[str | bytes]) -> list[str]:
        """One hash of ``KEY_LENGTH`` hexadecimal digits per text."""
        start = self._start(domain, KEY_LENGTH // 2)
        out = []
        for text in texts:
            hashed = start.copy()
            hashed.update(text if isinstance(text, bytes) else text.encode())
            out.append(hashed.hexdigest())
        return out

    def hash(self, domain: str, text: str) -> str:
        """One hash of ``KEY_LENGTH`` hexadecimal digits."""
        return self.hashes(domain, [text])[0]

    def seal(self, text: str) -> str:
        """A hash of ``HASH_LENGTH`` hexadecimal digits that only who has the key can make, for the audit chain."""
        hashed = self._start("audit", HASH_LENGTH // 2)
        hashed.update(text.encode())
        return hashed.hexdigest()

    def _start(self, domain: str, size: int):
        return hashlib.blake2b(digest_size=size, key=self._key, person=domain.encode())
