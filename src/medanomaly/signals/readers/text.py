"""Text of a file whose encoding is not stated."""

from pathlib import Path


def read_text(path: str | Path) -> str:
    """UTF-8, UTF-16 with its mark, or else Latin-1; lines end in ``\\n``."""
    raw = Path(path).read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = raw.decode("utf-16", errors="replace")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            # every byte has a letter there, so that equal names stay equal
            text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")
