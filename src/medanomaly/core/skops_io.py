"""Fitted estimators as skops files, which hold no code; the types that may be built are named by whoever reads."""

import importlib
import io
import json
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SCHEMA = "schema.json"

# skops lists every estimator of scikit-learn when it is imported. scikit-learn's adapters for other array libraries are
# packages on that way, and import them: torch alone costs seconds and hundreds of megabytes
_ADAPTERS = tuple(f"sklearn.externals.array_api_compat.{name}" for name in ("torch", "dask", "cupy"))


def dumps(estimator: Any) -> bytes:
    """An estimator as the content of a ``.skops`` file; equal estimators give equal bytes."""
    return _canonical(_skops().dumps(estimator))


def loads(content: bytes, trusted: Sequence[str]) -> Any:
    """The estimator of a ``.skops`` file.

    Args:
        content: of the file.
        trusted: full names of the types that may be built besides plain values, arrays and scikit-learn's own.
    """
    return _skops().loads(content, trusted=list(trusted))


def _canonical(content: bytes) -> bytes:
    """The same file without the time of writing, and with numbers in the order of the schema.

    skops names objects and the files of arrays after memory addresses, which are others in every process.
    """
    source = zipfile.ZipFile(io.BytesIO(content))
    schema = json.loads(source.read(_SCHEMA))
    names: dict[str, str] = {}
    _number(schema, {}, names)
    target = io.BytesIO()
    # a ZipInfo of its own has a fixed date
    with zipfile.ZipFile(target, "w") as archive:
        for name, number in names.items():
            archive.writestr(zipfile.ZipInfo(number), source.read(name))
        archive.writestr(zipfile.ZipInfo(_SCHEMA), json.dumps(schema, indent=2))
    return target.getvalue()


def _number(state: Any, ids: dict[Any, int], names: dict[str, str]) -> None:
    """Rename the objects and files of a schema in place; ``ids`` and ``names`` map old to new."""
    if isinstance(state, list):
        for part in state:
            _number(part, ids, names)
    if not isinstance(state, dict):
        return
    # in a node this is text; in a dict of the estimator that has such a key, it is a node
    if isinstance(loader := state.get("__loader__"), str):
        if "__id__" in state:
            # whether equal texts and numbers are one object is a matter of the interpreter: each gets a number of its own
            key = object() if loader == "JsonNode" else state["__id__"]
            state["__id__"] = ids.setdefault(key, len(ids) + 1)
        if isinstance(file := state.get("file"), str):
            state["file"] = names.setdefault(file, f"{len(names) + 1}{Path(file).suffix}")
    for part in state.values():
        _number(part, ids, names)


def _skops() -> Any:
    if "skops.io" in sys.modules:
        return sys.modules["skops.io"]
    absent = [name for name in _ADAPTERS if name not in sys.modules]
    # an import of a name that stands for None fails like that of a library which is not installed
    sys.modules.update(dict.fromkeys(absent))
    try:
        return importlib.import_module("skops.io")
    finally:
        for name in absent:
            sys.modules.pop(name, None)
