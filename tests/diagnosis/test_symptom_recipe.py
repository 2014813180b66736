"""The sealed ontology, and what the recipe makes of patients."""

import numpy as np
import pytest
from tests.diagnosis.test_any_form import BUNDLE, MAPPING, PACKET, TABLE

from medanomaly.core.bundle import read_bundle, write_bundle
from medanomaly.core.errors import BundleError, InputError
from medanomaly.core.recipe import open_recipe
from medanomaly.diagnosis import recipe as diagnosis_recipe
from medanomaly.diagnosis.knowledge.source import read_knowledge
from medanomaly.diagnosis.recipe import symptom_recipe
from medanomaly.diagnosis.sealed_ontology import opened_ontology


@pytest.fixture(scope="module")
def recipe(knowledge_folder, tmp_path_factory):
    """A recipe that was sealed, written and read again."""
    folder = tmp_path_factory.mktemp("recipe") / "recipe"
    write_bundle(folder, symptom_recipe(read_knowledge(knowledge_folder), {"dataset": "small"}))
    return open_recipe(folder)


def test_a_sealed_ontology_is_the_one_that_was_read(recipe, small_ontology):
    found = opened_ontology(recipe.bundle)
    for name in ("version", "ids", "names", "synonyms", "index", "replaced", "other", "obsolete"):
        assert getattr(found, name) == getattr(small_ontology, name), name
    for name in ("parents", "ancestors"):
        np.testing.assert_array_equal(
            getattr(found, name).toarray(), getattr(small_ontology, name).toarray(), name
        )
    assert found.resolve("HP:0002279").row == small_ontology.index["HP:0001250"]


def test_a_damaged_ontology_is_refused(recipe, tmp_path):
    write_bundle(tmp_path / "recipe", recipe.bundle)
    (tmp_path / "recipe" / "terms.npy").write_bytes(b"x")
    with pytest.raises(BundleError, match="altered"):
        read_bundle(tmp_path / "recipe")


@pytest.mark.parametrize("raw", [PACKET, BUNDLE, MAPPING, TABLE, [PACKET, MAPPING]])
def test_patients_in_any_form_become_cases(recipe, raw):
    assert recipe.takes(raw) == 2
    read = recipe.read(raw)
    assert read.inputs["symptoms"].inputs.symptoms["term"].iloc[0] == "HP:0001250"
    assert read.cases["case_id"].tolist() == read.inputs["symptoms"].cases["case_id"].tolist()
    assert read.findings.empty
    assert "2025-01-16" in read.notes[0]
    assert "do not alter" in read.notes[0]


def test_other_data_are_not_taken(recipe):
    assert recipe.takes({"age": 3}) == 0
    assert recipe.takes(np.zeros((3, 3))) == 0
    with pytest.raises(InputError):
        recipe.read({"age": 3})


def test_unknown_terms_are_findings_and_the_rest_is_used(recipe):
    read = recipe.read({"symptoms": ["Seizure", "HP:9999999", "HP:0002279", "seizur"], "age": 90})
    assert len(read.inputs["symptoms"].inputs.symptoms) == 1
    assert set(read.findings["value"]) == {"HP:9999999", "HP:0002279", "seizur"}
    assert read.findings["rule"].eq("not read").all()
    assert read.missing == {"patient": ("sex",)}
    assert read.cases["age_band"].tolist() == ["80+"]


@pytest.mark.parametrize("symptoms", [[], ["nonsense"]])
def test_a_case_without_a_symptom_is_refused(recipe, symptoms):
    read = recipe.read({"symptoms": symptoms, "sex": "F"})
    assert read.inputs == {}
    assert len(read.refused) == 1


def test_only_excluded_symptoms_and_very_many_are_said(recipe, monkeypatch):
    read = recipe.read({"symptoms": "", "excluded": "Seizure;Stroke"})
    assert read.findings["rule"].tolist() == ["no observed symptom"]
    monkeypatch.setattr(diagnosis_recipe, "MANY_SYMPTOMS", 3)
    for symptoms, said in ((list(recipe.words.ids[:3]), []), (list(recipe.words.ids[:4]), ["many symptoms"])):
        read = recipe.read({"symptoms": symptoms})
        assert read.findings["rule"].tolist() == said
        assert len(read.inputs["symptoms"].inputs) == 1
