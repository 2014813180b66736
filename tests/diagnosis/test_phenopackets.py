"""Phenopackets as files, folder and ZIP: what is read, and what each bad file costs."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from tests.diagnosis.small_release import DATA, needs_data

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.diagnosis.patients import read_symptoms, together, written_symptoms
from medanomaly.diagnosis.readers.phenopackets import read_phenopackets, years


def packet(**changes):
    return {
        "id": "x",
        "subject": {
            "id": "proband",
            "sex": "FEMALE",
            "timeAtLastEncounter": {"age": {"iso8601duration": "P12Y6M"}},
        },
        "phenotypicFeatures": [
            {"type": {"id": "HP:0002279"}, "onset": {"ontologyClass": {"id": "HP:0003577"}}},
            {"type": {"id": "HP:0001631"}, "excluded": True},
            {"type": {"id": "HP:0003577"}},
        ],
        "interpretations": [
            {"progressStatus": "SOLVED", "diagnosis": {"disease": {"id": "MONDO:1", "label": "m"}}},
            {"progressStatus": "SOLVED", "diagnosis": {"disease": {"id": "OMIM:1", "label": "one"}}},
        ],
        "diseases": [
            {"term": {"id": "OMIM:9"}, "excluded": True},
            {"term": {"id": "OMIM:1"}, "onset": {"age": {"iso8601duration": "P3M"}}},
        ],
        "metaData": {"externalReferences": [{"id": "DOI:1"}, {"id": "PMID:123"}]},
    } | changes


def test_one_file_gives_case_symptoms_and_what_was_not_read(tmp_path, small_ontology):
    (tmp_path / "a.json").write_text(json.dumps(packet()))
    patients = read_phenopackets(tmp_path / "a.json", small_ontology)
    case = patients.cases.iloc[0]
    assert case[["case_id", "patient_id", "publication", "disease", "disease_name", "sex"]].tolist() == [
        "a",
        "PMID:123 proband",
        "PMID:123",
        "OMIM:1",
        "one",
        "F",
    ]
    assert case["age_years"] == 12.5
    assert case["onset_years"] == 0.25
    assert patients.symptoms[["term", "excluded", "weight", "given"]].to_numpy().tolist() == [
        ["HP:0001250", False, 1.0, "HP:0002279"],
        ["HP:0001631", True, 1.0, "HP:0001631"],
    ]
    assert patients.symptoms["onset_years"].iloc[0] == 0.0
    assert patients.unread["given"].tolist() == ["HP:0002279", "HP:0003577"]
    assert "replaced by" in patients.unread["reason"][0]
    assert "is no symptom" in patients.unread["reason"][1]


def test_in_a_zip_a_bad_file_costs_only_itself(tmp_path, small_ontology):
    with zipfile.ZipFile(tmp_path / "store.zip", "w") as archive:
        archive.writestr("s/PMID_77_a.json", json.dumps(packet(metaData={})))
        archive.writestr("s/broken.json", "{")
        archive.writestr("s/list.json", "[1]")
        archive.writestr("s/other.json", json.dumps({"resourceType": "Bundle"}))
        archive.writestr("s/odd.json", json.dumps(packet(phenotypicFeatures=["HP:0001250"])))
        archive.writestr("s/empty.json", json.dumps(packet(phenotypicFeatures=[])))
        archive.writestr("s/unknown.json", json.dumps(packet(phenotypicFeatures=[{"type": {"id": "HP:9"}}])))
        archive.writestr("s/notes.txt", "no case")
    patients = read_phenopackets(tmp_path / "store.zip", small_ontology)
    assert patients.cases["case_id"].tolist() == ["s/PMID_77_a"]
    assert patients.cases["publication"].tolist() == ["PMID:77"]
    reasons = dict(patients.refused.itertuples(index=False))
    assert "no valid phenopacket" in reasons["s/broken"]
    assert "no valid phenopacket" in reasons["s/odd"]
    assert "no phenopacket" in reasons["s/list"]
    assert "neither a subject" in reasons["s/other"]
    assert reasons["s/empty"] == "it has no symptom"
    assert "none of its symptoms can be used" in reasons["s/unknown"]


def test_a_folder_is_read_like_a_zip_and_unsolved_cases_have_no_disease(tmp_path, small_ontology):
    (tmp_path / "d").mkdir()
    unsolved = packet(
        interpretations=[{"progressStatus": "UNSOLVED", "diagnosis": {"disease": {"id": "OMIM:1"}}}],
        diseases=[],
    )
    (tmp_path / "d" / "u.json").write_text(json.dumps(unsolved))
    patients = read_phenopackets(tmp_path, small_ontology)
    assert patients.cases["case_id"].tolist() == ["d/u"]
    assert patients.cases["disease"].isna().all()


def test_wrong_paths_say_what_is_wrong(tmp_path, small_ontology):
    with pytest.raises(DataNotFoundError, match="does not exist"):
        read_phenopackets(tmp_path / "none.zip", small_ontology)
    with pytest.raises(DataNotFoundError, match="no JSON file"):
        read_phenopackets(tmp_path, small_ontology)
    (tmp_path / "bad.zip").write_bytes(b"PK not a zip")
    with pytest.raises(InputError, match="no ZIP archive"):
        read_phenopackets(tmp_path / "bad.zip", small_ontology)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ({"age": {"iso8601duration": "P2Y"}}, 2),
        ({"age": {"iso8601duration": "P1Y6M"}}, 1.5),
        ({"age": {"iso8601duration": "P0D"}}, 0),
        (
            {"ageRange": {"start": {"iso8601duration": "P1Y"}, "end": {"iso8601duration": "P3Y"}}},
            2,
        ),
        ({"gestationalAge": {"weeks": 40}}, 0),
        ({"ontologyClass": {"id": "HP:0003577"}}, 0),
        ({"age": {"iso8601duration": "twelve"}}, np.nan),
        ({"timestamp": "2020-01-01"}, np.nan),
        (None, np.nan),
    ],
)
def test_times_are_years(time, expected):
    np.testing.assert_allclose(years(time), expected)


def case_table(*ids):
    columns = ("patient_id", "publication", "disease", "disease_name", "sex", "age_years", "onset_years")
    return pd.DataFrame({"case_id": list(ids)} | dict.fromkeys(columns))


def test_repeated_and_contradicting_symptoms_are_sorted_out(small_ontology):
    nan = float("nan")
    written = written_symptoms(
        [
            ("c", "HP:0001250", False, 0.3, nan),
            ("c", "HP:0002279", False, 0.8, nan),
            ("c", "HP:0001631", True, 1.0, nan),
            ("c", "HP:0001631", False, 1.0, nan),
            ("c", "HP:0001263", False, 1.5, nan),
        ]
    )
    patients = read_symptoms(case_table("c"), written, small_ontology)
    assert patients.symptoms[["term", "excluded", "weight"]].to_numpy().tolist() == [
        ["HP:0001250", False, 0.8],
        ["HP:0001631", False, 1.0],
    ]
    reasons = patients.unread["reason"].tolist()
    assert any("taken as observed" in r for r in reasons)
    assert any("weight is not between 0 and 1" in r for r in reasons)


def test_case_ids_are_unique(small_ontology):
    written = written_symptoms([("c", "HP:0001250", False, 1.0, float("nan"))])
    with pytest.raises(InputError, match="case id stands twice"):
        read_symptoms(case_table("c", "c"), written, small_ontology)
    one = read_symptoms(case_table("c"), written, small_ontology)
    with pytest.raises(InputError, match="case id stands twice"):
        together([one, one])
    assert len(one.select(["c"]).symptoms) == 1
    assert len(one.select([]).symptoms) == 0


@needs_data
@pytest.mark.slow
def test_counts_of_the_store():
    from medanomaly.diagnosis.knowledge.ontology import read_ontology
    from medanomaly.diagnosis.knowledge.source import find_knowledge

    ontology = read_ontology(find_knowledge(release="2025-01-16").ontology)
    patients = read_phenopackets(f"{DATA}/phenopackets/phenopacket-store-0.1.24.zip", ontology)
    assert (len(patients), len(patients.refused)) == (7870, 8)
    assert patients.cases["disease"].notna().all()
    assert patients.cases["publication"].notna().sum() == 7869
    assert patients.symptoms.groupby("excluded").size().tolist() == [66255, 97345]
