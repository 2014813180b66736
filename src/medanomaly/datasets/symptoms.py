"""Symptoms of patients as raw data: phenopackets, FHIR bundles or tables."""

from functools import partial
from pathlib import Path

from medanomaly.datasets.raw import RawDataset
from medanomaly.datasets.sources import not_found
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.readers.any_form import read_patients
from medanomaly.diagnosis.sources import SymptomSource


class SymptomsDataset(RawDataset[SymptomSource]):
    """A phenopacket, a folder or ZIP of phenopackets, a FHIR bundle, or a table of symptoms; its content says which.

    Args:
        filepath: of the file or folder.
    """

    def __init__(self, *, filepath: str, metadata: dict | None = None):
        self.filepath, self.metadata = filepath, metadata

    def load(self) -> SymptomSource:
        """The source; it is read once the ontology is there.

        Raises:
            DataNotFoundError: there is no such file; the error says where to get it.
        """
        if not Path(self.filepath).exists():
            raise not_found(self.filepath)
        return SymptomSource(Path(self.filepath).name, partial(_read, self.filepath))

    def _describe(self) -> dict:
        return {"filepath": self.filepath}


def _read(filepath: str, knowledge: Knowledge) -> PatientSymptoms:
    return read_patients(filepath, knowledge.ontology)
