"""Symptoms of the cohort as raw data: real diseases of the knowledge that is handed in."""

import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError
from medanomaly.datasets import synthetic_symptoms
from medanomaly.datasets.synthetic_symptoms import SyntheticSymptomsDataset
from medanomaly.diagnosis.knowledge.source import read_knowledge


@pytest.fixture
def knowledge(knowledge_folder, monkeypatch):
    """A release whose counted diseases have one symptom."""
    monkeypatch.setattr(synthetic_symptoms, "FEWEST_SYMPTOMS", 1)
    return read_knowledge(knowledge_folder)


def test_every_patient_has_symptoms_of_the_ontology_and_the_same_again(knowledge):
    source = SyntheticSymptomsDataset(n_patients=60, n_diseases=1, unknown_share=0.3).load()
    found, again = source.read(knowledge), source.read(knowledge)
    assert len(found) == 60
    assert found.cases["patient_id"].iloc[0] == "P000001"
    assert set(found.symptoms["term"]) <= set(knowledge.ontology.ids)
    assert set(found.cases["disease"]) > {"OMIM:1"}
    assert found.cases["disease"].str.startswith(("OMIM:", "SYNTHETIC:")).all()
    pd.testing.assert_frame_equal(found.symptoms, again.symptoms)


def test_a_release_with_too_few_counted_diseases_is_refused(knowledge):
    with pytest.raises(ConfigurationError, match="1 diseases have 1 counted symptoms, 40 were asked for"):
        SyntheticSymptomsDataset(n_patients=5).load().read(knowledge)
