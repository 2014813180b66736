"""What an environment that is written for somebody consists of, and how its YAML is spelt."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

# looks the same with and without quotes, to every reader of YAML
_BARE = re.compile(r"[A-Za-z_](?:[\w .-]*\w)?", re.ASCII)


@dataclass(frozen=True)
class Written:
    """The files of an environment, and what its reader is told.

    Attributes:
        files: name to text.
        said: sentences: what was found, and what to look at first.
    """

    files: Mapping[str, str]
    said: Sequence[str]


def scalar(text: str, *, key: bool = False) -> str:
    """A word of YAML. Only values need ``${`` escaped: Kedro's reader replaces nothing in a key."""
    if _BARE.fullmatch(text) and yaml.safe_load(text) == text and text.lower() not in ("y", "n"):
        return text
    if not key:
        text = text.replace("${", "\\${")
    return json.dumps(text, ensure_ascii=not text.isprintable())


def listed(names: Sequence[str]) -> str:
    """A list of YAML in one line."""
    return f"[{', '.join(map(scalar, names))}]"


def raw_path(path: Path) -> str:
    """A path as an environment writes it: below the folder of raw data if it lies there, so that both can move together."""
    path = path.resolve()
    folder = Path(os.environ.get("MEDANOMALY_DATA") or "data/01_raw").resolve()
    if path != folder and path.is_relative_to(folder):
        below = path.relative_to(folder).as_posix()
        return json.dumps("${globals:raw}/" + below.replace("${", "\\${"), ensure_ascii=False)
    if path.is_relative_to(Path.cwd()):
        return scalar(path.relative_to(Path.cwd()).as_posix())
    return scalar(path.as_posix())


def global_settings(name: str, *lines: str) -> str:
    """``globals.yml``."""
    head = ["# Name of the data set: in reports, and the folder of every output.", f"dataset: {scalar(name)}"]
    return "\n".join((*head, *lines)) + "\n"
