"""Where patients come from, before anything is read: their symptoms are resolved by the knowledge of the run."""

from collections.abc import Callable
from dataclasses import dataclass

from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.patients import PatientSymptoms


@dataclass(frozen=True)
class SymptomSource:
    """A source of patients.

    Attributes:
        name: in messages.
        read: knowledge to the patients with their symptoms.
    """

    name: str
    read: Callable[[Knowledge], PatientSymptoms]
