"""Keyed pseudonyms: without the key nobody can find out, by trying ids, whose pseudonym it is."""

import hashlib
import secrets

# for callers that name no key: pseudonyms then agree within a process, and with no other
_PROCESS_KEY = secrets.token_bytes(32)


def pseudonym(text: str, prefix: str, key: bytes | None = None) -> str:
    """``prefix`` and 16 hexadecimal digits of the keyed BLAKE2b hash of ``text``.

    Args:
        text: what must not be shown, such as a patient id or the name of a file.
        prefix: keeps hashes of different things apart.
        key: secret of the project, 1 to 64 bytes; None for a random one of this process.
    """
    key = _PROCESS_KEY if key is None else key
    # longer keys are hashed first; the prefix separates domains
    key = hashlib.blake2b(key, person=prefix.encode()[:16]).digest()
    return (
        prefix + hashlib.blake2b(text.encode("utf-8", "surrogateescape"), key=key, digest_size=8).hexdigest()
    )
