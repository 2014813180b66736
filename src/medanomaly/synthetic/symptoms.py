"""Symptoms of the synthetic patients: diseases that are known, and a few that nobody has described.

Each patient has one disease. Its symptoms are drawn with the frequencies that are handed in, so that this module knows no
ontology. A patient with an illness of the cohort (hypertension, diabetes, ...) more often has a disease that fits it, and
the illness stands in the list whatever the disease is. Every patient has a stream of random numbers of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field

from medanomaly.core.params import Params
from medanomaly.synthetic.patients import COMORBIDITIES, own_streams

# illnesses of the cohort as terms of the HPO
COMORBIDITY_TERMS = {
    "hypertension": "HP:0000822",
    "diabetes": "HP:0000819",
    "ckd": "HP:0012622",
    "heart_failure": "HP:0001635",
    "copd": "HP:0006510",
}
# how much likelier a disease is per illness of the patient that it fits
_FITTING = 4.0
_UNSURE_WEIGHT = 0.5


class SymptomParams(Params):
    """Which diseases the patients have, and how their symptoms were written down.

    Attributes:
        seed: of the cohort.
        unknown_share: share of patients whose disease nobody has described.
        unknown_diseases: number of such diseases.
        unknown_symptoms: symptoms of each.
        looked_for: share of the symptoms of a disease that a patient lacks and that were written down as excluded.
        unsure: share of observed symptoms that are only probable.
    """

    seed: int = 0
    unknown_share: float = Field(0.12, ge=0, lt=1)
    unknown_diseases: int = Field(8, ge=1)
    unknown_symptoms: int = Field(8, ge=2)
    looked_for: float = Field(0.2, ge=0, le=1)
    unsure: float = Field(0.1, ge=0, le=1)


@dataclass(frozen=True)
class Profile:
    """A disease: its id and name, how often it has each symptom, and the illnesses of the cohort that it fits."""

    disease: str
    name: str
    frequency: Mapping[str, float]
    fits: frozenset[str] = frozenset()


def unknown_profiles(known: list[Profile], params: SymptomParams) -> list[Profile]:
    """Diseases that nobody has described: each has half of its symptoms from one known disease, half from another."""
    ids = [f"unknown disease {i}" for i in range(1, params.unknown_diseases + 1)]
    made = []
    for i, rng in enumerate(own_streams(ids, params.seed, "unknown diseases"), start=1):
        frequency: dict[str, float] = {}
        for k in rng.choice(len(known), size=min(2, len(known)), replace=False):
            terms = list(known[k].frequency)
            some = rng.permutation(len(terms))[: params.unknown_symptoms // 2]
            frequency |= {
                terms[j]: float(f) for j, f in zip(some, rng.uniform(0.5, 1.0, len(some)), strict=True)
            }
        made.append(Profile(f"SYNTHETIC:{i}", ids[i - 1], frequency))
    return made


def draw_symptoms(
    patients: pd.DataFrame, known: list[Profile], params: SymptomParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw the disease and the symptoms of every patient.

    Args:
        patients: from :func:`medanomaly.synthetic.patients.draw_patients`.
        known: diseases that the knowledge describes.
        params: of the draws.

    Returns:
        ``(cases, symptoms)``: one row per patient with ``case_id``, ``patient_id``, ``publication``, ``disease``,
        ``disease_name``, ``sex``, ``age_years``; one row per symptom with ``case_id``, ``term``, ``excluded``, ``weight``.
    """
    unknown = unknown_profiles(known, params)
    terms_of = [
        (np.array(list(p.frequency)), np.array(list(p.frequency.values()))) for p in (*known, *unknown)
    ]
    fits = np.array([[illness in p.fits for illness in COMORBIDITIES] for p in known], dtype=float)
    has = patients[list(COMORBIDITIES)].to_numpy(dtype=bool)
    ids = patients["patient_id"].tolist()
    cases, rows = [], []
    for i, rng in enumerate(own_streams(ids, params.seed, "symptoms")):
        u_known, u_disease = rng.random(2)
        if u_known < params.unknown_share:
            number = len(known) + int(u_disease * len(unknown))
        else:
            weight = np.cumsum(1.0 + _FITTING * (fits @ has[i]))
            number = int(np.searchsorted(weight, u_disease * weight[-1], side="right"))
        profile = (*known, *unknown)[number]
        case = ids[i]
        # nobody published them: they are divided like the records and images of the same patients
        cases.append((case, case, pd.NA, profile.disease, profile.name))
        terms, frequency = terms_of[number]
        drawn = rng.random((3, len(terms)))
        own = [COMORBIDITY_TERMS[name] for name, ill in zip(COMORBIDITIES, has[i], strict=True) if ill]
        observed = (drawn[0] < frequency) | np.isin(terms, own)
        # nobody is referred without any symptom
        observed[np.argmax(frequency)] |= not observed.any()
        excluded = ~observed & (drawn[1] < params.looked_for)
        sure = np.where(drawn[2] < params.unsure, _UNSURE_WEIGHT, 1.0)
        rows += [(case, terms[k], False, sure[k]) for k in np.flatnonzero(observed)]
        rows += [(case, terms[k], True, 1.0) for k in np.flatnonzero(excluded)]
        rows += [(case, term, False, 1.0) for term in own if term not in profile.frequency]
    about = pd.DataFrame(cases, columns=["case_id", "patient_id", "publication", "disease", "disease_name"])
    about = about.assign(sex=patients["sex"].to_numpy(), age_years=patients["age"].to_numpy())
    return about, pd.DataFrame(rows, columns=["case_id", "term", "excluded", "weight"])
