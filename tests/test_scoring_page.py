"""docs/scoring.md as a new user follows it: outside of the checkout, every command prints what the page shows."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs/scoring.md").read_text("utf-8")


def blocks(start=""):
    """Indented blocks of the page, those that begin in this way."""
    found = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", PAGE, flags=re.M)
    out = ["\n".join(line[4:] for line in block.strip("\n").split("\n")) for block in found]
    return [block for block in out if block.startswith(start)]


def commands():
    lines = [line for block in blocks("medanomaly ") for line in block.splitlines()]
    return [shlex.split(line) for line in lines]


def corrected(text):
    """Parameters with the corrections that the page asks for."""
    text, n = re.subn(r"^( +)K: \{kind: number\}.*", r"\1K: {kind: number, unit: mmol/L}", text, flags=re.M)
    text, m = re.subn(r'^( +)"Temp \(°C\)": temperature.*', r"\g<0>\n\1K: potassium", text, flags=re.M)
    text, k = re.subn(r"# history:", "history:", text)
    assert (n, m, k) == (1, 1, 1)
    return text


def test_the_table_of_the_page_is_the_one_that_its_script_writes():
    script = subprocess.run(
        [sys.executable, ROOT / "docs/demo/visits.py"], check=True, capture_output=True, encoding="utf-8"
    )
    (shown,) = blocks("Visit ID,PatientID,Name")
    assert script.stdout.splitlines()[: len(shown.splitlines())] == shown.splitlines()
    assert len(script.stdout.splitlines()) == 301


@pytest.mark.slow
def test_every_command_prints_what_the_page_shows(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEDANOMALY")}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "WANDB_MODE": "disabled"}

    def printed(words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "medanomaly", *words],
            check=False, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8",
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + done.stderr * bool(code)

    script = [sys.executable, ROOT / "docs/demo/visits.py"]
    (tmp_path / "visits.csv").write_bytes(subprocess.run(script, check=True, capture_output=True).stdout)
    (new,) = blocks("Visit ID,PatientID,Sex")
    (tmp_path / "new.csv").write_text(new + "\n", "utf-8")

    asked = commands()
    assert asked[0][:2] == ["medanomaly", "init"]
    printed(asked[0][1:])
    assert "there is no conf/base in this folder" in printed(["run", "--env", "visits"], code=2)
    shutil.copytree(ROOT / "conf/base", tmp_path / "conf/base")
    parameters = tmp_path / "conf/visits/parameters.yml"
    parameters.write_text(corrected(parameters.read_text("utf-8")), "utf-8")
    done = {}
    for words in asked:
        # recordings and images are not here, and the third command would open a browser
        if words[1] in ("init", "infer") or "..." in words:
            continue
        done[" ".join(words)] = printed([word for word in words[1:] if word != "--open"])
    table = done["medanomaly score new.csv --models data/06_models/visits -o answers.csv"]
    (shown,) = blocks("2 records, by")
    assert shown in table
    (begin,) = blocks("Record N2")
    assert done["medanomaly explain new.csv --models data/06_models/visits --case N2"].startswith(begin)
    later = done["medanomaly score new.csv --models data/06_models/visits --history visits.csv"]
    assert "earlier records of the patient" in table
    assert "earlier records of the patient" not in later
    # tests/test_documented_blocks.py runs what follows: it is about models of several modalities
    python = re.search(r"```python\n(.*?)```", PAGE, flags=re.S)[1]
    subprocess.run([sys.executable, "-c", python], check=True, cwd=tmp_path, env=environment)
    assert (tmp_path / "answers.parquet").exists()
    assert (tmp_path / "answers.csv").exists()
