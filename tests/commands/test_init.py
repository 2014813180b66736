import json
import re

import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog
from PIL import Image
from tests.commands.conftest import draw_images, draw_recordings, process, run_here, visits

from medanomaly.tabular.table.guess import guess_table, header_unit


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("Glucose mg/dL", "Glucose", "mg/dL"),
        ("MAP [mmHg]", "MAP", "mmHg"),
        ("Temp (°C)", "Temp", "°C"),
        ("Temp C", "Temp", "C"),
        ("weight_kg", "weight", "kg"),
        ("Height, cm", "Height", "cm"),
        ("SpO2 %", "SpO2", "%"),
        ("WBC (10^9/L)", "WBC", "10^9/L"),
        ("eGFR (mL/min/1.73m²)", "eGFR", "mL/min/1.73m²"),
        ("HR (bpm)", "HR", "bpm"),
        # words that are no units
        ("Vitamin C", "Vitamin C", ""),
        ("hepatitis_c", "hepatitis_c", ""),
        ("Sex (M/F)", "Sex (M/F)", ""),
        ("hr_min", "hr_min", ""),
        ("birth year", "birth year", ""),
        ("ALT (SGPT)", "ALT (SGPT)", ""),
    ],
)
def test_units_are_read_from_headers_and_words_are_not_taken_for_units(header, name, unit):
    assert header_unit(header) == (name, unit)


def test_columns_of_a_table_are_guessed():
    table = guess_table(visits())
    assert (table.case_id, table.patient_id, table.label) == ("Visit ID", "PatientID", "Outcome")
    assert (table.age, table.sex, table.normal) == ("Age (years)", "Sex", ("well",))
    assert table.levels == ("DKA", "sepsis", "well")
    kinds = {name: column.kind for name, column in table.columns.items()}
    assert kinds["Name"] == "ignore"
    assert kinds["Admitted"] == kinds["Discharged"] == "time"
    assert kinds["Ward"] == "category"
    assert table.columns["MAP [mmHg]"].quantity == "mean_pressure"
    assert table.unruled == ["K"]
    assert table.durations == {"Admitted_to_Discharged": ("Admitted", "Discharged", "days", True)}


def test_a_second_outcome_is_no_feature_and_dates_of_birth_and_other_dates_are_left_out():
    raw = visits()
    raw["died"] = (raw["Outcome"] != "well").astype(int)
    raw["date of birth"] = "1950-01-0" + raw["Age (years)"].mod(9).add(1).astype(str)
    raw["seen"] = pd.to_datetime(raw["Admitted"]).dt.strftime("%d.%m.%Y")
    table = guess_table(raw)
    assert table.label == "Outcome"
    for name, why in (("died", "outcome"), ("date of birth", "birth"), ("seen", "ISO 8601")):
        assert table.columns[name].kind == "ignore"
        assert why in table.columns[name].why


def test_survival_is_normal_where_the_label_says_it():
    raw = visits().drop(columns="Outcome").assign(survived=[1, 1, 1, 0] * 100)
    assert guess_table(raw).normal == ("1",)


def test_an_environment_for_a_table_runs_through_to_its_report(project, trained):
    assert (trained / "08_reporting/visits/report.html").is_file()
    text = (project / "conf/visits/parameters.yml").read_text(encoding="utf-8")
    table = yaml.safe_load(text)["data_processing"]["tables"]["visits"]
    assert table["columns"]["Glucose mg/dL"] == {"kind": "number", "unit": "mg/dL"}
    assert table["normal_labels"] == ["well"]
    assert text.count("QUESTION") == 3
    # every line that says something of the data has a comment, or stands under one
    assert all("#" in line for line in text.splitlines() if "kind: " in line)


def test_no_value_of_a_patient_is_written(project, trained):
    raw = visits().astype(str)
    shared = {"well", "sepsis", "DKA"}
    for file in ("catalog.yml", "globals.yml", "parameters.yml"):
        words = set(re.findall(r"[\w.:°'-]+", (project / "conf/visits" / file).read_text(encoding="utf-8")))
        for name in ("Visit ID", "PatientID", "Name", "Admitted", "Outcome"):
            assert not (set(raw[name]) - shared) & words


def test_a_rare_level_of_the_label_is_not_written(tmp_path, answer, monkeypatch):
    raw = visits()
    raw.loc[3, "Outcome"] = "Mrs Smith, see letter"
    raw.to_csv(tmp_path / "visits.csv", index=False)
    monkeypatch.chdir(tmp_path)
    code, said, _ = answer("init", "rare", "visits.csv")
    assert code == 0
    assert "Smith" not in said + (tmp_path / "conf/rare/parameters.yml").read_text(encoding="utf-8")


def test_an_environment_is_overwritten_only_when_that_is_asked_for(project, trained, answer, monkeypatch):
    monkeypatch.chdir(project)
    before = (project / "conf/visits/parameters.yml").read_text(encoding="utf-8")
    code, _, error = answer("init", "visits", "visits.csv")
    assert code == 2
    assert "--force" in error
    assert (project / "conf/visits/parameters.yml").read_text(encoding="utf-8") == before
    assert answer("init", "twice", "visits.csv")[0] == 0
    assert answer("init", "twice", "visits.csv", "--force")[0] == 0


@pytest.mark.parametrize("ending", ["semicolon.csv", "latin.csv", "tab.tsv", "table.parquet", "table.xlsx"])
def test_every_form_of_a_table_is_described_and_its_reader_understands_it(
    tmp_path, answer, monkeypatch, ending
):
    raw, path = visits(), tmp_path / ending
    if ending.endswith("parquet"):
        raw.to_parquet(path)
    elif ending.endswith("xlsx"):
        raw.to_excel(path, index=False)
    else:
        options = {"s": {"sep": ";"}, "l": {"encoding": "latin-1"}, "t": {"sep": "\t"}}[ending[0]]
        raw.to_csv(path, index=False, **options)
    monkeypatch.chdir(tmp_path)
    assert answer("init", "one", ending)[0] == 0
    entry = yaml.safe_load((tmp_path / "conf/one/catalog.yml").read_text(encoding="utf-8"))
    table = DataCatalog.from_config(entry)["tabular.raw"].load()
    assert list(table) == list(raw)
    assert len(table) == len(raw)


def test_strange_names_of_columns_become_an_environment_that_runs(project, answer, monkeypatch):
    strange = [
        "a: b",
        "c # d",
        "${globals:raw}",
        "yes",
        'quote " and \\',
        "- e",
        "{f}",
        "null",
        "1.5",
        "*g",
        "Na.",
        "&h!",
    ]
    strange.append("x\u2028y")
    raw = visits(120)
    for i, name in enumerate(strange):
        raw[name] = range(i, i + len(raw))
    raw["${oc.env:HOME} status"] = raw.pop("Outcome")
    raw.to_csv(project / "strange.csv", index=False)
    monkeypatch.chdir(project)
    assert answer("init", "strange", "strange.csv")[0] == 0
    table = yaml.safe_load((project / "conf/strange/parameters.yml").read_text(encoding="utf-8"))
    assert set(strange) <= set(table["data_processing"]["tables"]["strange"]["columns"])
    run_here(project, "strange", pipeline_names=["data_processing"])
    assert (project / "data/03_primary/strange/tabular/cases.parquet").is_file()


@pytest.fixture(scope="session")
def image_run(project):
    """Images of two classes, described by init, with the model of bands trained on them."""
    draw_images(project / "images/normal", 90, seed=1)
    draw_images(project / "images/spot", 8, seed=2, spot=True)
    written = process("init", "images", "images", cwd=project)
    assert written.returncode == 0, written.stderr
    run_here(
        project, "images", pipeline_names=["data_processing", "imaging_models"], to_nodes=["imaging.lbe.fit"]
    )
    return project / "data/06_models/images/imaging/lbe"


def test_a_folder_of_images_by_class_becomes_an_environment_that_runs(project, image_run):
    entry = yaml.safe_load((project / "conf/images/catalog.yml").read_text(encoding="utf-8"))["imaging.raw"]
    assert entry["type"].endswith("ClassFoldersDataset")
    assert entry["normal"] == ["normal"]
    assert (image_run / "manifest.json").is_file()


def test_infer_draws_a_map_and_says_the_score(project, image_run, answer, tmp_path):
    code, said, error = answer(
        "infer",
        "--model",
        image_run,
        "--input",
        project / "images/spot/spot_000.png",
        "--output",
        tmp_path / "map.png",
    )
    assert (code, error) == (0, "")
    found = json.loads(said)
    assert found["model"] == "lbe"
    assert found["flagged"] is True
    with Image.open(tmp_path / "map.png") as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")


@pytest.mark.parametrize(
    ("given", "output", "code"),
    [("broken.png", "map.png", 1), ("none.png", "map.png", 1), ("spot_000.png", "map.gif", 2)],
)
def test_infer_refuses_what_it_cannot_draw_in_one_line(
    project, image_run, answer, tmp_path, given, output, code
):
    (project / "images/spot/broken.png").write_bytes(b"no image")
    found = answer(
        "infer",
        "--model",
        image_run,
        "--input",
        project / "images/spot" / given,
        "--output",
        tmp_path / output,
    )
    (project / "images/spot/broken.png").unlink()
    assert found[0] == code
    assert found[2].startswith("Error: ")
    assert found[2].count("\n") == 1


def test_images_without_classes_or_labels_become_an_environment_whose_names_are_hidden(
    tmp_path, answer, monkeypatch
):
    draw_images(tmp_path / "xrays", 6, seed=3)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDANOMALY_PSEUDONYM_KEY", "0" * 64)
    assert answer("init", "xrays", "xrays")[0] == 0
    entry = yaml.safe_load((tmp_path / "conf/xrays/catalog.yml").read_text(encoding="utf-8"))
    source = DataCatalog.from_config(entry)["imaging.raw"].load()
    assert len(source.manifest) == 6
    assert source.manifest["label"].isna().all()
    assert not source.manifest["case_id"].str.contains("plain").any()


def test_images_with_a_table_of_labels_are_described_with_its_columns(tmp_path, answer, monkeypatch):
    draw_images(tmp_path / "xrays", 6, seed=3)
    (tmp_path / "xrays/labels.csv").write_text("File,Abnormal,Patient\nplain_000.png,0,a\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert answer("init", "xrays", "xrays")[0] == 0
    entry = yaml.safe_load((tmp_path / "conf/xrays/catalog.yml").read_text(encoding="utf-8"))["imaging.raw"]
    assert entry["columns"] == {
        "path_column": "File",
        "label_column": "Abnormal",
        "patient_column": "Patient",
    }


def test_a_folder_of_recordings_becomes_an_environment_that_runs(project, answer, monkeypatch):
    draw_recordings(project / "holter")
    monkeypatch.chdir(project)
    code, _, error = answer("init", "holter", "holter")
    assert code == 1
    assert "--fs" in error
    assert answer("init", "holter", "holter", "--fs", 250)[0] == 0
    settings = yaml.safe_load((project / "conf/holter/parameters.yml").read_text(encoding="utf-8"))
    assert 5 <= settings["models"]["signals"]["beat_detector"]["learn_s"] <= 20
    run_here(project, "holter", pipeline_names=["data_processing"])
    assert (project / "data/06_models/holter/signals/recipe/manifest.json").is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("base", "visits.csv"), 2, "cannot name an environment"),
        (("../up", "visits.csv"), 2, "cannot name an environment"),
        (("new", "nothing.csv"), 1, "no such file or folder"),
        (("new", "few.csv"), 1, "Training needs 30"),
        (("new", "empty"), 1, "no recording and no image"),
        (("new", "letter.docx"), 1, "neither a table nor a folder"),
    ],
)
def test_what_cannot_be_described_is_refused_in_one_line(tmp_path, answer, monkeypatch, words, code, said):
    visits(60).to_csv(tmp_path / "visits.csv", index=False)
    visits(8).to_csv(tmp_path / "few.csv", index=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "letter.docx").write_bytes(b"PK")
    monkeypatch.chdir(tmp_path)
    found = answer("init", *words)
    assert found[0] == code
    assert said in found[2]
    assert found[2].count("\n") == 1
    assert not (tmp_path / "conf").exists()
