"""Modalities of the service: every module here holds one ``MODALITY``, and a new file is all that a new one needs."""

import importlib
import pkgutil

from medanomaly.service.routes import ServedModality


def served_modalities() -> list[ServedModality]:
    """Every modality, by name of its module."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{name}").MODALITY for name in names]
