"""Where a bundle or a report comes from: the project's version, the time, the libraries."""

import datetime
import importlib.metadata

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
