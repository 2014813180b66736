import dataclasses

import pytest

from medanomaly.core.errors import InputError
from medanomaly.reporting.page import _cell
from medanomaly.reporting.report import render_report
from medanomaly.reporting.sections import Card, Cell, Fact, Figure, Section, Table, from_json, to_json

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 100"></svg>'


@pytest.fixture
def section():
    return Section(
        "Alarms per hour",
        "How often <somebody> is called.",
        figures=[Figure("Strips", "Time runs to the right.", SVG)],
        tables=[Table("By record", ["record", "alarms", "sensitivity"], [["100", 12, 0.9], ["x<y", 3, "–"]])],
    )


def test_sections_survive_json(section):
    assert to_json(from_json(to_json([section]))) == to_json([section])


def test_every_part_of_a_section_survives_json(section):
    table = Table("", ["value", "adds"], [["urea", Cell("+2", "mmol/L", bar=(0.0, 40.0))]])
    card = Card(
        "k-1", "visit-1", "p = 0.01", Cell("normal", badge="normal"), table, [Fact("Flags", ["none"])]
    )
    whole = Section("Whole", sections=[section], cards=[card], facts=[Fact("Seed", ["7"])], tables=[table])
    back = from_json(to_json([whole]))[0]
    assert back.cards[0].table.rows[0][1].small == "mmol/L"
    assert back.sections[0].title == section.title
    assert to_json([back]) == to_json([whole])


@pytest.mark.parametrize(
    "text", ["12", "−3.1 to 2.0", "3 of 6", "0.91 (0.88–0.94)", "4.2 mV", "<\u00a01\u00a0%"]
)
def test_numbers_are_set_right_aligned(text):
    assert _cell(text)["number"]


@pytest.mark.parametrize(
    "text", ["0 of 569 patients in more than one part", "urea", "20 per day (100 per day)", ""]
)
def test_sentences_are_not_however_they_begin(text):
    assert not _cell(text)["number"]


def test_a_section_is_in_the_page_and_in_the_contents_and_its_text_is_escaped(results, run_record, section):
    html = render_report(run_record, [dataclasses.replace(results, sections=[section])])
    assert 'href="#tabular-alarms-per-hour"' in html
    assert 'id="tabular-alarms-per-hour"' in html
    assert "How often &lt;somebody&gt; is called." in html
    assert "x&lt;y" in html
    assert "Time runs to the right." in html


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(InputError, match="3 columns and a row of 2"):
        Table("t", ["a", "b", "c"], [[1, 2]])


def test_a_figure_that_is_not_svg_is_refused():
    with pytest.raises(InputError, match="not SVG"):
        Figure("t", "", "<img>")
