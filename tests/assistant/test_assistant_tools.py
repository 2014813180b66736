"""The tools of an assistant, asked by a real client over standard input and output."""

import asyncio
import inspect
import json
import os
import re
import sys

import pytest

from medanomaly.assistant import INSTRUCTIONS, Tools, server
from medanomaly.core.errors import ConfigurationError, DataNotFoundError
from tests.conftest import ROOT
from tests.scoring.small_models import trained, visits

pytest.importorskip("mcp", reason="mcp is not installed (extra mcp)")

METRICS = """modality,model,role,split,subgroup,metric,value,ci_low,ci_high,n
tabular,ecdf,model,test,,auroc,0.9,0.85,0.94,200
tabular,ecdf,model,test,sex=F,auroc,0.88,0.8,0.95,100
tabular,mahalanobis,model,test,,auroc,,,,200
"""
COMPARISONS = """modality,model_a,model_b,metric,difference,ci_low,ci_high,n,n_positive
tabular,ecdf,mahalanobis,auroc,0.1,0.02,0.2,200,20
"""
AUDIT = {
    "checks": [
        {"title": "Calibration is large enough", "verdict": "pass", "figure": "100"},
        {"title": "No copies", "verdict": "fail", "figure": "3 of 200"},
    ]
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs")
    trained(folder / "06_models" / "ward")
    report = folder / "08_reporting" / "ward"
    report.mkdir(parents=True)
    (report / "metrics.csv").write_text(METRICS)
    (report / "comparisons.csv").write_text(COMPARISONS)
    (report / "audit.json").write_text(json.dumps(AUDIT))
    visits(12, seed=5).drop(columns="outcome").to_csv(folder / "new.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def answers(outputs):
    """What a client hears: the tools, and one answer of each; one process for all."""
    from mcp.client import Client
    from mcp.client.stdio import StdioServerParameters

    started = StdioServerParameters(
        command=sys.executable,
        args=["-m", "medanomaly", "mcp", "--outputs", str(outputs)],
        env=dict(os.environ),
    )
    asked = {
        "models": {},
        "metrics": {"dataset": "ward", "metric": "auroc"},
        "compare": {"dataset": "ward"},
        "audit": {"dataset": "ward"},
        "card": {"dataset": "ward", "model": "ecdf"},
        "score": {"dataset": "ward", "file": str(outputs / "new.csv")},
        "explain": {"dataset": "ward", "file": str(outputs / "new.csv"), "case": "00500000"},
        "diagnose": {"dataset": "ward", "text": "seizures"},
    }

    async def ask():
        async with Client(started) as client:
            tools = (await client.list_tools()).tools
            found = {name: await client.call_tool(name, given) for name, given in asked.items()}
            found["unknown"] = await client.call_tool("metrics", {"dataset": "wart"})
            return client.instructions, tools, found

    return asyncio.run(asyncio.wait_for(ask(), 120))


def said(answers, name):
    return answers[2][name].content[0].text


def test_eight_tools_that_only_read(answers):
    told, tools, _ = answers
    assert told == INSTRUCTIONS
    assert sorted(tool.name for tool in tools) == sorted(
        ["models", "metrics", "compare", "audit", "card", "score", "explain", "diagnose"]
    )
    assert all(tool.annotations.read_only_hint for tool in tools)
    assert all(tool.description for tool in tools)


def test_models_and_figures_are_those_of_the_files(answers):
    (found,) = json.loads(said(answers, "models"))
    assert found["dataset"] == "ward"
    assert {model["model"] for model in found["models"]} == {"ecdf", "mahalanobis"}
    rows = json.loads(said(answers, "metrics"))
    assert rows[0] == {
        "modality": "tabular",
        "model": "ecdf",
        "role": "model",
        "split": "test",
        "metric": "auroc",
        "value": 0.9,
        "ci_low": 0.85,
        "ci_high": 0.94,
        "n": 200,
    }
    # what is not known is left out, not given as a number
    assert "value" not in rows[2]
    assert json.loads(said(answers, "compare"))[0]["ci_low"] == 0.02
    assert [check["verdict"] for check in json.loads(said(answers, "audit"))["checks"]] == ["fail", "pass"]


def test_scores_without_a_row_of_a_patient(answers, outputs):
    found = json.loads(said(answers, "score"))
    assert found["n_cases"] == 12
    assert set(found["flagged"]) == {"ecdf", "mahalanobis"}
    assert found["cases"] == "rows of patients are not given out"
    whole = json.dumps(
        {name: answer.content[0].text for name, answer in answers[2].items() if name != "explain"}
    )
    ids = visits(12, seed=5)
    assert not any(value in whole for value in [*ids["id"], *ids["patient"]])


def test_errors_are_those_of_the_commands(answers):
    assert answers[2]["explain"].is_error
    assert "--with-patients" in said(answers, "explain")
    assert answers[2]["unknown"].is_error
    assert "there is no data set 'wart'" in said(answers, "unknown")
    assert "ward" in said(answers, "unknown")
    assert answers[2]["diagnose"].is_error
    assert not answers[2]["models"].is_error


def test_cases_are_given_where_that_is_allowed(outputs):
    tools = Tools(outputs, with_patients=True)
    file = str(outputs / "new.csv")
    assert len(tools.score("ward", file)["cases"]) == 12
    found = tools.explain("ward", file, "00500000")
    assert found["case_id"] == "00500000"
    assert found["answers"][0]["reasons"]
    with pytest.raises(ConfigurationError, match="no case '0050000x'"):
        tools.explain("ward", file, "0050000x")


@pytest.mark.parametrize("name", ["../ward", "ward/..", "/etc", "", "tabular"])
def test_a_data_set_is_a_name_and_never_a_path(outputs, name):
    with pytest.raises(ConfigurationError, match="no data set"):
        Tools(outputs).metrics(name)


def test_what_a_run_did_not_write_is_named(outputs, tmp_path):
    with pytest.raises(DataNotFoundError, match="no models"):
        Tools(tmp_path).models()
    (outputs / "08_reporting" / "empty").mkdir(exist_ok=True)
    with pytest.raises(DataNotFoundError, match=r"metrics\.csv"):
        Tools(outputs).metrics("empty")
    with pytest.raises(ConfigurationError, match="no metric 'auroq'"):
        Tools(outputs).metrics("ward", metric="auroq")


def test_without_the_library_the_command_says_what_to_install(monkeypatch, outputs):
    for name in [name for name in sys.modules if name == "mcp" or name.startswith("mcp.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(ConfigurationError, match=r"medanomaly\[mcp\]"):
        server(Tools(outputs))


def test_the_page_for_assistants_names_every_tool_and_argument():
    page = (ROOT / "docs/assistants.md").read_text()
    rows = {
        cells[1].strip(" `"): re.findall(r"`(\w+)`", cells[2])
        for cells in (line.split("|") for line in page.splitlines() if line.startswith("| `"))
    }
    assert rows == {tool.__name__: list(inspect.signature(tool).parameters) for tool in Tools("data").all()}
