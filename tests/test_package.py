"""The package as it is passed on: what is in the wheel, what comes along, and under which licences."""

import subprocess
import sys
import zipfile

import pytest
import yaml

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built as `make dist` builds it, with the setuptools that is there."""
    out = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "project"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
    # a clone holds what is committed; what is not yet is tested too
    changed = subprocess.run(
        ["git", "ls-files", "-mo", "--exclude-standard", "src", "pyproject.toml", "README.md"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    for name in changed:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check", "--outdir", str(out)],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    return next(out.glob("*.whl"))


def test_the_wheel_holds_what_the_code_reads_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    packaged = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src/medanomaly").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".pyc", ".nbc", ".nbi")
    }
    assert {name for name in names if ".dist-info/" not in name} == packaged
    assert "medanomaly/py.typed" in names
    assert wheel.stat().st_size < 3e6


def test_an_index_would_take_it(wheel):
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", str(wheel)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_no_package_that_comes_along_binds_its_users():
    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy/licences.py")], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("!")]
    assert "numpy" in done.stdout


def test_a_licence_that_binds_is_refused_and_a_choice_is_not():
    sys.path.insert(0, str(ROOT / "deploy"))
    try:
        from licences import REFUSED
    finally:
        sys.path.pop(0)
    for text in ("GPLv3", "GNU Affero General Public License v3", "AGPL-3.0", "BUSL-1.1", "SSPL-1.0"):
        assert REFUSED.search(text), text
    for text in ("MIT", "LGPL-2.1", "MPL-2.0", "Apache-2.0", "BSD-3-Clause"):
        assert not REFUSED.search(text), text


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml"), key=str), ids=lambda p: p.stem)
def test_files_of_the_repository_site_are_valid(path):
    assert yaml.safe_load(path.read_text())


def test_the_citation_names_version_licence_and_title():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["cff-version"] == "1.2.0"
    assert cited["license"] == "MIT"
    assert cited["title"].startswith("medanomaly")
