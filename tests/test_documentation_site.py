"""What is checked of the built documentation: nothing is loaded from elsewhere, and the search finds pages."""

import pytest
from docs.check_site import main, not_found, outward

INDEX = 'Search.setIndex({"docnames": ["a", "b/c"], "terms": {"night": [0, 1], "dicom": 1}, "titleterms": {"drift": 0}})'


@pytest.mark.parametrize(
    ("file", "text", "loads"),
    [
        ("a.html", '<script src="https://cdn.example.org/x.js"></script>', True),
        ("a.html", '<link rel="stylesheet" href="//fonts.example.org/x.css">', True),
        ("a.html", '<img src="HTTP://example.org/x.png">', True),
        ("a.css", "@import 'https://fonts.example.org/x.css';", True),
        ("a.css", "p {background: url(//example.org/x.png)}", True),
        (
            "a.html",
            '<script src="_static/x.js"></script><img src="x.png"><link rel="icon" href="x.ico">',
            False,
        ),
        (
            "a.html",
            '<a href="https://example.org">more</a><link rel="canonical" href="https://example.org">',
            False,
        ),
        ("a.css", "p {background: url(data:image/png;base64,AA==)} q {background: url(x.png)}", False),
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(tmp_path, file, text, loads):
    (tmp_path / file).write_text(text)
    assert bool(outward(tmp_path)) == loads


def test_the_search_finds_a_page_by_a_word_of_it_or_of_its_title(tmp_path):
    (tmp_path / "searchindex.js").write_text(INDEX)
    assert not_found(tmp_path, {"nights": "b/c", "DICOM".lower(): "b/c", "drift": "a"}) == []
    (said,) = not_found(tmp_path, {"dicom": "a"})
    assert said == "the search for 'dicom' does not find a"


def test_a_site_that_is_wrong_fails_the_build(tmp_path, capsys):
    (tmp_path / "searchindex.js").write_text(INDEX)
    (tmp_path / "a.html").write_text('<img src="https://example.org/x.png">')
    assert main(tmp_path) == 1
    assert "loads from elsewhere: a.html: https://example.org/x.png" in capsys.readouterr().err
