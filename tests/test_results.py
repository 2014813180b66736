"""The pages of docs/results and the headlines of the README show all figures of benchmarks/results, as they are."""

import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from benchmarks.render.figures import RESULTS, read
from benchmarks.render.headlines import HEADLINES, with_headlines
from benchmarks.render.labels import LABELS
from benchmarks.render.page import render, unplaced
from benchmarks.render.pages import PAGES
from benchmarks.render.tables import capital

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "results"
NUMBER = r"-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?"
CELL = re.compile(rf"\*{{0,2}}({NUMBER})\*{{0,2}}(?: \(({NUMBER}) to ({NUMBER})\))?")
SECTIONS = [(page.name, section) for page in PAGES for section in page.sections]


def measured(benchmark):
    path = RESULTS / f"{benchmark}.json"
    return json.loads(path.read_text()) if path.exists() else []


def tables(text):
    """(line before, header, rows) of every Markdown table, cells as text."""
    found, before, current = [], "", []
    for line in [*text.split("\n"), ""]:
        if line.startswith("|"):
            current.append(re.split(r"(?<!\\)\|", line)[1:-1])
        elif current:
            header, _, *rows = [[cell.strip() for cell in row] for row in current]
            found.append((before, header, rows))
            current = []
        elif line.strip():
            before = line
    return found


def part(text, title):
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def cells(text):
    return Counter(
        match.groups()
        for _, _, rows in tables(text)
        for row in rows
        for cell in row
        if (match := CELL.fullmatch(cell))
    )


def says(shown, value):
    """Whether a number as it is shown is the value, to the last digit shown."""
    if shown is None or value is None:
        return shown is None and value is None
    mantissa, _, exponent = shown.replace(",", "").partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return abs(float(f"{mantissa}e{exponent or 0}") - value) <= 0.5000001 * 10.0**-decimals


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_what_its_results_render_to(page):
    assert (DOCS / f"{page.name}.md").read_text() == render(page)


def test_the_readme_shows_what_the_results_say():
    text = (ROOT / "README.md").read_text()
    assert with_headlines(text) == text


def test_every_result_stands_on_one_page_and_every_page_is_rendered():
    placed = Counter(section.benchmark for _, section in SECTIONS)
    assert set(placed.values()) == {1}
    assert {path.stem for path in RESULTS.glob("*.json")} <= set(placed)
    assert {path.stem for path in DOCS.glob("*.md")} == {page.name for page in PAGES}


@pytest.mark.parametrize(("name", "section"), SECTIONS, ids=lambda x: getattr(x, "benchmark", x))
def test_no_figure_is_lost(name, section):
    text = (DOCS / f"{name}.md").read_text()
    shown = cells(part(text, section.title))
    shown += cells(part(text, "Commands"))
    figures = Counter((r["value"], r["ci_low"], r["ci_high"]) for r in measured(section.benchmark))
    for figure, times in figures.items():
        found = sum(
            count
            for cell, count in shown.items()
            if all(says(s, v) for s, v in zip(cell, figure, strict=True))
        )
        assert found >= times, f"{section.benchmark}: {figure} stands {found} times, not {times}"
    for r in measured(section.benchmark):
        if r["peer_value"] is not None:
            assert any(says(cell[0], r["peer_value"]) for cell in shown), f"{r['peer']}: {r['peer_value']}"
        if r["ratio"] is not None:
            assert any(says(cell[0], r["ratio"]) for cell in shown), f"{r['name']}: {r['ratio']}"


@pytest.mark.parametrize(("name", "section"), SECTIONS, ids=lambda x: getattr(x, "benchmark", x))
def test_no_number_of_the_data_is_lost(name, section):
    text = (DOCS / f"{name}.md").read_text().replace(",", "")
    for r in measured(section.benchmark):
        said = re.sub(r"\b\d+_(?=[A-Za-z])", "", r["data"] or "").replace(",", "")
        for number in re.findall(r"\d+(?:\.\d+)?", said):
            assert re.search(rf"(?<![\d.]){re.escape(number.removesuffix('.0'))}(?![\d])", text), (
                r["name"],
                number,
            )


@pytest.mark.parametrize(("name", "section"), SECTIONS, ids=lambda x: getattr(x, "benchmark", x))
def test_every_figure_has_its_table(name, section):
    assert [f.name for f in unplaced(section, read(section.benchmark))] == []


def test_a_picture_is_shown_where_its_benchmark_was_measured_and_then_it_is_there():
    drawn = [(name, section) for name, section in SECTIONS if section.image]
    assert drawn
    for name, section in drawn:
        shown = f"(../images/{section.image})" in (DOCS / f"{name}.md").read_text()
        assert shown == bool(measured(section.benchmark))
        assert not shown or (ROOT / "docs" / "images" / section.image).is_file()


def test_every_kind_of_label_is_found_in_the_results():
    """A benchmark that words its labels anew would otherwise move figures into another table."""
    for benchmark, patterns in LABELS.items():
        if measured(benchmark):
            assert {kind for kind, *_ in patterns} == {f.kind for f in read(benchmark)}, benchmark


def test_a_figure_whose_label_is_new_is_shown_all_the_same(tmp_path):
    rows = measured("ucr")
    rows.append(rows[0] | {"name": "something new", "value": 0.1234, "data": None})
    shutil.copytree(RESULTS, tmp_path / "results")
    (tmp_path / "results" / "ucr.json").write_text(json.dumps(rows))
    page = next(page for page in PAGES if page.name == "signals")
    assert "| Something new | 0.1234 |" in render(page, tmp_path / "results")


def best_of(numbers, better):
    if better.startswith("≈"):
        near = min(abs(n - float(better[1:])) for n in numbers)
        return {n for n in numbers if abs(n - float(better[1:])) <= near + 1e-12}
    return {max(numbers) if better == "↑" else min(numbers)}


def marked(header):
    found = re.search(r" (↑|↓|≈[\d.]+)$", header)
    return found[1] if found else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_bold_is_the_best_and_nothing_else(page):
    compared = 0
    for before, header, rows in tables((DOCS / f"{page.name}.md").read_text().partition("## Targets")[0]):
        groups = [[(row[i], marked(header[i])) for row in rows] for i in range(len(header))]
        if before.endswith("Bold: the best of each row."):
            groups = [
                [(cell, marked(h)) for cell, h in zip(row, header, strict=True) if marked(h)] for row in rows
            ]
        for group in groups:
            better = group[0][1]
            found = [(m, cell) for cell, _ in group if better and (m := CELL.fullmatch(cell))]
            if len(found) < 2:
                assert not any("**" in cell for cell, _ in group), group
                continue
            numbers = [float(m[1].replace(",", "")) for m, _ in found]
            wanted = best_of(numbers, better)
            bold = [n for n, (_, cell) in zip(numbers, found, strict=True) if cell.startswith("**")]
            assert bold == [n for n in numbers if n in wanted], (header, group)
            compared += 1
    # pages of single figures compare no column
    assert compared or page.name in ("spine", "serving", "operations", "privacy", "interchange", "detection")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_table_is_wider_than_eight_columns(page):
    for _, header, rows in tables((DOCS / f"{page.name}.md").read_text()):
        assert len(header) <= 8, header
        assert {len(row) for row in rows} == {len(header)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_stands_with_its_verdict(page):
    text = part((DOCS / f"{page.name}.md").read_text(), "Targets")
    verdicts = Counter(row[header.index("Reached")] for _, header, rows in tables(text) for row in rows)
    wanted = Counter(
        {True: "yes", False: "**no**", None: "not judged"}[r["reached"]]
        for section in page.sections
        for r in measured(section.benchmark)
        if r["target"]
    )
    assert verdicts == wanted


def test_what_did_not_work_names_every_target_that_was_missed():
    for page in PAGES:
        lines = part((DOCS / f"{page.name}.md").read_text(), "What did not work").split("\n- ")
        missed = [r for s in page.sections for r in measured(s.benchmark) if r["reached"] is False]
        assert sum("The target was: " in " ".join(line.split()) for line in lines) == len(missed)


@pytest.mark.parametrize(
    ("page", "benchmark", "name", "said"),
    [
        ("tabular", "tabular_oneclass", "one-class auroc, two-view ensemble", "(two-view ensemble)"),
        ("imaging", "imaging_lbe", "AUROC, LBE", "LBE has the highest AUROC"),
        ("environments", "environments", "thyroid: baseline: 1-NN, auroc", "on 1 of the"),
    ],
)
def test_the_first_sentences_follow_the_figures(page, benchmark, name, said, tmp_path):
    shutil.copytree(RESULTS, tmp_path / "results")
    found = next(p for p in PAGES if p.name == page)
    assert said in " ".join(render(found, tmp_path / "results").split("\n\n")[1].split())
    rows = measured(benchmark)
    for r in rows:
        if r["name"] == name:
            r["value"] /= 2
    (tmp_path / "results" / f"{benchmark}.json").write_text(json.dumps(rows))
    assert said not in " ".join(render(found, tmp_path / "results").split("\n\n")[1].split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_without_results_says_what_is_not_measured(page, tmp_path):
    for path in RESULTS.glob("*.json"):
        shutil.copy(path, tmp_path)
    missing = page.sections[-1].benchmark
    (tmp_path / f"{missing}.json").unlink(missing_ok=True)
    if len(page.sections) > 1:
        assert f"Not measured yet: `make bench NAME={missing}`" in render(page, tmp_path)


@pytest.mark.parametrize("path", [*DOCS.glob("*.md"), ROOT / "README.md"], ids=lambda path: path.name)
def test_pages_use_the_words_of_the_project(path):
    text = path.read_text()
    if path.name == "README.md":
        text = text.partition("<!-- headlines")[2].partition("<!-- end of headlines")[0]
    assert not re.findall(r"\b(?:films?|alerts?|peers?|beside|controls?|told)\b", text, re.IGNORECASE)


def test_a_heading_begins_with_a_capital_and_a_name_such_as_eicu_keeps_its_own_letters():
    assert [capital(text) for text in ("cardio", "eICU demo", "R peaks", "")] == [
        "Cardio",
        "eICU demo",
        "R peaks",
        "",
    ]


def test_every_headline_is_found():
    for headlines in HEADLINES.values():
        for benchmark, name, _ in headlines:
            assert name in {f.name for f in read(benchmark)}, (benchmark, name)


def test_all_benchmarks_run_in_turn_and_one_that_cannot_costs_only_itself(monkeypatch):
    from benchmarks import __main__ as program

    assert {"blocks", "record", "chest_images", "compare_runs", "mitbih_stress"}.isdisjoint(program.names())
    ran = []

    class Module:
        def __init__(self, name):
            self.name = name

        def main(self):
            ran.append((self.name, sys.argv[1:]))
            if self.name == "streaming":
                raise SystemExit("no data")

    monkeypatch.setattr(program.importlib, "import_module", lambda name: Module(name.partition(".")[2]))
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    with pytest.raises(SystemExit, match="streaming: no data"):
        program.main()
    assert ran == [(name, []) for name in program.names()]
