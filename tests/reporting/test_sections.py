import dataclasses

import pytest

from medanomaly.core.errors import InputError
from medanomaly.reporting.report import render_report
from medanomaly.reporting.sections import Figure, Section, Table, from_json, to_json

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
