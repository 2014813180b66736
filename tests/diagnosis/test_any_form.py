"""Patients in any form: each is known by its content and read by its reader."""

import json
import zipfile

import pandas as pd
import pytest

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.diagnosis.readers.any_form import form_of, read_patients

PACKET = {"id": "case 7", "subject": {"sex": "MALE"}, "phenotypicFeatures": [{"type": {"id": "HP:0001250"}}]}
BUNDLE = {
    "resourceType": "Bundle",
    "entry": [
        {"resource": {"resourceType": "Patient", "id": "p1"}},
        {
            "resource": {
                "resourceType": "Condition",
                "code": {"text": "Seizure"},
                "subject": {"reference": "Patient/p1"},
            }
        },
    ],
}
MAPPING = {"symptoms": ["HP:0001250", "no stroke"], "sex": "F", "age": 3}
TABLE = pd.DataFrame({"case_id": ["A"], "symptoms": ["Seizure"]})


@pytest.mark.parametrize(
    ("raw", "form", "case"),
    [
        (PACKET, "phenopackets", "case 7"),
        ({"phenopacket": PACKET}, "phenopackets", "case 7"),
        (BUNDLE, "bundle", "p1"),
        (MAPPING, "mapping", "patient"),
        (MAPPING | {"patient": "x"}, "mapping", "x"),
        (TABLE, "table", "A"),
    ],
)
def test_each_form_is_known_and_read_also_as_a_file(small_ontology, tmp_path, raw, form, case):
    files = [raw]
    if form != "table":
        (tmp_path / "case.json").write_text(json.dumps(raw))
        files.append(tmp_path / "case.json")
    for one in files:
        assert form_of(one) == form
        found = read_patients(one, small_ontology)
        assert found.symptoms["term"].iloc[0] == "HP:0001250"
    assert read_patients(raw, small_ontology).cases["case_id"].tolist() == [case]


def test_a_list_holds_cases_of_any_form(small_ontology, tmp_path):
    many = [PACKET, MAPPING, BUNDLE, MAPPING]
    found = read_patients(many, small_ontology)
    assert found.cases["case_id"].tolist() == ["case 7", "patient 2", "p1", "patient 4"]
    (tmp_path / "cases.json").write_text(json.dumps(many))
    assert len(read_patients(tmp_path / "cases.json", small_ontology)) == 4
    assert read_patients(found, small_ontology) is found


def test_two_cases_of_one_name_in_a_list_are_two_cases(small_ontology):
    found = read_patients([PACKET, MAPPING | {"case": "case 7"}, PACKET], small_ontology)
    assert found.cases["case_id"].tolist() == ["case 7", "case 7 (2)", "case 7 (3)"]
    assert form_of([[PACKET]]) is None


def test_folders_archives_and_tables_are_known_by_their_files(small_ontology, tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(PACKET))
    assert form_of(tmp_path) == "phenopackets"
    TABLE.to_csv(tmp_path / "cases.csv", index=False)
    TABLE.to_parquet(tmp_path / "cases.parquet")
    TABLE.to_excel(tmp_path / "cases.xlsx", index=False)
    TABLE.rename(columns={"symptoms": "potassium"}).to_csv(tmp_path / "visits.csv", index=False)
    for name in ("cases.csv", "cases.parquet", "cases.xlsx"):
        assert form_of(tmp_path / name) == "table"
    assert form_of(tmp_path / "visits.csv") is None
    with pytest.raises(InputError, match="no column holds symptoms"):
        read_patients(tmp_path / "visits.csv", small_ontology)
    for inside, form in (("a.json", "phenopackets"), ("a.hea", None)):
        with zipfile.ZipFile(tmp_path / "cases.zip", "w") as archive:
            archive.writestr(inside, json.dumps(PACKET))
        assert form_of(tmp_path / "cases.zip") == form
    assert read_patients(str(tmp_path / "cases.csv"), small_ontology).cases["case_id"].tolist() == ["A"]


def test_files_by_name_are_cases_of_these_names_and_a_bad_one_costs_itself(small_ontology, tmp_path):
    files = {}
    for name, content in (
        ("a/x", PACKET),
        ("b/x", PACKET),
        ("c/x", {"age": 3}),
        ("d/x", MAPPING | {"symptoms": []}),
    ):
        files[name] = tmp_path / f"{name.replace('/', '_')}.json"
        files[name].write_text(json.dumps(content))
    assert form_of(files) == "files"
    found = read_patients(files, small_ontology)
    assert found.cases["case_id"].tolist() == ["a/x", "b/x"]
    assert set(found.symptoms["case_id"]) == {"a/x", "b/x"}
    assert found.refused["case_id"].tolist() == ["c/x", "d/x"]


def test_a_phenopacket_that_is_none_costs_itself(small_ontology):
    found = read_patients([PACKET, {"id": "broken", "phenotypicFeatures": 3}], small_ontology)
    assert len(found) == 1
    assert found.refused["case_id"].tolist() == ["broken"]


@pytest.mark.parametrize("raw", [{"age": 3}, [], 7, "case.pdf", TABLE.rename(columns={"symptoms": "x"})])
def test_what_is_no_patient_is_refused(small_ontology, raw, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert form_of(raw) is None
    with pytest.raises(DataNotFoundError if isinstance(raw, str) else InputError):
        read_patients(raw, small_ontology)
