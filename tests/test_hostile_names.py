"""Markup in names and values: whatever a file holds, no page, card or drawing that is made of it runs or loads anything."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from markdown_it import MarkdownIt

from tests.test_bad_input import good_table
from tests.test_run_record import Small

HIT = "document.title=9"
SCRIPT = f"<script>{HIT}</script>"
QUOTED = f"\"'><img src=x onerror={HIT}>"
LINK = f"javascript:{HIT}"
CLOSING = f"]]></style></title></text></svg><svg onload={HIT}>"
MARKDOWN = f"--> [x]({LINK}) ![y]({LINK}) ```<i onclick={HIT}>"
HOSTILE = (SCRIPT, QUOTED, LINK, CLOSING, MARKDOWN)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """What a run writes for readers, as HTML by path, of a table whose names and values are all markup."""
    project = Small(tmp_path_factory.mktemp("hostile"))
    table = good_table()
    row = np.arange(len(table))
    frame = table.rename(columns={"a": SCRIPT, "b": QUOTED, "c": LINK}).astype({"d": object})
    frame["id"] = [f"{HOSTILE[i % len(HOSTILE)]}{i}" for i in row]
    frame["ward"] = np.where(row % 2, SCRIPT, MARKDOWN)
    frame["site"] = np.where(row % 2, QUOTED, CLOSING)
    frame["what"] = np.where(table["sick"] == 0, "", np.where(row % 2, SCRIPT, QUOTED))
    frame.loc[::40, "d"] = CLOSING
    project.csv = project.csv.with_name(f"{QUOTED}.csv")
    project.table |= {
        "columns": {SCRIPT: {"unit": QUOTED}, QUOTED: {}, LINK: {"unit": MARKDOWN}, "d": {}, "ward": {"kind": "category"}},
        "subgroups": {CLOSING: "site"},
        "kind": "what",
    }  # fmt: skip
    project.run(frame)
    files = {
        path: path.read_text() for path in project.outputs.rglob("*") if path.is_file() and _for_readers(path)
    }
    # a card is shown by programs that take HTML in Markdown for HTML
    cards = MarkdownIt("commonmark", {"html": True}).enable("table")
    return {
        path: cards.render(re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL))
        if path.suffix == ".md"
        else text
        for path, text in files.items()
    }


def _for_readers(path):
    return path.suffix in (".html", ".svg", ".md")


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_nothing_in_a_page_can_run_or_load(pages):
    assert {path.suffix for path in pages} == {".html", ".svg", ".md"}
    seen = 0
    for path, text in pages.items():
        seen += text.count(f"&lt;script&gt;{HIT}")
        for tag, attributes in Elements(text).found:
            assert tag not in {
                "script",
                "img",
                "iframe",
                "object",
                "embed",
                "base",
                "form",
                "foreignobject",
            }, path
            assert not [name for name in attributes if name.startswith("on")], (path, attributes)
            for name in ("href", "src", "xlink:href", "action", "srcdoc"):
                # places of the page and files beside it
                assert not re.match(r"\s*[a-z]+:", attributes.get(name) or "", re.IGNORECASE), (
                    path,
                    attributes,
                )
    assert seen > 50


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_a_browser_runs_nothing_even_where_the_policy_of_the_page_is_removed(pages, tmp_path):
    texts = [re.sub(r"<meta http-equiv[^>]*>", "", text) for text in pages.values()]
    assert "Content-Security-Policy" not in "".join(texts)

    def title(name, body):
        path = tmp_path / name
        path.write_text(f"<!DOCTYPE html><meta charset=utf-8><title>before</title>{body}")
        command = [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
        ]
        command += ["--virtual-time-budget=2000", "--dump-dom", path.as_uri()]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        return re.search("<title>(.*?)</title>", shown)[1]

    assert title("all.html", "".join(texts)) == "before"
    # the same browser does run what is not escaped
    assert title("bare.html", QUOTED) == "9"
