"""Raw cases to answers: what a run scored gets the same score again, and one new case gets one too."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import medanomaly
from medanomaly.core.bundle import read_bundle, write_bundle
from medanomaly.core.errors import BundleError, ConfigurationError, DataNotFoundError, InputError
from medanomaly.scoring.answers import NOTICE, REFUSED

MODALITIES = ("tabular", "signals", "imaging")
# one process makes the run for all tests that read it


@pytest.fixture(scope="module")
def folder(finished_run, finished_outputs):
    return finished_outputs / "06_models" / "synthetic"


@pytest.fixture(scope="module")
def models(folder):
    return medanomaly.open(folder)


@pytest.fixture(scope="module")
def patient(finished_run):
    """One raw record."""
    return finished_run["tabular.raw"].load().iloc[5].to_dict()


@pytest.mark.parametrize("modality", MODALITIES)
def test_raw_data_of_a_run_get_its_scores_again(finished_run, models, modality):
    answers = models.score(finished_run[f"{modality}.raw"].load(), modality=modality, explain=False)
    cases = finished_run[f"{modality}.cases"].load()
    known = finished_run[f"{modality}.scores"].load()
    known = known[known["role"] == "model"].merge(cases[["case_id", "split"]], on="case_id")
    both = known.merge(answers.scores, on=["case_id", "model"], suffixes=("", "_again"))
    assert len(both) == len(known)
    np.testing.assert_allclose(both["score_again"].astype(float), both["score"], rtol=0, atol=1e-6)
    test = both[both["split"] == "test"]
    np.testing.assert_allclose(test["p_value_again"].astype(float), test["p_value"], rtol=0, atol=1e-12)
    assert (test["flagged_again"].astype(bool) == test["flagged"].astype(bool)).all()
    quarantined = finished_run[f"{modality}.quarantine"].load()
    assert set(answers.read.refused["case_id"]) == set(quarantined["case_id"])


def test_one_record_is_enough_and_gets_the_score_it_has_among_all(finished_run, models, patient):
    answers = models.score(patient)
    known = finished_run["tabular.scores"].load().set_index(["case_id", "model"])["score"]
    mine = finished_run["tabular.raw"].load()
    first_visit = ~mine["patient_id"].duplicated().iloc[5]
    assert first_visit, "a later visit would need its history"
    for row in answers.scores.itertuples():
        assert row.score == pytest.approx(known[row.case_id, row.model], abs=1e-6)


def test_the_answer_says_everything_as_a_table_and_as_json(models, patient):
    answers = models.score(patient, alpha=0.2)
    table = answers.table
    assert (table["alpha"] == 0.2).all()
    assert (table["flagged"].astype(bool) == (table["p_value"].astype(float) <= 0.2)).all()
    said = json.loads(answers.to_json())
    (case,) = said["cases"]
    assert {answer["model"] for answer in case["answers"]} == set(table["model"])
    assert all(len(answer["bundle"]) == 64 for answer in case["answers"])
    assert all(
        answer["reasons"][0]["contribution"] >= answer["reasons"][-1]["contribution"]
        for answer in case["answers"]
    )
    assert said["notice"] == NOTICE
    assert {hold["verdict"] for hold in said["p_values_hold"].values()} == {"unknown"}


def test_an_impossible_value_never_passes_without_a_word(models, patient):
    (case,) = models.score(patient | {"age": 200}).to_dict()["cases"]
    assert case["status"] == REFUSED
    assert "age" in case["reason"]
    (case,) = models.score(patient | {"potassium": 16.0}).to_dict()["cases"]
    assert any(finding["column"] == "potassium" for finding in case["findings"])


def test_a_value_in_another_unit_is_named_with_what_was_meant(models, patient):
    (case,) = models.score(patient | {"temperature": 98.6}).to_dict()["cases"]
    (finding,) = [finding for finding in case["findings"] if finding["column"] == "temperature"]
    assert float(finding["suggested_value"]) == pytest.approx(37.0, abs=0.1)


def test_what_was_not_given_is_said(models, patient):
    few = {
        name: patient[name] for name in ("record_id", "patient_id", "age", "sex", "heart_rate", "systolic")
    }
    (case,) = models.score(few).to_dict()["cases"]
    assert {"diastolic", "temperature"} <= set(case["missing"])
    assert "earlier records of the patient" in case["missing"]


def test_a_repeated_record_is_known_from_its_history(finished_run, models, patient):
    def repeats(answers):
        return answers.read.inputs["features"].inputs["n_earlier_identical"].to_list()

    again = patient | {"record_id": "R-new"}
    alone, after = models.score(again), models.score(again, history=patient)
    assert repeats(alone) == [0.0]
    assert repeats(after) == [1.0]
    assert "earlier records of the patient" in alone.read.missing["R-new"]
    assert "earlier records of the patient" not in after.read.missing["R-new"]


def test_numbers_are_read_as_training_read_them(models, patient):
    as_text = {name: str(value) if isinstance(value, float) else value for name, value in patient.items()}
    one, other = models.score(patient, explain=False), models.score(as_text, explain=False)
    pd.testing.assert_frame_equal(one.scores, other.scores)


def test_a_misspelt_column_is_refused_with_the_right_name(models, patient):
    record = dict(patient)
    record["heart_rat"] = record.pop("heart_rate")
    with pytest.raises(InputError, match="'heart_rate' is not given"):
        models.score(record)
    answers = models.score(patient | {"shoe_size": 43})
    assert any("shoe_size" in note for note in answers.read.notes)


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_a_file_is_scored_as_its_records_are(finished_run, models, tmp_path, ending):
    raw = finished_run["tabular.raw"].load().head(20)
    path = tmp_path / f"new.{ending}"
    {"csv": raw.to_csv, "parquet": raw.to_parquet, "xlsx": raw.to_excel}[ending](path, index=False)
    of_file, of_table = models.score(path, explain=False), models.score(raw, explain=False)
    assert len(of_file.read.cases) + len(of_file.read.refused) == 20
    np.testing.assert_allclose(
        of_file.scores["score"].astype(float), of_table.scores["score"].astype(float), rtol=0, atol=1e-6
    )


def test_one_bad_record_costs_only_itself(finished_run, models):
    raw = finished_run["tabular.raw"].load().head(10).astype(object)
    raw.loc[3, "heart_rate"] = "very fast"
    answers = models.score(raw, explain=False)
    assert len(answers.read.refused) == 1
    assert "heart_rate" in answers.read.refused["reason"].iloc[0]
    assert len(answers.read.cases) == 9


def test_arrays_bytes_and_files_of_an_image_are_one_image(finished_run, models, tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (90, 64), dtype=np.uint8)
    path = tmp_path / "new.png"
    Image.fromarray(pixels).save(path)
    scores = [
        models.score(given, modality="imaging", models=["imaging.lbe"])
        for given in (pixels, path, str(path), path.read_bytes(), [path])
    ]
    assert len({answer.scores["score"].iloc[0] for answer in scores}) == 1
    assert not scores[0].explanations.empty
    (tmp_path / "broken.png").write_bytes(path.read_bytes()[:200])
    both = models.score(tmp_path)
    assert both.modality == "imaging"
    assert both.read.cases["case_id"].to_list() == ["new.png"]
    assert both.read.refused["case_id"].to_list() == ["broken.png"]


def test_an_array_with_its_rate_is_a_recording(finished_run, models):
    recording = next(iter(finished_run["signals.raw"].load().values()))
    answers = models.score(
        recording.signal, fs=recording.fs, leads=recording.leads, units=recording.units, explain=3
    )
    assert answers.modality == "signals"
    assert len(answers.read.cases) > 20
    assert answers.table["case"].str.match(r"recording at \d+:\d\d\.\d").all()
    with pytest.raises(InputError, match="nothing of its rate"):
        models.score(recording.signal, modality="signals")


def test_a_recording_of_nothing_is_refused(models):
    answers = models.score(np.zeros(5000), fs=250, modality="signals")
    assert answers.scores.empty
    assert len(answers.read.refused) == 1
    assert answers.to_dict()["cases"][0]["status"] == REFUSED


def test_what_nothing_takes_is_refused_with_the_known_modalities(models, tmp_path):
    with pytest.raises(InputError, match="nothing here takes"):
        models.score(tmp_path / "story.docx")
    with pytest.raises(ConfigurationError, match="Did you mean 'tabular'"):
        models.score({}, modality="tabula")
    with pytest.raises(ConfigurationError, match="there is no model"):
        models.score({"age": 4}, models=["isolation_forrest"])


def test_a_bundle_alone_finds_its_recipe_and_refuses_another(folder, patient, tmp_path):
    alone = medanomaly.open(folder / "tabular" / "ecdf")
    assert list(alone) == ["tabular.ecdf"]
    assert len(alone.score(patient).scores) == 1
    write_bundle(tmp_path / "ecdf", read_bundle(folder / "tabular" / "ecdf"))
    with pytest.raises(BundleError, match="recipe"):
        medanomaly.open(tmp_path / "ecdf")


def test_a_folder_without_models_is_refused_with_where_they_are(folder, tmp_path):
    with pytest.raises(DataNotFoundError, match="synthetic"):
        medanomaly.open(folder.parent)
    with pytest.raises(DataNotFoundError, match="no model"):
        medanomaly.open(tmp_path)


def test_scoring_imports_neither_kedro_nor_torch(folder, patient, tmp_path):
    record = tmp_path / "record.json"
    pd.Series(patient).to_json(record, date_format="iso")
    program = (
        "import json, sys, medanomaly\n"
        f"models = medanomaly.open({str(folder)!r})\n"
        f"answers = models.score(json.load(open({str(record)!r})))\n"
        "assert len(answers.table)\n"
        "print(sorted({'kedro', 'torch', 'lightning', 'matplotlib', 'wandb', 'optuna'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "[]", run.stderr
