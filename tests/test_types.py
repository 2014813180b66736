"""Type hints: a strict checker passes for what programs call, and finds a wrong use of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

CONFIG = ROOT / "tests" / "typed" / "mypy.ini"


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Checks as ``make types`` does; further arguments replace the files."""
    named = os.environ.get("MEDANOMALY_MYPY") or str(ROOT / "tests" / "typed" / ".venv" / "bin" / "mypy")
    if not Path(named).is_file():
        pytest.skip("there is no mypy: MEDANOMALY_MYPY names none, and make types was not run")
    cache = tmp_path_factory.mktemp("mypy")

    def check(*files):
        command = [named, "--config-file", str(CONFIG), "--python-executable", sys.executable]
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [*command, "--cache-dir", str(cache), *map(str, files)],
            check=False, capture_output=True, text=True, cwd=ROOT, env=clean,
        )  # fmt: skip

    return check


@pytest.mark.slow
def test_the_hints_of_what_programs_call_pass_the_checker(mypy):
    done = mypy()
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("medanomaly.open(3)", "arg-type"),
        ("medanomaly.open('models').score({}, alpha='much')", "arg-type"),
        ("medanomaly.open('models').score({}).tables", "attr-defined"),
        ("medanomaly.opened('models')", "attr-defined"),
    ],
)
def test_a_wrong_use_is_found(mypy, tmp_path, wrong, said):
    program = tmp_path / "wrong.py"
    program.write_text(f"import medanomaly\n\n{wrong}\n")
    done = mypy(program)
    assert done.returncode == 1
    assert said in done.stdout


def test_every_module_of_the_api_pages_is_checked():
    checked = CONFIG.read_text()
    for page in (ROOT / "docs" / "api").glob("*.md"):
        for module in re.findall(r"automodule:: ([\w.]+)", page.read_text()):
            assert f"src/{module.replace('.', '/')}.py" in checked, module
