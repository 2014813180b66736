import sys
import webbrowser

import numpy as np
import pandas as pd
import pytest
from tests.commands.conftest import as_json, process, visits

import medanomaly
from medanomaly.core.recipe import ReadCases, no_rows
from medanomaly.core.spreadsheet_text import unquoted
from medanomaly.scoring.answers import Answers


def test_score_shows_the_most_unusual_cases_with_reasons_findings_and_refusals(models, new_visits, answer):
    code, said, error = answer("score", new_visits, "--models", models, "--top", 5)
    assert (code, error) == (0, "")
    assert "The 5 most unusual of 59 records" in said
    assert "Glucose mg/dL 940 mg/dL" in said
    assert "°F," in said
    assert "Refused: 1 of 60" in said
    assert "P-values hold" in said or "whether p-values hold" in said
    assert "Research use only" in said


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_score_writes_every_answer(models, new_visits, answer, tmp_path, ending):
    path = tmp_path / "out" / f"answers.{ending}"
    assert answer("score", new_visits, "--models", models, "-o", path)[0] == 0
    if ending == "json":
        cases = as_json(path.read_text(encoding="utf-8"))["cases"]
        assert len(cases) == 60
        assert [case["case_id"] for case in cases if case["status"] == "refused"] == ["V10002"]
        return
    table = pd.read_parquet(path) if ending == "parquet" else pd.read_csv(path)
    assert len(table) == 59 * 2 + 1
    if ending == "csv":
        assert table["case_id"].str.startswith("'=cmd").sum() == 2
        table = unquoted(table)
    assert table["case_id"].eq("=cmd|'/c calc'!A1").sum() == 2


def test_json_of_score_is_what_python_answers(models, new_visits, answer):
    code, said, _ = answer(
        "score", new_visits, "--models", models, "--json", "--model", "ecdf", "--alpha", 0.1
    )
    assert code == 0
    found = as_json(said)
    expected = medanomaly.open(models).score(str(new_visits), models=["ecdf"], alpha=0.1)
    assert found == as_json(expected.to_json())
    assert {one["alpha"] for case in found["cases"] for one in case.get("answers", [])} == {0.1}


def test_score_takes_earlier_records_of_the_patients(models, new_visits, answer, project):
    visits(20, seed=2).drop(columns="Outcome").to_csv(project / "earlier.csv", index=False)
    code, said, error = answer("score", new_visits, "--models", models, "--history", project / "earlier.csv")
    assert (code, error) == (0, "")
    assert "of 59 records" in said


def test_nothing_in_the_data_controls_the_terminal(models, answer, tmp_path):
    table = visits(5, seed=3).drop(columns="Outcome")
    table.loc[0, "Visit ID"] = "V\x1b[2J[red]x[/red]"
    table.to_csv(tmp_path / "new.csv", index=False)
    code, said, _ = answer("score", tmp_path / "new.csv", "--models", models)
    assert code == 0
    assert "\x1b" not in said
    assert "[red]" in said


def test_the_exit_code_says_when_no_case_could_be_scored(models, answer, tmp_path):
    table = visits(3, seed=3).assign(**{"Glucose mg/dL": "4.0 clotted"})
    table.to_csv(tmp_path / "new.csv", index=False)
    code, said, _ = answer("score", tmp_path / "new.csv", "--models", models)
    assert code == 1
    assert "Refused: 3 of 3" in said
    assert answer("score", tmp_path / "new.csv", "--models", models, "--json")[0] == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("score", "new.csv", "--models", "nowhere"), 1, "no such folder"),
        (("score", "new.csv", "--models", "."), 1, "no model in it"),
        (("score", "nothing.csv", "--models", "MODELS"), 1, "no such file"),
        (("score", "other.csv", "--models", "MODELS"), 1, "none of its columns"),
        (("score", "new.csv", "--models", "MODELS", "--model", "ecfd"), 2, "Did you mean"),
        (("score", "new.csv", "--models", "MODELS", "--alpha", "7"), 2, "share from 0 to 1"),
        (("score", "new.csv", "--models", "MODELS", "--fs", "250"), 2, "--fs is for signals"),
        (("score", "new.csv", "--models", "MODELS", "-o", "a.doc"), 2, ".parquet"),
        (("score", "new.csv", "--models", "MODELS", "-o", "new.csv/a.json"), 1, "new.csv"),
        (("score", "new.csv"), 2, "--models"),
        (("explain", "new.csv", "--models", "MODELS", "--case", "V9"), 2, "there is no case"),
        (("report", "vists"), 1, "Did you mean 'visits'"),
        (("models", "MODELS", "--card", "ecfd"), 2, "Did you mean"),
        (("scor", "new.csv"), 2, "Did you mean 'score'"),
        (("score", "new.csv", "--modles", "x"), 2, "--models"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(
    project, models, new_visits, answer, monkeypatch, words, code, said
):
    monkeypatch.chdir(project)
    (project / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    found = answer(*(models if word == "MODELS" else word for word in words))
    assert found[0] == code
    assert found[2].startswith("Error: ")
    assert said in found[2]
    assert found[2].count("\n") == 1


def test_explain_says_all_reasons_in_words(models, new_visits, answer):
    code, said, _ = answer("explain", new_visits, "--models", models)
    assert code == 0
    assert said.startswith("Record V10001\n")
    assert "Temp (°C) is 98.6 °C, above the usual" in said
    code, said, _ = answer("explain", new_visits, "--models", models, "--case", "V10001", "--json")
    found = as_json(said)
    assert found["case_id"] == "V10001"
    assert {one["model"] for one in found["answers"]} == {"ecdf", "nearest_neighbours"}
    assert len(found["answers"][0]["reasons"]) > 5
    assert found["findings"][0]["suggested_value"].startswith("37")


def test_explain_says_why_a_case_was_refused(models, new_visits, answer):
    code, said, _ = answer("explain", new_visits, "--models", models, "--case", "V10002")
    assert code == 0
    assert "It cannot be scored: Glucose mg/dL" in said


def test_report_finds_the_page_from_an_environment_and_from_any_folder_of_the_run(
    project, trained, models, answer, monkeypatch
):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    monkeypatch.chdir(project)
    monkeypatch.delenv("MEDANOMALY_OUTPUTS", raising=False)
    page = trained / "08_reporting/visits/report.html"
    for run in (
        "visits",
        models,
        models / "tabular/ecdf",
        trained / "08_reporting/visits",
        trained / "04_feature/visits",
    ):
        code, said, error = answer("report", run, "--json")
        assert (code, error) == (0, "")
        assert (project / as_json(said)["report"]).samefile(page)
    assert answer("report", "visits", "--open")[0] == 0
    assert opened == [page.resolve().as_uri()]
    code, _, error = answer("report", "wdbc")
    assert code == 1
    assert "medanomaly run --env wdbc" in error


def test_models_lists_what_there_is_and_prints_cards(models, answer):
    code, said, _ = answer("models", models)
    assert code == 0
    assert "nearest_neighbours" in said
    found = as_json(answer("models", models, "--json")[1])
    assert [one["model"] for one in found] == ["ecdf", "nearest_neighbours"]
    opened = medanomaly.open(models)
    assert [one["bundle"] for one in found] == [opened[name].bundle.bundle_hash for name in opened]
    assert all(
        one["n_calibration"] > 20 and one["alpha"] == 0.05 and one["dataset"] == "visits" for one in found
    )
    assert answer("models", models, "--card", "ecdf")[1].startswith("---\nlibrary_name: medanomaly\n")


def test_serve_hands_over_to_the_service_or_says_what_to_install(models, answer, monkeypatch):
    from medanomaly.service import app

    asked = []
    monkeypatch.setattr(app, "serve", lambda folder, settings: asked.append((folder, settings)))
    monkeypatch.setenv("MEDANOMALY_STORE", "sqlite:///predictions.db")
    assert answer("serve", "--models", models, "--port", 9000, "--keep-records", "--workers", 2)[0] == 0
    ((folder, settings),) = asked
    assert (folder, settings.host, settings.port, settings.keep_records) == (models, "127.0.0.1", 9000, True)
    assert (settings.store, settings.workers) == ("sqlite:///predictions.db", 2)
    monkeypatch.setitem(sys.modules, "medanomaly.service.app", None)
    code, _, error = answer("serve", "--models", models)
    assert code == 2
    assert 'pip install "medanomaly[serve]"' in error


def test_help_teaches_and_names_every_command(answer):
    code, said, _ = answer()
    assert code == 0
    assert said == answer("-h")[1] == answer("--help")[1]
    for line in (
        "medanomaly init visits visits.csv",
        "medanomaly run --env visits",
        "medanomaly score new.csv",
    ):
        assert line in said
    for command in (
        "init", "score", "explain", "report", "models", "infer", "serve", "labels", "monitor", "registry", "fetch",
    ):  # fmt: skip
        code, said, _ = answer(command, "-h")
        assert code == 0
        assert f"Usage: medanomaly {command}" in said


def test_commands_that_answer_work_outside_a_checkout_without_kedro_and_torch(models, new_visits, tmp_path):
    script = (
        "import sys\nfrom medanomaly.commands.cli import call\n"
        f"call(['score', {str(new_visits)!r}, '--models', {str(models)!r}, '--json'], standalone_mode=False)\n"
        f"call(['explain', {str(new_visits)!r}, '--models', {str(models)!r}], standalone_mode=False)\n"
        f"call(['models', {str(models)!r}], standalone_mode=False)\n"
        "found = {'kedro', 'kedro_datasets', 'torch', 'matplotlib', 'lightning'} & set(sys.modules)\n"
        "sys.exit(', '.join(found) or 0)\n"
    )
    ran = process(script=script, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_version_and_help_import_nothing_heavy(tmp_path):
    ran = process("--version", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, f"medanomaly {medanomaly.__version__}\n")
    script = (
        "import sys\nfrom medanomaly.commands.cli import call\ncall(['-h'], standalone_mode=False)\n"
        "sys.exit(', '.join({'kedro', 'numpy', 'pandas', 'rich', 'yaml'} & set(sys.modules)) or 0)\n"
    )
    ran = process(script=script, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_findings_of_a_recording_as_a_whole_are_told():
    finding = {
        "column": "rhythm",
        "value": "",
        "rule": "pause",
        "message": "4 s without a beat",
        "suggested_value": "",
    }
    found = pd.DataFrame([{"case_id": "r1"} | finding])
    scores = pd.DataFrame(columns=["case_id", "modality", "model"], dtype=object)
    read = ReadCases(no_rows(("case_id", "patient_id")), {}, findings=found)
    assert Answers("signals", "beat", read, scores, scores).to_dict()["findings"] == [
        {"source": "r1"} | finding
    ]


def test_named_cases_are_explained_and_progress_is_told(models, new_visits):
    steps = []
    opened = medanomaly.open(models)
    answers = opened.score(str(new_visits), explain=["V10005"], progress=lambda *step: steps.append(step))
    assert set(answers.explanations["case_id"]) == {"V10005"}
    assert [step[1:] for step in steps] == [(0, 3), (1, 3), (2, 3)]
    assert np.isfinite(answers.scores["score"].astype(float)).all()
