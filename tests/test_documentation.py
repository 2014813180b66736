"""The documentation: every page is reached, every link leads somewhere, every command in a block of shell exists."""

import re
import shlex
from pathlib import Path

import click
import pytest

from medanomaly.commands.cli import cli
from medanomaly.core.models import kind
from tests.conftest import ROOT

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
PAGES = [
    p
    for p in PAGES
    if "_build" not in p.parts and p.name not in ("glossary.md", "extending.md", "gallery.md")
]
GENERATED = {"glossary", "extending", "gallery"}


def name(path):
    return str(path.relative_to(ROOT))


def test_every_page_is_in_a_table_of_contents():
    listed = set()
    for page in (ROOT / "docs").rglob("*.md"):
        if "_build" in page.parts:
            continue
        for block in re.findall(r"```\{toctree\}(.*?)```", page.read_text(), re.DOTALL):
            for line in block.splitlines():
                if line and not line.startswith(":"):
                    base = (page.parent / line.strip()).resolve()
                    found = base.parent.glob(base.name + ".md") if "*" in base.name else [Path(f"{base}.md")]
                    listed |= {path.resolve() for path in found}
    pages = {page.resolve() for page in PAGES if page.is_relative_to(ROOT / "docs")} - {
        (ROOT / "docs/index.md").resolve()
    }
    assert {name(page) for page in pages - listed} == set()
    missing = {path for path in listed if not path.exists() and path.stem not in GENERATED}
    assert {name(path) for path in missing} == set()


def test_the_first_page_leads_to_the_nights_of_a_ward_and_that_page_goes_to_the_end():
    (row,) = (line for line in (ROOT / "docs/index.md").read_text().splitlines() if "every night" in line)
    page = ROOT / "docs" / re.search(r"\]\(([^)]+)\)", row)[1]
    commands = " ".join(shell_lines(page))
    for step in (
        "medanomaly init",
        "medanomaly run",
        "bash night.sh",
        "MEDANOMALY_WEBHOOK",
        "medanomaly labels",
        "registry promote",
    ):
        assert step in commands
    assert {"--pipelines scoring", "--pipelines monitoring"} <= set(
        re.findall(r"--pipelines \w+", page.read_text())
    )


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    gone = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        # the site shows them beside its pages; they live beside it
        file = ROOT / path if path.startswith("notebooks/") else file
        if file.stem in GENERATED:
            continue
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            gone.append(target)
    assert gone == []


def anchors(page):
    """As the site and the repository's pages make them of headings."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def shell_lines(page):
    for block in re.findall(r"^[ ]*```bash\n(.*?)^[ ]*```", page.read_text(), re.DOTALL | re.MULTILINE):
        commands = re.sub(r"<<'(\w+)'\n.*?\n\1$", "", block, flags=re.DOTALL | re.MULTILINE)
        for line in commands.replace("\\\n", " ").splitlines():
            yield line.strip()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_options_exist(page):
    wrong = []
    for line in shell_lines(page):
        for part in re.split(r"&&|\|\||[;|]", line.split(" #")[0]):
            try:
                words = shlex.split(part)
            except ValueError:
                continue
            while words and "=" in words[0]:
                words = words[1:]
            if words[:1] and Path(words[0]).name == "medanomaly":
                wrong += unknown(words[1:], line)
    assert wrong == []


def unknown(words, line):
    command = cli
    while isinstance(command, click.Group) and words:
        if words[0] in ("-h", "--help", "--version"):
            return []
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            return [f"{line}: no command {words[0]}"]
        command, words = found, words[1:]
    if command.context_settings.get("ignore_unknown_options"):
        return []
    known = {opt for param in command.params for opt in (*param.opts, *param.secondary_opts)} | {
        "-h",
        "--help",
    }
    given = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    return [f"{line}: no option {option}" for option in sorted(given - known)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_parameters_of_kedro_commands_exist(page):
    import yaml

    known = {}
    for path in (ROOT / "conf/base/parameters").glob("*.yml"):
        known |= yaml.safe_load(path.read_text()) or {}
    # names that a command line gives to the files of an environment
    given = {
        found
        for path in (ROOT / "conf").rglob("*.yml")
        for found in re.findall(r"runtime_params:(\w+)", path.read_text())
    }
    wrong = []
    for line in shell_lines(page):
        if "kedro run" not in line or "--params" not in line:
            continue
        for pair in re.search(r"--params[ =](\S+)", line)[1].strip("\"'").split(","):
            keys, block = pair.split("=")[0].split("."), known
            if keys[0] in given:
                continue
            for key in keys:
                if block is None:
                    break  # a block that is left out by default
                try:
                    block = below(block, key)
                except (KeyError, TypeError, AttributeError):
                    wrong.append(f"{line}: {pair}")
                    break
    assert wrong == []


def below(block, key):
    """What stands under a key of a block of parameters; the block of a model may hold all that its kind has."""
    if isinstance(block, dict) and key not in block and "kind" in block:
        block = kind(block["kind"]).params
    return block.model_fields[key].annotation if isinstance(block, type) else block[key]


def test_a_parameter_of_a_model_is_looked_up_in_its_kind():
    ranker = {"kind": "phenotype_ranker"}
    assert below(below(ranker, "ranking"), "prevalence_weight") is float
    with pytest.raises(KeyError):
        below(below(ranker, "ranking"), "prevalence_wight")
