"""Prevalences of Orphanet: what a statement means, which one is taken, and the prior that only who asks for it gets."""

import numpy as np
import pytest
from kedro.io import DatasetError
from tests.diagnosis.test_ranker import DEFECT, SEIZURE, one

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.datasets.hpo import HPODataset
from medanomaly.diagnosis.knowledge.prevalence import class_per_100000, read_prevalence
from medanomaly.diagnosis.knowledge.source import LICENCE, read_knowledge, versions_in_words
from medanomaly.diagnosis.ranking.params import RankingParams
from medanomaly.diagnosis.ranking.ranker import Ranker

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<JDBOR date="2024-06-25 06:43:13" version="1.3.28 / 4.1.7">'


def statement(kind, given="", mean="0.0", place="Worldwide", validated=True):
    """One statement, in the words of Orphadata."""
    given = given.replace("<", "&lt;").replace(">", "&gt;")
    return f"""
 <Prevalence><PrevalenceType><Name lang="en">{kind}</Name></PrevalenceType>
  <PrevalenceClass><Name lang="en">{given}</Name></PrevalenceClass><ValMoy>{mean}</ValMoy>
  <PrevalenceGeographic><Name lang="en">{place}</Name></PrevalenceGeographic>
  <PrevalenceValidationStatus><Name lang="en">{"Validated" if validated else "Not yet validated"}</Name>
  </PrevalenceValidationStatus></Prevalence>"""


def disorder(code, name, *statements):
    """One disease with its statements."""
    listed = "".join(statements)
    return f"""<Disorder id="{code}0"><OrphaCode>{code}</OrphaCode><Name lang="en">{name}</Name>
 <PrevalenceList count="{len(statements)}">{listed}</PrevalenceList></Disorder>"""


def written(folder, *disorders, head=HEAD):
    path = folder / "en_product9_prev.xml"
    path.write_text(f"{head}<DisorderList>{''.join(disorders)}</DisorderList></JDBOR>")
    return path


def test_stated_means_come_before_classes_and_counts_of_cases_are_no_share(tmp_path):
    found = read_prevalence(
        written(
            tmp_path,
            disorder(
                58,
                "Alexander disease",
                statement("Point prevalence", "<1 / 1 000 000", "0.04", "Japan"),
                statement("Prevalence at birth", "1-9 / 100 000", "0.0", "Europe", validated=False),
                statement("Cases/families", "", "550.0"),
            ),
        )
    )
    table = found.table
    assert table["disease"].tolist() == ["ORPHA:58"] * 3
    np.testing.assert_allclose(table["per_100000"], [0.04, 5, np.nan])
    assert table["place"].tolist() == ["Japan", "Europe", "Worldwide"]
    assert table["validated"].tolist() == [True, False, True]
    assert found.version == "2024-06-25, version 1.3.28 / 4.1.7"
    assert found.about == (
        "en_product9_prev.xml 2024-06-25, version 1.3.28 / 4.1.7. Orphanet (https://www.orphadata.com), CC BY 4.0"
    )
    bare = written(tmp_path, disorder(1, "x", statement("Point prevalence", "1-5 / 10 000")), head="<JDBOR>")
    assert read_prevalence(bare).version == "of unknown version"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1-9 / 1 000 000", 0.5),
        ("<1 / 1 000 000", 0.05),
        (">1 / 1000", 100),
        ("1-5 / 10 000", 30),
        ("Unknown", np.nan),
    ],
)
def test_classes_are_read_by_their_middle(given, expected):
    np.testing.assert_allclose(class_per_100000(given), expected)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        # a prevalence before an incidence, whatever its place
        ([("Annual incidence", "9.0", "Worldwide", True), ("Point prevalence", "2.0", "Japan", True)], 2.0),
        ([("Point prevalence", "2.0", "Worldwide", False), ("Point prevalence", "3.0", "Japan", True)], 3.0),
        ([("Point prevalence", "2.0", "Japan", True), ("Point prevalence", "3.0", "Worldwide", True)], 3.0),
        ([("Cases/families", "80", "Worldwide", True), ("Annual incidence", "0.5", "Japan", True)], 0.5),
        ([("Cases/families", "80", "Worldwide", True)], None),
    ],
)
def test_one_statement_of_a_disease_is_taken(tmp_path, statements, expected):
    listed = [statement(kind, "", mean, place, sure) for kind, mean, place, sure in statements]
    found = read_prevalence(written(tmp_path, disorder(7, "Some disease", *listed))).of_diseases()
    assert found["per_100000"].tolist() == ([] if expected is None else [expected])


def test_other_files_are_refused(tmp_path):
    with pytest.raises(DataNotFoundError, match="en_product9_prev.xml"):
        read_prevalence(tmp_path / "none.xml")
    (tmp_path / "a.xml").write_text("{}")
    with pytest.raises(InputError, match="no XML"):
        read_prevalence(tmp_path / "a.xml")
    (tmp_path / "b.xml").write_text("<x/>")
    with pytest.raises(InputError, match="says nothing of prevalences"):
        read_prevalence(tmp_path / "b.xml")


@pytest.fixture(scope="module")
def common(tmp_path_factory, knowledge_folder):
    """The small release, with a disease of Orphanet that has the name of OMIM:2."""
    path = written(
        tmp_path_factory.mktemp("orphadata"),
        disorder(3, "Heart disease, 2", statement("Point prevalence", "1-5 / 10 000")),
        disorder(4, "Seizure disease 1", statement("Point prevalence", "1-9 / 1 000 000")),
        disorder(5, "A disease that nobody ranks", statement("Point prevalence", "<1 / 1 000 000")),
    )
    return path, read_knowledge(knowledge_folder, prevalence=path)


def test_nobody_gets_a_prior_who_does_not_ask_for_it(common, knowledge_folder, small_ontology):
    without, with_file = Ranker.of(read_knowledge(knowledge_folder)), Ranker.of(common[1])
    assert RankingParams().prevalence_weight == 0
    assert without.prior is with_file.prior is None
    case = one(without, small_ontology, {SEIZURE: 1.0})
    np.testing.assert_array_equal(with_file.scores(case), without.scores(case))
    assert "prior" not in with_file.arrays()
    # what was read is said, and that it was not used
    assert "prevalences" not in without.about
    assert with_file.about["prevalences"].endswith("CC BY 4.0. Not used: ranking.prevalence_weight is 0")


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_who_asks_gets_the_logarithm_of_how_common_a_disease_is(common, small_ontology, weight):
    _, knowledge = common
    plain = Ranker.of(knowledge)
    ranker = Ranker.of(knowledge, RankingParams(prevalence_weight=weight))
    case = one(ranker, small_ontology, {SEIZURE: 1.0, DEFECT: 1.0})
    added = ranker.scores(case) - plain.scores(case)
    # 30 and .5 of 100,000: the median of two logarithms lies in the middle
    half = weight * np.log(30 / 0.5) / 2
    np.testing.assert_allclose(
        added[[ranker.columns["OMIM:1"], ranker.columns["OMIM:2"]]], [-half, half], rtol=1e-4
    )
    assert f"Used with a weight of {weight:g}; known of 2 of 2 diseases" in ranker.about["prevalences"]
    again = Ranker.from_arrays(ranker.arrays())
    np.testing.assert_array_equal(again.scores(case), ranker.scores(case))
    assert again.about == ranker.about


def test_a_disease_of_unknown_prevalence_stays_where_it_is(tmp_path, knowledge_folder, small_ontology):
    path = written(
        tmp_path, disorder(4, "Seizure disease 1", statement("Point prevalence", "1-9 / 1 000 000"))
    )
    ranker = Ranker.of(
        read_knowledge(knowledge_folder, prevalence=path), RankingParams(prevalence_weight=1.0)
    )
    assert ranker.prior.tolist() == [0.0, 0.0]
    assert "known of 1 of 2 diseases" in ranker.about["prevalences"]


def test_a_prior_that_cannot_be_had_is_refused(tmp_path, knowledge_folder):
    asked = RankingParams(prevalence_weight=1.0)
    with pytest.raises(ConfigurationError, match="no prevalences were given.*--params prevalence="):
        Ranker.of(read_knowledge(knowledge_folder), asked)
    path = written(tmp_path, disorder(9, "Something else", statement("Point prevalence", "1-5 / 10 000")))
    with pytest.raises(ConfigurationError, match="name none of the diseases that are ranked"):
        Ranker.of(read_knowledge(knowledge_folder, prevalence=path), asked)


def test_version_and_licence_stand_where_those_of_the_knowledge_do(common, knowledge_folder):
    _, knowledge = common
    about = knowledge.about()
    assert list(about) == ["ontology", "annotations", "genes", "prevalences", "licence"]
    said = versions_in_words(about)
    assert said.startswith(
        "HPO 2025-01-16, phenotype.hpoa 2025-01-16; prevalences: en_product9_prev.xml 2024-06-25"
    )
    assert "CC BY 4.0" in said
    assert versions_in_words({"ontology": "HPO 1", "annotations": "a 1", "licence": LICENCE}) == "HPO 1, a 1"


def test_the_raw_data_of_a_run_read_the_file_where_one_is_named(common, knowledge_folder):
    path, _ = common
    assert HPODataset(folder=str(knowledge_folder)).load().prevalences is None
    dataset = HPODataset(folder=str(knowledge_folder), prevalence=str(path))
    assert len(dataset.load().prevalences.table) == 3
    assert dataset._describe()["prevalence"] == str(path)
    with pytest.raises(DatasetError, match=r"none.xml: the file does not exist\. Get en_product9_prev.xml"):
        HPODataset(folder=str(knowledge_folder), prevalence="none.xml").load()
