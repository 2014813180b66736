"""``deploy/airflow``: the DAG fits the project, and real Airflow runs a day of it where it is installed."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from benchmarks import thirty_days
from docs.demo import month
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from medanomaly.pipeline_registry import NIGHTLY
from medanomaly.scoring.registry import Registry
from tests.conftest import ROOT

AIRFLOW = ROOT / "deploy" / "airflow"
TASKS = thirty_days.dag_tasks()
VARIABLES = {"DAY": "2026-11-03", "ENVIRONMENT": "nightly"}


@pytest.fixture
def folder(tmp_path):
    """Of a day on which a training is due."""
    (tmp_path / "retrain.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_a_run_that_kedro_understands(task, folder):
    words = thirty_days.words_of(TASKS[task], VARIABLES | {"FOLDER": str(folder)})
    assert words[0] == "run"
    given = kedro_run.make_context("run", words[1:]).params
    assert (ROOT / "conf" / given["env"] / "catalog.yml").is_file()
    if task == "training":
        # the run of the environment, with the table of the night, into the folder of the night
        assert given["pipeline"] is None
        assert given["params"] == {"training": f"{folder}/training.csv", "outputs": f"{folder}/outputs"}
    else:
        assert given["pipelines"] == [f"nightly_{task}"] or given["pipelines"] == f"nightly_{task}"
        assert given["params"] == {"nightly": {"day": "2026-11-03"}}


def test_the_tasks_are_the_steps_of_a_night_in_their_order():
    assert [f"nightly_{task}" for task in TASKS if task != "training"] == list(NIGHTLY)
    assert list(TASKS).index("training") == list(TASKS).index("training_table") + 1


@pytest.mark.parametrize(("there", "runs"), [((), False), (("retrain",), True), (("retrain", "gate"), False)])
def test_a_training_starts_only_where_it_is_due_and_was_not_judged(tmp_path, there, runs):
    for name in there:
        (tmp_path / f"{name}.json").write_text("{}")
    words = thirty_days.words_of(TASKS["training_table"], VARIABLES | {"FOLDER": str(tmp_path)})
    assert (words is not None) == runs
    # the tasks behind it are skipped with it, so only this one asks
    assert [task for task in TASKS if "exit 99" in TASKS[task]] == ["training_table"]


def test_the_file_of_the_dag_is_small_and_names_no_place():
    text = thirty_days.DAG.read_text()
    assert len(text.splitlines()) <= 80
    assert not re.search(r"[\"'= ]/(?!days|kedro|\.venv)[a-z]", text)


def test_airflow_has_an_environment_of_its_own():
    wanted = (AIRFLOW / "requirements.txt").read_text()
    pinned = (AIRFLOW / "constraints.txt").read_text().splitlines()
    assert all(re.match(r"[\w.-]+==[\w.+]+( ; .+)?$", line) for line in pinned)
    names = {line.partition("==")[0] for line in pinned}
    assert "apache-airflow" in names
    assert re.search(r"^apache-airflow>=3", wanted, re.MULTILINE)
    # the project is no part of it, and Airflow none of the project
    assert "kedro" not in names
    assert "apache-airflow" not in (ROOT / "constraints.txt").read_text()


def airflow_python():
    """The Python that has Airflow: the named one, else that of ``make airflow``."""
    named = os.environ.get("MEDANOMALY_AIRFLOW") or str(AIRFLOW / ".venv" / "bin" / "python")
    if not Path(named).is_file():
        pytest.skip("there is no Airflow: MEDANOMALY_AIRFLOW names no Python, and make airflow was not run")
    return named


def test_airflow_runs_a_day_and_a_replay_of_it_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDANOMALY_AIRFLOW", airflow_python())
    monkeypatch.setenv("MEDANOMALY_SUBJECT_KEY", "a secret key of the tests")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("MEDANOMALY_BIN", str(Path(sys.executable).parent))
    bootstrap_project(ROOT)
    folder, day = tmp_path / "nightly", month.FIRST
    table = month.cases_of(0).rename(columns={"anomaly": "label"}).drop(columns=[*month.HIDDEN[1:]])
    folder.mkdir()
    table.to_csv(folder / "training.csv", index=False)
    given = {"training": str(folder / "training.csv"), "outputs": str(folder / "outputs")}
    with KedroSession.create(ROOT, env="nightly", runtime_params=given) as session:
        session.run(pipeline_names=["data_processing", "feature_engineering", "tabular_models"])
    registry = Registry(folder / "registry")
    registry.add(folder / "outputs" / "06_models" / "nightly")
    registry.promote()
    month.write_day(folder, 1, patients=40)
    thirty_days.run_day_by_airflow(folder, day, tmp_path / "airflow")
    place = folder / "days" / str(day)
    assert json.loads((place / "monitored.json").read_text())["day"] == str(day)
    assert (place / "answers.parquet").is_file()
    before = thirty_days.state(folder)
    assert {name for name in before if name.startswith("table ")} >= {
        "table prediction",
        "table ground_truth",
    }
    monkeypatch.setenv("MEDANOMALY_NIGHTLY", str(folder))
    assert thirty_days.run_day(folder, day) == ["labels", "scoring", "monitoring"]
    assert thirty_days.state(folder) == before
