"""The manuscript: it is built from the results, and no number in it is typed by hand."""

import re
import shutil

import pytest
from benchmarks.render import paper, paper_figures
from benchmarks.render.figures import RESULTS, read

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
    labels = set(re.findall(r"^\) <(\w+)>", TEXT, re.MULTILINE))
    assert set(re.findall(r"@(\w+)", TEXT)) - labels == known


def positions(canvas):
    """Where every point of a figure stands."""
    return {float(x) for axes in canvas.axes for line in axes.lines for x in line.get_xdata()}


def test_every_figure_is_drawn_from_the_results_and_stands_in_the_text(tmp_path):
    paper_figures.draw(tmp_path)
    for name in paper_figures.FIGURES:
        assert (tmp_path / f"{name}.svg").read_text("utf-8").lstrip().startswith("<?xml")
        assert f'image("/docs/_build/{name}.svg"' in TEXT
    measured = read("conformal_validity")
    assert {figure.value for figure in measured} <= positions(paper_figures.realised_rates())
    assert {figure.low for figure in measured} <= positions(paper_figures.realised_rates())


def test_a_figure_whose_results_are_gone_stops_the_build(tmp_path):
    with pytest.raises(ValueError, match=r"fusion\.json holds nothing like"):
        paper_figures.fused_rates(tmp_path)


def test_what_the_text_says_of_chest_images_and_of_rates_is_what_was_measured():
    auroc = {
        f.name.removeprefix("AUROC, "): f for f in read("imaging_networks") if f.name.startswith("AUROC, ")
    }
    networks = ("U-Net", "autoencoder", "AE-U", "reversed autoencoder", "lesion segmenter")
    alone = [f.value for name, f in auroc.items() if name.startswith(networks) and "energies" not in name]
    assert auroc["LBE"].value > max(alone)
    assert auroc["U-Net, plain"].high < 50
    assert all(abs(f.value - 0.05) < 0.005 for f in read("conformal_validity"))
