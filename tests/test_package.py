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


@pytest.fixture
def try_wheel():
    sys.path.insert(0, str(ROOT / "deploy"))
    try:
        import try_wheel
    finally:
        sys.path.pop(0)
    return try_wheel


def test_every_extra_is_tried_from_the_wheel(wheel, try_wheel):
    assert set(try_wheel.TRIALS) - {try_wheel.CORE} == set(try_wheel.extras(wheel)) - set(try_wheel.NOT_TRIED)
    assert all(trial.modules and (trial.command or trial.python) for trial in try_wheel.TRIALS.values())
    # its models are what the others answer with
    assert next(iter(try_wheel.TRIALS)) == "train"
    assert try_wheel.wanted(["serve", "excel"]) == ["train", "serve", "excel"]
    assert try_wheel.wanted(["excel"]) == ["excel"]
    with pytest.raises(SystemExit, match="no extra"):
        try_wheel.wanted(["excell"])


def test_an_extra_that_fails_is_shown_and_the_others_are_tried(try_wheel, tmp_path, monkeypatch, capsys):
    (tmp_path / "dist").mkdir()
    with zipfile.ZipFile(tmp_path / "dist" / "a.whl", "w") as archive:
        archive.writestr("a.dist-info/METADATA", "Name: a\nProvides-Extra: train\n")
    for name in ("conf", "docs", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setattr(try_wheel, "ROOT", tmp_path)
    monkeypatch.setattr(try_wheel, "TRIALS", {name: try_wheel.Trial(("sys",)) for name in ("train", "serve")})

    def install(name, wheel, folder):
        if name == "train":
            try_wheel.call(sys.executable, "-c", "raise SystemExit('no such module')", folder=folder)

    monkeypatch.setattr(try_wheel, "try_extra", install)
    assert try_wheel.main([]) == 1
    assert try_wheel.main(["serve"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "FAILED" in lines[0]
    assert "no such module" in lines[0]
    assert lines[1].endswith("passed")


def test_an_extra_that_nobody_tries_is_refused(try_wheel, tmp_path, monkeypatch):
    (tmp_path / "dist").mkdir()
    monkeypatch.setattr(try_wheel, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="make dist first"):
        try_wheel.main([])
    with zipfile.ZipFile(tmp_path / "dist" / "a.whl", "w") as archive:
        archive.writestr("a.dist-info/METADATA", "Name: a\nProvides-Extra: new\n")
    with pytest.raises(SystemExit, match=r"\['new'\]: add them to TRIALS"):
        try_wheel.main([])
