"""The kinds of detectors of rows. Each kind is one module of this package, and the module's name is the kind's name.

A module ends with ``DETECTOR = TheClass``: a subclass of :class:`medanomaly.detectors.base.BaseDetector` with a
``label``, the name that people read, and an ``_onnx_graph``. A module that is added, here or in a folder appended to
``__path__``, can be named in the parameters at once. Nothing else lists the kinds.
"""

import importlib
import inspect
import pkgutil
import sys
from types import ModuleType
from typing import Any

from medanomaly.core.errors import ConfigurationError, did_you_mean

_VIEWS = "medanomaly.detectors.views"


def detector_names() -> tuple[str, ...]:
    """The kinds that exist, in alphabetical order. No module is imported."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def detector_class(name: str) -> Any:
    """The estimator class of a kind, such as ``"ecdf"``. Only its module is imported.

    Raises:
        ConfigurationError: there is no such kind, or its module does not say which class it is.
    """
    module = _module_of(name)
    if not hasattr(module, "DETECTOR"):
        raise ConfigurationError(
            f"the module of detector '{name}' has no DETECTOR",
            remedy="End it with a line such as: DETECTOR = MyDetector.",
            source=module.__file__,
        )
    return module.DETECTOR


def trusted_types(name: str) -> list[str]:
    """The types of this project that a fitted detector of a kind may consist of; ``skops`` loads no others.

    They are the classes of the views, and of the kind's module and the kinds that it imports, such as the members of an
    ensemble. No type outside these two packages is ever among them.

    Raises:
        ConfigurationError: there is no such kind.
    """
    views = importlib.import_module(_VIEWS)
    waiting = [_module_of(name)]
    waiting += [importlib.import_module(f"{_VIEWS}.{m.name}") for m in pkgutil.iter_modules(views.__path__)]
    types, seen = set(), set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for found in filter(inspect.isclass, vars(module).values()):
            if found.__module__.startswith((f"{__name__}.", f"{_VIEWS}.")):
                types.add(f"{found.__module__}.{found.__qualname__}")
                waiting.append(sys.modules[found.__module__])
    return sorted(types)


def _module_of(name: str) -> ModuleType:
    known = detector_names()
    # the name can come from a file, so it is looked up before anything is imported
    if name not in known:
        raise ConfigurationError(
            f"unknown detector '{name}'", remedy=f"{did_you_mean(name, known)}Known are: {', '.join(known)}."
        )
    return importlib.import_module(f"{__name__}.{name}")
