"""Tables of symptoms: one patient per row or one symptom per row, ids or words, and what each slip of the pen costs."""

import math

import pandas as pd
import pytest

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.diagnosis.readers.ages import years
from medanomaly.diagnosis.readers.symptom_table import read_symptom_table
from medanomaly.diagnosis.readers.words import Words


def read(text, ontology, tmp_path, name="cases.csv", **options):
    (tmp_path / name).write_text(text, "utf-8")
    return read_symptom_table(tmp_path / name, ontology, **options)


def rows(patients):
    return [tuple(row) for row in patients.symptoms[["case_id", "term", "excluded", "weight"]].to_numpy()]


def test_one_patient_per_row_with_ids_words_weights_and_excluded_symptoms(small_ontology, tmp_path):
    text = (
        "Case ID,Sex,Age,Onset,Symptoms,Excluded,Disease,PMID\n"
        'A,F,18 months,0.5,"HP:0001250; krampfanfall, generalized-onset SEIZURE @0.5",Stroke,OMIM:1,PMID:7\n'
        "B,male,P3Y6M,,-HP:0001250|no stroke|Global developmental delay @40%,no,,\n"
    )
    found = read(text, small_ontology, tmp_path)
    assert rows(found) == [
        ("A", "HP:0001250", False, 1.0),
        ("A", "HP:0002197", False, 0.5),
        ("A", "HP:0001297", True, 1.0),
        ("B", "HP:0001250", True, 1.0),
        ("B", "HP:0001297", True, 1.0),
        ("B", "HP:0001263", False, 0.4),
    ]
    first, second = found.cases.to_dict("records")
    assert (first["sex"], first["disease"], first["publication"]) == ("F", "OMIM:1", "PMID:7")
    assert (first["age_years"], first["onset_years"]) == (1.5, 0.5)
    assert second["sex"] == "M"
    assert second["age_years"] == 3.5
    assert math.isnan(second["onset_years"])
    assert found.unread.empty
    assert found.refused.empty


def test_one_symptom_per_row_is_the_same_case(small_ontology, tmp_path):
    text = (
        "patient\thpo_id\texcluded\tweight\tonset\tsex\n"
        "12\tHP:0001250\tfalse\t0.5\t2 years\tF\n12\tHP:0001297\tyes\t\t\tF\n0012\tseizure\t\t\t\tw\n"
    )
    found = read(text, small_ontology, tmp_path, "cases.tsv")
    assert rows(found) == [
        ("12", "HP:0001250", False, 0.5),
        ("12", "HP:0001297", True, 1.0),
        ("0012", "HP:0001250", False, 1.0),
    ]
    assert found.symptoms["onset_years"].iloc[0] == 2.0
    assert found.cases["onset_years"].isna().all()
    assert found.cases["sex"].tolist() == ["F", "F"]


@pytest.mark.parametrize(
    ("word", "excluded"), [("present", False), ("Absent", True), ("0", True), ("1", False)]
)
def test_a_column_of_presence_says_which_symptoms_are_excluded(small_ontology, word, excluded):
    table = pd.DataFrame({"case": ["A", "A"], "term": ["Stroke", "Seizure"], "status": ["present", word]})
    assert read_symptom_table(table, small_ontology).symptoms["excluded"].tolist() == [False, excluded]


def test_what_cannot_be_used_is_listed_with_the_reason_and_costs_only_itself(small_ontology):
    table = pd.DataFrame(
        {
            "case_id": ["A", "A", "A", "A", "A", "A", "B", "C", ""],
            "symptoms": [
                "HP:0001250", "seizur", "HP:9999999", "HP:0003577", "Stroke", "Global developmental delay", "nonsense", "",
                "Stroke",
            ],
            "weight": ["", "", "", "", "1.5", "", "", "", ""],
            "status": ["", "", "", "", "", "perhaps", "", "", ""],
            "age": ["old", "old", "", "", "", "", "3", "4", ""],
            "sex": ["F", "M", "", "", "", "", "x", "", ""],
        }
    )  # fmt: skip
    found = read_symptom_table(table, small_ontology)
    assert found.cases["case_id"].tolist() == ["A"]
    assert found.symptoms["term"].tolist() == ["HP:0001250"]
    said = {(row.case_id, row.given): row.reason for row in found.unread.itertuples()}
    assert "did you mean HP:0001250 (Seizure)" in said["A", "seizur"]
    assert "is not in the HPO release" in said["A", "HP:9999999"]
    assert "is no symptom" in said["A", "HP:0003577"]
    assert "not between 0 and 1" in said["A", "Stroke"]
    assert "neither present nor absent" in said["A", "Global developmental delay"]
    assert "no age" in said["A", "old"]
    assert "differ in sex" in said["A", "F, M"]
    assert "no sex" in said["B", "x"]
    refused = dict(found.refused.itertuples(index=False, name=None))
    assert "nothing says whose" in refused["row 9"]
    assert "none of its symptoms can be used" in refused["B"]
    assert refused["C"] == "it has no symptom"


def test_words_with_two_meanings_are_not_guessed(small_ontology):
    from dataclasses import replace

    from medanomaly.diagnosis.knowledge.ontology import Synonym

    both = tuple(
        (*s, Synonym("Spell", "EXACT", "en")) if i in (4, 5) else s
        for i, s in enumerate(small_ontology.synonyms)
    )
    found = Words(replace(small_ontology, synonyms=both)).resolve("spell")
    assert found.row is None
    assert "may mean HP:" in found.reason
    assert found.reason.count("HP:") == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,age\nA,3\n", "no column holds symptoms"),
        ("symptoms\nSeizure\n", "nothing says whose"),
        (
            "case_id,symptoms,exclude\nA,Seizure,Stroke\n",
            "'exclude' is not known, and 'excluded' is not given",
        ),
        ("case_id,symptoms,phenotypes\nA,Seizure,Stroke\n", "'symptoms' and 'phenotypes' both say symptoms"),
    ],
)
def test_a_table_that_says_too_little_is_refused_with_what_would_be_right(
    small_ontology, tmp_path, text, said
):
    with pytest.raises(InputError, match=said):
        read(text, small_ontology, tmp_path)


def test_columns_can_be_named(small_ontology):
    table = pd.DataFrame({"who": ["A"], "what": ["Seizure"], "symptoms": ["Stroke"]})
    found = read_symptom_table(table, small_ontology, {"case_id": "who", "symptoms": "what"})
    assert found.symptoms["term"].tolist() == ["HP:0001250"]
    with pytest.raises(InputError, match="no column 'whoo'"):
        read_symptom_table(table, small_ontology, {"case_id": "whoo"})


def test_excel_and_parquet_are_read_and_other_files_refused(small_ontology, tmp_path):
    table = pd.DataFrame({"case_id": ["007"], "symptoms": ["Seizure"]})
    table.to_excel(tmp_path / "cases.xlsx", index=False)
    table.to_parquet(tmp_path / "cases.parquet")
    for name in ("cases.xlsx", "cases.parquet"):
        assert read_symptom_table(tmp_path / name, small_ontology).cases["case_id"].tolist() == ["007"]
    (tmp_path / "cases.doc").write_text("x")
    with pytest.raises(InputError, match="Tables end in"):
        read_symptom_table(tmp_path / "cases.doc", small_ontology)
    with pytest.raises(DataNotFoundError):
        read_symptom_table(tmp_path / "nowhere.csv", small_ontology)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3.0), ("3,5", 3.5), ("P1Y6M", 1.5), ("18 months", 1.5), ("2y 6m", 2.5), ("7 d", 7 / 365.25), ("52 w", 0.9966),
        ("", None), ("-3", None), ("P", None), ("adult", None), ("3 parsecs", None), ("455", None),
    ],
)  # fmt: skip
def test_ages_are_read_as_people_write_them(text, expected):
    found = years(text)
    assert found is None if expected is None else found == pytest.approx(expected, abs=1e-3)
