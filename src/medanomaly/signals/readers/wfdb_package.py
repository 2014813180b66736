"""The package that reads WFDB records; imported when one is read, since it brings matplotlib along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medanomaly.core.errors import ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType


def wfdb_package() -> ModuleType:
    """The package ``wfdb``.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        import wfdb
    except ImportError as error:
        raise ConfigurationError(
            "WFDB records need the package wfdb", remedy="pip install 'medanomaly[wfdb]'"
        ) from error
    return wfdb
