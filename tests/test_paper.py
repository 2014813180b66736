"""The manuscript: it is built from the results, and no number in it is typed by hand."""

import re
import shutil

import pytest
from benchmarks.render import paper
from benchmarks.render.figures import RESULTS

from tests.conftest import ROOT

typst = pytest.importorskip("typst", reason="typst is not installed (extra docs)")

TEXT = paper.SOURCE.read_text()


def test_no_number_is_typed_by_hand():
    assert paper.typed_numbers(TEXT) == []


@pytest.mark.parametrize("typed", ["The AUROC is 0.91.", "In 3 of them", "about 40 %"])
def test_a_typed_number_is_found(typed):
    assert paper.typed_numbers(TEXT + typed)


def test_names_mathematics_and_citations_hold_digits():
    assert paper.typed_numbers('#n[PhysioNet 2012] $n + 1$ @liu2008 #v("a", "top 10")') == []


def test_it_is_built_and_every_figure_is_one_of_the_results(tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "FIGURES", tmp_path / "docs/_build/paper_figures.json")
    (tmp_path / "docs/paper").mkdir(parents=True)
    for name in ("paper.typ", "references.yml"):
        shutil.copy(ROOT / "docs/paper" / name, tmp_path / "docs/paper")
    monkeypatch.setattr(paper, "SOURCE", tmp_path / "docs/paper/paper.typ")
    monkeypatch.setattr(paper, "ROOT", tmp_path)
    assert paper.build(tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")
    every = paper.figures()["all"]
    asked = re.findall(r'#v\("([^"]+)", "([^"]+)"\)', TEXT)
    assert asked
    assert {(benchmark, name) for benchmark, name in asked if name not in every[benchmark]} == set()
    # a result that is gone stops the build, and a figure follows its file
    (tmp_path / "docs/paper/paper.typ").write_text(TEXT + '#v("r_peaks", "no such result")')
    with pytest.raises(Exception, match="no such result"):
        paper.build(tmp_path / "other.pdf")


def test_every_target_that_was_missed_is_listed():
    found = paper.figures()
    assert len(found["missed"]) == found["counts"]["missed"]
    assert found["counts"]["benchmarks"] == len(list(RESULTS.glob("*.json")))


def test_every_reference_is_cited_and_every_citation_is_a_reference():
    known = set(re.findall(r"^(\w+):$", (ROOT / "docs/paper/references.yml").read_text(), re.MULTILINE))
    assert set(re.findall(r"@(\w+)", TEXT)) - {"missed"} == known
