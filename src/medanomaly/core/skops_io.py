"""Fitted estimators as skops files, which hold no code; the types that may be built are named by whoever reads."""

import importlib
import sys
from collections.abc import Sequence
from typing import Any

# skops lists every estimator of scikit-learn when it is imported. scikit-learn's adapters for other array libraries are
# packages on that way, and import them: torch alone costs seconds and hundreds of megabytes
_ADAPTERS = tuple(f"sklearn.externals.array_api_compat.{name}" for name in ("torch", "dask", "cupy"))


def dumps(estimator: Any) -> bytes:
    """An estimator as the content of a ``.skops`` file."""
    return _skops().dumps(estimator)


def loads(content: bytes, trusted: Sequence[str]) -> Any:
    """The estimator of a ``.skops`` file.

    Args:
        content: of the file.
        trusted: full names of the types that may be built besides plain values, arrays and scikit-learn's own.
    """
    return _skops().loads(content, trusted=list(trusted))


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
