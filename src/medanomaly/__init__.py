"""medanomaly: find what is unusual in medical data, and say how sure one can be."""

import atexit
import importlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# Nothing is sent anywhere. Kedro and MLflow would send usage statistics, W&B its own errors even offline, and ONNX Runtime
# from 1.29 on facts about models and machine. They read these once, when they are imported; who wants to send sets them.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "WANDB_ERROR_REPORTING": "false",
    "ORT_DISABLE_TELEMETRY": "1",
}.items():
    os.environ.setdefault(_name, _value)

# Compiled code is kept beside the source or in the home folder. Where neither can be written, as in a container that runs
# as nobody, it is kept for this process alone: a folder that others can write to could hand it other code.
if "NUMBA_CACHE_DIR" not in os.environ and not any(
    os.access(folder, os.W_OK) for folder in (Path(__file__).parent, Path("~").expanduser())
):
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="medanomaly-")
    atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)

# what people call; imported when it is asked for, so that importing the package costs nothing;
# __init__.pyi says the same to type checkers
_PUBLIC = {
    "open": ("medanomaly.scoring.models", "open_models"),
    "detect": ("medanomaly.scoring.detect", "detect"),
    "beats": ("medanomaly.scoring.detect", "beats"),
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'medanomaly' has no attribute '{name}'")
    module, function = _PUBLIC[name]
    return getattr(importlib.import_module(module), function)


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
