"""Take out of an environment what a service never reads, and compile what it imports.

``python prune.py FOLDER``, with the interpreter of that environment. It is for images alone: what is left can score, and
cannot build or test anything.
"""

import importlib
import importlib.util
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

# folders of tests, and what is only needed to compile against a package
FOLDERS = {"__pycache__", "tests", "include"}
ENDINGS = {".a", ".c", ".cpp", ".f90", ".h", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx"}
# whole packages that install packages, tools for making models, data sets for lessons
NAMED = (
    "pip",
    "pip-*.dist-info",
    "setuptools",
    "setuptools-*.dist-info",
    "_distutils_hack",
    "distutils-precedence.pth",
    "joblib/test",
    "numba/cuda",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    # of programs in C; the module of Python has its own copy inside
    "onnxruntime/capi/libonnxruntime.so.*",
    "pyedflib/data/*.*df",
    "sklearn/datasets/data",
    "sklearn/datasets/descr",
    "sklearn/datasets/images",
)
# layers of the project that the service never calls; they need packages that are not here
LEFT_OUT = (
    "commands",
    "datasets",
    "hooks",
    "pipeline_registry",
    "pipelines",
    "settings",
    "training",
    "tracking",
    "tuning",
)


def remove(path: Path) -> None:
    """A file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def prune(packages: Path, programs: Path) -> None:
    """Remove what is not needed.

    Args:
        packages: ``site-packages``.
        programs: ``bin``.
    """
    for pattern in NAMED:
        for path in packages.glob(pattern):
            remove(path)
    for folder, names, files in os.walk(packages):
        for name in sorted(FOLDERS & set(names)):
            remove(Path(folder, name))
            names.remove(name)
        for name in files:
            if Path(name).suffix in ENDINGS:
                remove(Path(folder, name))
    for path in programs.glob("pip*"):
        remove(path)


def compile_imported() -> None:
    """Import all of the service once: only what it imports is compiled, so that a read-only image starts fast."""
    names = ["medanomaly"]
    whole = importlib.import_module("medanomaly").__path__
    for module in pkgutil.walk_packages(whole, "medanomaly.", onerror=lambda name: None):
        # scripts of Alembic and main programs do something when they are imported
        parts = module.name.split(".")
        if parts[1] not in LEFT_OUT and not {"__main__", "migrations"} & set(parts):
            names.append(module.name)
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            # a module for training needs a package that is not here; a part of one that is here must not be lacking
            if importlib.util.find_spec((error.name or "medanomaly").split(".")[0]) is not None:
                raise


def size_mb(folder: Path) -> float:
    """Sum of the sizes of all files, in MB of 10^6 bytes; a file with several names counts once."""
    found = {(s.st_dev, s.st_ino): s.st_size for s in map(os.lstat, map(str, folder.rglob("*")))}
    return sum(found.values()) / 1e6


def main() -> None:
    """Prune the environment of this interpreter, and say what is left."""
    folder = Path(sys.argv[1]).resolve()
    (packages,) = folder.glob("lib/python3.*/site-packages")
    if not Path(sys.prefix).samefile(folder):
        sys.exit(f"run it with the interpreter of {folder}")
    before = size_mb(folder)
    prune(packages, folder / "bin")
    # in a process of its own: what this one has imported already would not be written
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, __file__, "--compile"], check=True, env=environment)
    sys.stdout.write(f"{folder}: {before:.0f} MB before, {size_mb(folder):.0f} MB now\n")


if __name__ == "__main__":
    compile_imported() if sys.argv[1:] == ["--compile"] else main()
