import gzip

import pytest
from tests.diagnosis.small_release import GENES, HPOA, OBO

from medanomaly.diagnosis.knowledge.annotations import read_annotations
from medanomaly.diagnosis.knowledge.ontology import read_ontology


@pytest.fixture(scope="session")
def knowledge_folder(tmp_path_factory):
    """A release of ten terms and three diseases; one file of it is compressed."""
    folder = tmp_path_factory.mktemp("hpo") / "2025-01-16"
    folder.mkdir()
    (folder / "hp.obo").write_text(OBO)
    (folder / "phenotype.hpoa.gz").write_bytes(gzip.compress(HPOA.encode()))
    (folder / "genes_to_phenotype.txt").write_text(GENES)
    return folder


@pytest.fixture(scope="session")
def small_ontology(knowledge_folder):
    return read_ontology(knowledge_folder / "hp.obo")


@pytest.fixture(scope="session")
def small_annotations(knowledge_folder, small_ontology):
    return read_annotations(knowledge_folder / "phenotype.hpoa.gz", small_ontology)
