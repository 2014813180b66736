"""Outputs are UTF-8 whatever the locale says."""

import io
import os
import subprocess
import sys

from tests.conftest import ROOT

from medanomaly.hooks import SummaryHooks

WRITE = """
import locale, sys
import pandas as pd
from kedro_datasets.json import JSONDataset
from medanomaly.datasets.outputs.csv_table import CSVTableDataset
from medanomaly.datasets.outputs.optional_json import OptionalJSONDataset
from medanomaly.datasets.outputs.page import PageDataset
from medanomaly.datasets.outputs.text_folder import TextFolderDataset

assert locale.getpreferredencoding(False) == "ANSI_X3.4-1968"
word = "M\\u00fcller \\u2013 \\u0130\\u015f\\u0131k \\u25b2"
table = pd.DataFrame({word: [word]})
for dataset, data in [
    (CSVTableDataset(filepath=sys.argv[1] + "/table.csv"), table),
    (PageDataset(filepath=sys.argv[1] + "/page.html"), word),
    (JSONDataset(filepath=sys.argv[1] + "/plain.json"), {word: word}),
    (OptionalJSONDataset(filepath=sys.argv[1] + "/optional.json"), {word: word}),
    (TextFolderDataset(filepath=sys.argv[1] + "/folder", suffix=".md"), {"a": word}),
]:
    dataset.save(data)
    found = dataset.load()
    assert found.equals(data) if isinstance(data, pd.DataFrame) else found == data, found
"""


def test_text_of_every_language_is_written_and_read_where_the_locale_knows_ascii_only(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    # neither UTF-8 mode nor another locale helps
    environment |= {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONPATH": str(ROOT / "src"),
    }
    done = subprocess.run(
        [sys.executable, "-c", WRITE, tmp_path], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in ("table.csv", "page.html", "folder/a.md"):
        assert "Müller – İşık ▲" in (tmp_path / name).read_text("utf-8")


def test_a_terminal_that_lacks_a_letter_shows_a_question_mark(monkeypatch):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, "latin-1", "strict"))
    SummaryHooks().before_pipeline_run()
    print("Müller (0.9–1.0)", flush=True)  # noqa: T201
    assert shown.getvalue() == "Müller (0.9?1.0)\n".encode("latin-1")
