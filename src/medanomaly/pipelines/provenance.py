"""Where a bundle or a report comes from: the project's version, the time, the libraries, the command."""

import datetime
import hashlib
import importlib.metadata
import sys
from pathlib import Path

import pandas as pd

from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams

LIBRARIES = ("kedro", "numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "scipy", "skops")


def library_versions() -> dict[str, str]:
    """Installed version of every library that figures depend on."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def bundle_stamp(dataset: str) -> dict:
    """What a bundle's manifest says of its making."""
    return {
        "dataset": dataset,
        "version": importlib.metadata.version("medanomaly"),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "libraries": library_versions(),
    }


def run_facts(
    params: EvaluationParams, alarm: AlarmParams, run: RunParams, cases: list[pd.DataFrame]
) -> dict:
    """What a report says of its making; ``cases`` are the case tables it is about."""
    return {
        "dataset": run.dataset,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "command": _command(),
        "seed": run.seed,
        "version": importlib.metadata.version("medanomaly"),
        "fingerprint": _fingerprint(cases),
        "libraries": library_versions(),
        "parameters": {
            "alarm": alarm.model_dump(),
            "evaluation": params.model_dump(include={"n_resamples", "confidence", "min_subgroup_size"}),
        },
    }


def _command() -> str | None:
    called = Path(sys.argv[0]).name
    return " ".join(["kedro", *sys.argv[1:]]) if called in ("kedro", "medanomaly") else None


def _fingerprint(tables: list[pd.DataFrame]) -> str:
    digest = hashlib.sha256()
    for table in tables:
        digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:16]
