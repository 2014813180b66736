"""Cases drawn from knowledge follow its frequencies, say that they are synthetic, and come back from phenopackets."""

import json

import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError
from medanomaly.diagnosis.drawn_cases import DrawingParams, drawn_cases, phenopackets
from medanomaly.diagnosis.knowledge.source import read_knowledge
from medanomaly.diagnosis.ranking.frequencies import annotated_terms
from medanomaly.diagnosis.ranking.params import RankingParams
from medanomaly.diagnosis.readers.phenopackets import read_phenopackets

QUIET = DrawingParams(vague=0, foreign=0, looked_for=0)


@pytest.fixture(scope="module")
def knowledge(knowledge_folder):
    return read_knowledge(knowledge_folder)


@pytest.fixture(scope="module")
def profile(knowledge):
    """Frequencies of the disease with the most symptoms, by id of the term."""
    table = annotated_terms(knowledge.annotations, RankingParams(unstated=0.6))
    disease = table["disease"].value_counts().index[0]
    own = table[table["disease"] == disease]
    return disease, dict(zip([knowledge.ontology.ids[t] for t in own["term"]], own["frequency"], strict=True))


def test_symptoms_come_as_often_as_the_knowledge_says(knowledge, profile):
    disease, frequency = profile
    found = drawn_cases(knowledge, [disease], 600, params=QUIET)
    assert len(found) == 600
    assert not len(found.refused)
    assert not found.symptoms["excluded"].any()
    share = found.symptoms["term"].value_counts() / 600
    assert set(share.index) <= set(frequency)
    top = max(frequency, key=frequency.get)
    for term, wanted in frequency.items():
        # nobody is without any symptom, so the most frequent one comes more often
        assert share.get(term, 0.0) >= wanted - 0.07
        if term != top:
            assert share.get(term, 0.0) <= wanted + 0.07


def test_every_case_says_that_it_is_synthetic(knowledge, profile):
    cases = drawn_cases(knowledge, [profile[0]], 3).cases
    assert cases["publication"].eq("synthetic").all()
    assert cases["case_id"].str.startswith("synthetic-").all()
    assert cases["disease"].eq(profile[0]).all()


def test_noise_writes_parents_foreign_and_absent_symptoms(knowledge, profile):
    disease, frequency = profile
    clear = drawn_cases(knowledge, [disease], 200, seed=1, params=QUIET).symptoms
    assert set(clear["term"]) <= set(frequency)
    vague = drawn_cases(knowledge, [disease], 200, seed=1, params=QUIET.replaced({"vague": 1.0})).symptoms
    ontology = knowledge.ontology
    above = {
        ontology.ids[p]
        for term in frequency
        for p in ontology.parents[[ontology.index[term]]].tocsr().indices
    }
    assert set(vague["term"]) <= above
    missed = drawn_cases(knowledge, [disease], 200, seed=1, params=QUIET.replaced({"looked_for": 1.0}))
    absent = missed.symptoms[missed.symptoms["excluded"]]
    assert len(absent) > 0
    assert set(absent["term"]) <= set(frequency)
    more = drawn_cases(knowledge, [disease], 200, seed=1, params=QUIET.replaced({"foreign": 3.0})).symptoms
    assert not set(more["term"]) <= set(frequency)


def test_equal_seeds_give_equal_cases_and_others_do_not(knowledge, profile):
    first, again, other = (drawn_cases(knowledge, [profile[0]], 20, seed=s).symptoms for s in (4, 4, 5))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_phenopackets_come_back(knowledge, profile, tmp_path):
    found = drawn_cases(knowledge, [profile[0]], 4)
    for packet in phenopackets(found, knowledge.ontology):
        assert packet["metaData"]["createdBy"] == "synthetic"
        (tmp_path / f"{packet['id']}.json").write_text(json.dumps(packet))
    back = read_phenopackets(tmp_path, knowledge.ontology)
    assert set(back.cases["disease"]) == {profile[0]}
    columns = ["case_id", "term", "excluded"]
    pd.testing.assert_frame_equal(
        back.symptoms[columns].sort_values(columns, ignore_index=True).astype(object),
        found.symptoms[columns].sort_values(columns, ignore_index=True).astype(object),
    )


def test_a_disease_that_is_not_known_is_refused(knowledge):
    with pytest.raises(ConfigurationError, match="no symptom of 'OMIM:0' is known"):
        drawn_cases(knowledge, ["OMIM:0"], 1)
