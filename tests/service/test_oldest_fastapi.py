"""The service runs on the oldest FastAPI that the project allows; the other tests run on the newest."""

import os
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.conftest import ROOT


def oldest(name, extra):
    """The lowest version that the project's own file allows."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    found = next(r for r in map(Requirement, listed) if r.name == name)
    assert not any(s.operator in ("<", "<=", "==", "~=") for s in found.specifier), (
        f"{found} has an upper cap"
    )
    return next(s.version for s in found.specifier if s.operator == ">=")


@pytest.mark.slow
def test_the_routes_work_on_the_oldest_fastapi(tmp_path):
    version = oldest("fastapi", "serve")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--target",
        str(tmp_path),
        f"fastapi=={version}",
    ]
    if subprocess.run(install, check=False, capture_output=True).returncode:
        pytest.skip("no package index can be reached")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "src")])}
    seen = [sys.executable, "-c", "import fastapi; print(fastapi.__version__)"]
    assert Version(subprocess.check_output(seen, env=environment, text=True).strip()) == Version(version)
    tests = ["tests/service/test_routes.py", "tests/service/test_inference.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:]
