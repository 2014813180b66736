"""Which class raw records have: in Python, in files, in batches, on the command line and over HTTP."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tests.service.conftest import client_of
from tests.tabular.classes.small_class_models import RECORD, STRANGE, visits, written

from medanomaly.commands.cli import cli
from medanomaly.scoring.batches import score_batch
from medanomaly.scoring.models import open_models

TREES, BAYES = "tabular_classes.trees", "tabular_classes.bayes"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("classes"))


@pytest.fixture(scope="module")
def models(folder):
    return open_models(folder)


@pytest.fixture(scope="module")
def answers(models):
    raw = pd.DataFrame([RECORD, STRANGE, {"potassium": 4.2, "sodium": 140, "ward": "B"}])
    return models.score(raw.assign(id=["low", "strange", "well"]))


def said(answers, case, model=TREES):
    (found,) = [of for of in answers.to_dict()["cases"] if of["case_id"] == case]
    return next(of for of in found["classes"] if of["model"] == model)


def test_a_record_gets_a_class_with_its_set_and_what_speaks_for_it(answers):
    low = said(answers, "low")
    assert low["class"] == low["most_likely"] == "low potassium"
    assert low["abstains"] is False
    assert "reason" not in low
    assert low["class"] in low["set"]
    assert low["probability"] == low["classes"][0]["probability"] > 0.5
    assert [of["class"] for of in low["classes"] if of["in_set"]] == low["set"]
    assert sum(of["probability"] for of in low["classes"]) == pytest.approx(1)
    assert low["n_classes"] == 4
    assert low["reasons"][0]["feature"] == "potassium"
    assert low["reasons"][0]["unit"] == "mmol/L"
    assert low["reasons"][0]["exact"] is False
    assert said(answers, "well")["class"] == "normal"


def test_no_class_is_named_of_a_record_that_looks_like_none_and_the_reason_is_said(answers):
    strange = said(answers, "strange")
    assert strange["abstains"] is True
    assert "class" not in strange
    assert "probability" not in strange
    assert strange["reason"].startswith("no class is named: the record looks like no known one (p-value 0.0")
    assert strange["set"]


def test_classes_stay_out_of_scores_p_values_and_flags(answers, models):
    assert set(answers.scores["model"]) == {"ecdf"}
    assert answers.leading == "ecdf"
    assert set(answers.shift) == {"tabular.ecdf"}
    assert set(answers.explanations["model"]) == {"ecdf"}
    for case in answers.to_dict()["cases"]:
        assert [of["model"] for of in case["answers"]] == ["ecdf"]
    # without a model of classes nothing of them is there
    plain = models.score([RECORD], models=["ecdf"])
    assert plain.classes is None
    assert "classes" not in plain.to_dict()["cases"][0]
    assert not {"class", "class_set"} & set(plain.table)


def test_a_model_of_classes_can_be_asked_alone(models):
    only = models.score([RECORD], models=["trees"])
    assert only.scores.empty
    assert only.table["model"].tolist() == [TREES]
    assert only.table["class"].tolist() == ["low potassium"]
    assert only.to_dict()["cases"][0]["answers"] == []


def test_an_unreadable_record_costs_only_itself(models):
    raw = pd.DataFrame([RECORD, RECORD | {"potassium": "high"}]).assign(id=["a", "b"])
    found = models.score(raw, explain=False)
    table = found.table
    assert "not a number" in table.loc[table["status"].eq("refused"), "reasons"].iloc[0]
    assert found.classes.rows["case_id"].unique().tolist() == ["a"]
    assert "reasons" not in said(found, "a")
    none = models.score(raw.iloc[[1]])
    assert none.empty
    assert none.classes is None
    assert none.table["status"].tolist() == ["refused"]


def test_the_table_has_a_row_per_model_with_the_class_and_its_set(answers, tmp_path):
    table = answers.table
    assert len(table) == 9
    assert table.columns[-1] == "bundle"
    of = table[table["model"] == TREES].set_index("case_id")
    assert of.loc["low", "class"] == "low potassium"
    assert of.loc["low", "class_set"].split("; ")[0] == "low potassium"
    assert of.loc["low", "reasons"].startswith("potassium 2.3 mmol/L")
    assert pd.isna(of.loc["strange", "class"])
    assert of.loc["strange", "reasons"].startswith("no class is named")
    assert of["flagged"].isna().all()
    assert of["score"].isna().all()
    for ending in ("csv", "parquet", "json"):
        answers.save(tmp_path / f"answers.{ending}")
    read = pd.read_csv(tmp_path / "answers.csv").sort_values(["case_id", "model"])
    assert read.loc[read["model"].eq(BAYES) & read["case_id"].eq("low"), "class"].tolist() == [
        "low potassium"
    ]
    assert len(pd.read_parquet(tmp_path / "answers.parquet")) == 9
    assert json.loads((tmp_path / "answers.json").read_text())["cases"][0]["classes"]


def test_a_batch_writes_the_classes_that_single_calls_give(models, tmp_path):
    raw = visits(seed=5).drop(columns="diagnosis")
    summary = score_batch(models, raw, tmp_path / "batch.csv", chunk_rows=150)
    assert summary.n_scored == len(raw)
    written_table = pd.read_csv(tmp_path / "batch.csv")
    expected = models.score(raw, explain=False).table
    for model in (TREES, BAYES):
        mine = written_table[written_table["model"] == model].set_index("case_id")
        theirs = expected[expected["model"] == model].set_index("case_id").loc[mine.index]
        np.testing.assert_allclose(mine["probability"], theirs["probability"].astype(float), rtol=1e-9)
        assert mine["class"].fillna("none").tolist() == theirs["class"].fillna("none").tolist()
    score_batch(models, raw.head(20), tmp_path / "plain.csv", names=["ecdf"])
    assert "class" not in pd.read_csv(tmp_path / "plain.csv")


def call(*words):
    done = CliRunner().invoke(cli, [str(word) for word in words], terminal_width=200, env={"COLUMNS": "220"})
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_shows_classes_and_says_which_records_get_none(folder, tmp_path):
    path = tmp_path / "new.csv"
    pd.DataFrame([RECORD, STRANGE]).to_csv(path, index=False)
    shown = call("score", path, "--models", folder)
    assert f"by {TREES}" in shown
    assert "low potassium" in shown
    assert f"{TREES} names no class of 1 of 2 records, which look like no known record." in shown
    assert "is the share of known records that look at least as unusual" in shown
    pd.DataFrame([RECORD]).to_csv(path, index=False)
    shown = call("score", path, "--models", folder)
    assert "names no class" not in shown
    # of a model of classes alone nothing is said of alarms
    shown = call("score", path, "--models", folder / "tabular_classes" / "trees")
    assert "low potassium" in shown
    assert "flags" not in shown
    assert "Whether p-values hold" not in shown


def test_explaining_a_record_says_its_class_and_why(folder, tmp_path):
    path = tmp_path / "new.csv"
    pd.DataFrame([RECORD, STRANGE]).to_csv(path, index=False)
    shown = call("explain", path, "--case", "1", "--models", folder)
    assert f"{TREES}: low potassium, probability" in shown
    assert "potassium is 2.3 mmol/L, " in shown
    assert "to its log-odds" in shown
    shown = call("explain", path, "--case", "2", "--models", folder)
    assert f"{TREES}: no class is named: the record looks like no known one" in shown
    shown = call("explain", path, "--models", folder / "tabular_classes" / "trees")
    assert "Record " in shown


def test_the_service_answers_as_python_does(models):
    with client_of(models, limits={"seconds": 300}) as client:
        served = client.post("/v1/tabular/explain", json={"records": [RECORD, STRANGE]}).json()
        assert served == json.loads(models.score([RECORD, STRANGE], explain=20).to_json())
        one = client.post("/v1/tabular/score", json={"records": RECORD}).json()["cases"][0]
        assert one["classes"][0]["class"] == "low potassium"
        meta = client.get(f"/v2/models/{TREES}").json()
        assert [of["name"] for of in meta["outputs"]] == ["class", "class_probability", "abstains", "p_value"]
        row = {"potassium": 2.3, "sodium": 141.0, "ward": "A"}
        tensors = [of | {"shape": [1], "data": [row[of["name"]]]} for of in meta["inputs"]]
        out = client.post(f"/v2/models/{TREES}/infer", json={"inputs": tensors}).json()["outputs"]
        assert {of["name"]: of["data"][0] for of in out}["class"] == "low potassium"
        listed = {of["name"]: of for of in client.get("/v1/models").json()["models"]}
        assert listed[TREES]["alpha"] is None
        assert listed[TREES]["label"] == "model of classes"
