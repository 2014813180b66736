"""Examples in the docstrings of what docs/api lists: each prints what stands there, and no module goes without one."""

import doctest
import importlib
import re

import pytest

from tests.conftest import ROOT

MODULES = sorted(
    name
    for page in (ROOT / "docs/api").glob("*.md")
    for name in re.findall(r"automodule:: (\S+)", page.read_text("utf-8"))
)


@pytest.fixture
def finished_project(finished_run, finished_outputs, tmp_path, monkeypatch):
    """A folder whose data are those of a finished run, as examples name them."""
    (tmp_path / "data").symlink_to(finished_outputs)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def models(finished_run, finished_outputs):
    """What examples call ``models``: opened once, as the example of ``open_models`` does."""
    import medanomaly

    return medanomaly.open(finished_outputs / "06_models/synthetic")


@pytest.fixture
def registered_kinds(monkeypatch):
    """Kinds that an example registers are gone after it."""
    from medanomaly.core import models

    monkeypatch.setattr(models, "_registered", {})


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_stands_there(name, models, finished_project, registered_kinds):
    module = importlib.import_module(name)
    found, printed = 0, []
    for case in doctest.DocTestFinder(exclude_empty=True).find(module, name, extraglobs={"models": models}):
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
        runner.run(case, out=printed.append)
        found += len(case.examples)
    assert not printed, "".join(printed)
    assert found


def test_the_pages_list_modules():
    assert len(MODULES) > 15
