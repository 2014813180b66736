"""Cases drawn from knowledge: symptoms of a disease by their frequencies, with the noise of real case reports.

For diseases with few or no published cases, and to try a ranker on (as the simulated patients of Alsentzer et al. 2025,
"Few shot learning for phenotype-driven diagnosis of patients with rare genetic diseases"). They hold no more than the
knowledge that they are drawn from: whoever judges a ranker on them judges it on its own source.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from medanomaly.core.errors import ConfigurationError, did_you_mean
from medanomaly.core.params import Params
from medanomaly.diagnosis.knowledge.ontology import Ontology
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.patients import PatientSymptoms, read_symptoms, written_symptoms
from medanomaly.diagnosis.ranking.frequencies import annotated_terms
from medanomaly.diagnosis.ranking.params import RankingParams
from medanomaly.diagnosis.readers.case_table import case_table

PUBLICATION = "synthetic"


class DrawingParams(Params):
    """How reports differ from the knowledge.

    Attributes:
        vague: share of observed symptoms of which only a parent term is written.
        foreign: symptoms per case that have nothing to do with the disease, on average.
        looked_for: share of the symptoms of the disease that a case lacks and that are written as excluded.
        unstated: frequency of a symptom of which the knowledge states none.
    """

    vague: float = Field(0.15, ge=0, le=1)
    foreign: float = Field(1.0, ge=0)
    looked_for: float = Field(0.1, ge=0, le=1)
    unstated: float = Field(0.6, gt=0, le=1)


def drawn_cases(
    knowledge: Knowledge,
    diseases: Sequence[str],
    n: int,
    seed: int = 0,
    params: DrawingParams | None = None,
) -> PatientSymptoms:
    """Draw n cases of each disease.

    Args:
        knowledge: whose frequencies are drawn from; leave out what cites the publications that a ranker is judged on.
        diseases: ids, as ``OMIM:154700``.
        n: cases of each.
        seed: equal seeds give equal cases.
        params: noise.

    Returns:
        Cases as every reader gives them. ``case_id`` begins with ``synthetic`` and ``publication`` is ``synthetic``; sex and
        ages are unknown.

    Raises:
        ConfigurationError: the knowledge has no symptom of a disease.
    """
    params = params or DrawingParams()
    table = annotated_terms(knowledge.annotations, RankingParams(unstated=params.unstated))
    of_disease = {str(disease): rows for disease, rows in table.groupby("disease", sort=False)}
    ids, foreign = np.asarray(knowledge.ontology.ids, dtype=object), table["term"].to_numpy()
    parents = knowledge.ontology.parents
    cases, written = [], []
    for place, disease in enumerate(diseases):
        if disease not in of_disease:
            raise ConfigurationError(
                f"no symptom of '{disease}' is known", remedy=did_you_mean(disease, of_disease)
            )
        terms = of_disease[disease]["term"].to_numpy()
        share = of_disease[disease]["frequency"].to_numpy()
        rng = np.random.default_rng([seed, place])
        for i in range(n):
            case = f"{PUBLICATION}-{disease.replace(':', '-')}-{i + 1}"
            observed = rng.random(len(terms)) < share
            # nobody is reported without any symptom
            observed[np.argmax(share)] |= not observed.any()
            excluded = ~observed & (rng.random(len(terms)) < params.looked_for)
            rows = terms[observed].copy()
            for k in np.flatnonzero(rng.random(len(rows)) < params.vague):
                above = parents.indices[parents.indptr[rows[k]] : parents.indptr[rows[k] + 1]]
                rows[k] = rng.choice(above) if len(above) else rows[k]
            rows = np.append(rows, rng.choice(foreign, rng.poisson(params.foreign)))
            cases.append((case, case, PUBLICATION, disease, knowledge.annotations.names.get(disease, ""),
                          None, np.nan, np.nan))  # fmt: skip
            written += [(case, term, False, 1.0, np.nan) for term in ids[rows]]
            written += [(case, term, True, 1.0, np.nan) for term in ids[terms[excluded]]]
    return read_symptoms(case_table(cases), written_symptoms(written), knowledge.ontology)


def phenopackets(patients: PatientSymptoms, ontology: Ontology) -> Iterator[dict]:
    """Each case as a GA4GH Phenopacket v2 in JSON types, whose metadata say where it comes from.

    Symptoms and disease are written, which the reader of phenopackets gives back; sex, ages and weights are not.
    """
    symptoms = dict(tuple(patients.symptoms.groupby("case_id", sort=False)))
    for case in patients.cases.itertuples(index=False):
        disease = {"id": case.disease, "label": case.disease_name}
        yield {
            "id": case.case_id,
            "subject": {"id": case.patient_id},
            "phenotypicFeatures": [
                {
                    "type": {"id": row.term, "label": ontology.names[ontology.index[row.term]]},
                    "excluded": bool(row.excluded),
                }
                for row in symptoms[case.case_id].itertuples(index=False)
            ],
            "interpretations": [
                {"id": case.case_id, "progressStatus": "SOLVED", "diagnosis": {"disease": disease}}
            ],
            "metaData": {"createdBy": case.publication, "phenopacketSchemaVersion": "2.0"},
        }
