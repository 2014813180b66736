"""Decoder of the annotation files of the WFDB format: 16-bit words of a code (6 bits) and a time step (10 bits).

Source: PhysioNet, "WFDB Applications Guide", annot(5). They are decoded here because the ``wfdb`` package drops every
comment at sample 0, such as the mark of a stretch that begins with the recording.
"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from medanomaly.core.errors import InputError
from medanomaly.signals.recordings.annotation_text import CODE_NUMBERS, COMMENT

SYMBOL_OF_NUMBER = {number: symbol for symbol, number in CODE_NUMBERS.items()}
_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63
_RATE = re.compile(r"^## time resolution: ([\d.]+)")
_BEGIN, _END = "## annotation type definitions", "## end of definitions"
# codes that a file can define for itself
_OWN_CODES = range(42, 50)
# a week of beats with everything that can be said of them; more is no annotation file
_LARGEST_BYTES = 8 * 2**20
_DEFINITION = re.compile(r"^(\d+)\s+(\S+)\s*(.*)$")


@dataclass(frozen=True)
class StoredMarks:
    """Marks as they are stored: positions in the order of the file, codes as symbols, subtypes, texts, and the rate.

    ``fs`` is the rate in Hz that the file states for its positions, or None.
    """

    sample: list[int]
    symbol: list[str]
    subtype: list[int]
    text: list[str]
    fs: float | None


def decode_atr(path: str | Path) -> StoredMarks:
    """Decode an annotation file.

    Raises:
        InputError: the file is too large, does not end with the mark of its end (two zero bytes), or uses a code that
            neither the format nor the file defines.
    """
    if (size := Path(path).stat().st_size) > _LARGEST_BYTES:
        raise InputError(
            f"the annotation file has {size:,} bytes",
            remedy=f"Give at most {_LARGEST_BYTES:,}: divide the recording.",
            source=path,
        )
    raw = Path(path).read_bytes()
    marks: list[list] = []
    time, at, ended = 0, 0, False
    try:
        while at + 2 <= len(raw):
            (word,) = struct.unpack_from("<H", raw, at)
            at += 2
            if word == 0:
                ended = True
                break
            code, value = word >> 10, word & 0x3FF
            if code == _SKIP:
                high, low = struct.unpack_from("<HH", raw, at)
                at += 4
                step = (high << 16) | low
                time += step - (1 << 32) if step >= 1 << 31 else step
            elif code == _AUX:
                if at + value > len(raw):
                    raise struct.error("a text beyond the end")
                marks[-1][3] = raw[at : at + value].decode("utf-8", errors="replace").rstrip("\x00")
                at += value + value % 2
            elif code == _SUB:
                marks[-1][2] = struct.unpack("<b", bytes([value & 0xFF]))[0]
            elif code not in {_NUM, _CHN}:
                time += value
                # code 0 is not a mark, it only moves the time
                if code:
                    marks.append([time, code, 0, ""])
        if not ended:
            raise struct.error("no mark of its end")
    except (struct.error, IndexError) as error:
        raise InputError(
            f"the file is not a complete WFDB annotation file: it breaks off at byte {at}",
            remedy="Get the file again.",
            source=path,
        ) from error
    fs, own, marks = _definitions(marks)
    if unknown := sorted({code for _, code, _, _ in marks} - set(SYMBOL_OF_NUMBER) - set(own)):
        raise InputError(f"annotation codes {unknown} are not defined", source=path)
    names = SYMBOL_OF_NUMBER | own
    return StoredMarks(
        sample=[m[0] for m in marks],
        symbol=[names[m[1]] for m in marks],
        subtype=[m[2] for m in marks],
        text=[m[3].strip() for m in marks],
        fs=fs,
    )


def _definitions(marks: list[list]) -> tuple[float | None, dict[int, str], list[list]]:
    """Rate and codes that comments at sample 0 define, and the marks without these comments."""
    fs, own, rest, inside = None, {}, [], False
    for mark in marks:
        time, code, _, text = mark
        if time != 0 or code != CODE_NUMBERS[COMMENT]:
            rest.append(mark)
        elif rate := _RATE.match(text):
            fs = float(rate[1]) or None
        elif text.startswith(_BEGIN):
            inside = True
        elif text.startswith(_END):
            inside = False
        elif inside and (found := _DEFINITION.match(text)):
            own[int(found[1])] = found[2]
        elif (found := _DEFINITION.match(text)) and int(found[1]) in _OWN_CODES:
            # old files define codes without saying that they begin to
            own[int(found[1])] = found[2]
        else:
            rest.append(mark)
    return fs, own, rest
