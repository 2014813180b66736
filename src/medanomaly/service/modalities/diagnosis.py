"""Symptoms: diseases in order for a phenopacket, a list of findings or a text; and terms while somebody types."""

from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from medanomaly.diagnosis.patients import PatientSymptoms, read_symptoms, together, written_symptoms
from medanomaly.diagnosis.readers.ages import years
from medanomaly.diagnosis.readers.any_form import form_of, read_patients
from medanomaly.diagnosis.readers.case_table import case_table
from medanomaly.diagnosis.readers.notes import read_notes
from medanomaly.diagnosis.readers.symptom_table import SEXES
from medanomaly.diagnosis.readers.words import Words, folded
from medanomaly.diagnosis.text.term_search import TermSearch
from medanomaly.scoring.answers import NOTICE
from medanomaly.scoring.fhir_rankings import ranking_resources
from medanomaly.scoring.model_answers import answers
from medanomaly.scoring.models import Models
from medanomaly.scoring.rankings import rank_cases
from medanomaly.service.bodies import Body, File, checked, is_form, parsed, read_form, read_json
from medanomaly.service.fhir_answers import answer_response, wants_fhir
from medanomaly.service.persistence import CASE, PATIENT
from medanomaly.service.problems import Problem, invalid, too_large
from medanomaly.service.routes import Routes, form_body, json_body, json_response
from medanomaly.service.service import Service
from medanomaly.service.settings import Limits

UNNAMED = "patient"
# patients of one request
MOST = 100
NO_PHENOPACKET = "it is no valid phenopacket"
# a body with one of these is a phenopacket or a FHIR bundle itself
BARE = {"phenotypicFeatures", "subject", "metaData", "resourceType"}
Packet = Annotated[
    Any,
    WithJsonSchema({"type": "object", "properties": {"phenotypicFeatures": {"type": "array"}}}),
]
Age = float | str
EXAMPLE = {
    "observed": ["HP:0001250", "global developmental delay"],
    "excluded": ["HP:0001631"],
    "weights": {"HP:0001250": 0.9},
    "sex": "F",
    "age": 3,
    "n": 10,
}
ANSWER = {
    "modality": "diagnosis",
    "model": {
        "name": "phenotype_ranker",
        "kind": "phenotype_ranker",
        "dataset": "phenopackets",
        "version": "0.1.0",
        "bundle": "194470d77e96733564d0fe936a673e99fea1c68ddc6b4f987d38cfe2c10bf786",
    },
    "set_coverage": 0.9,
    "cases": [
        {
            "case_id": "patient",
            "status": "scored",
            "p_value": 0.41,
            "cautions": [],
            "symptoms": [
                {"term": "HP:0001250", "name": "Seizure", "excluded": False, "weight": 0.9, "given": "HP:0001250"}
            ],
            "diseases": [
                {
                    "rank": 1,
                    "disease": "OMIM:607208",
                    "disease_name": "Dravet syndrome",
                    "probability": 0.34,
                    "in_set": True,
                    "score": 11.2,
                    "reasons": [
                        {
                            "term": "HP:0001250",
                            "name": "Seizure",
                            "excluded": False,
                            "weight": 0.9,
                            "log_ratio": 2.1,
                            "matched_term": "HP:0002373",
                            "matched_name": "Febrile seizure (within the age range of 3 months to 6 years)",
                            "frequency": 0.8,
                            "stated": "8/10",
                            "reference": "PMID:12345678",
                        }
                    ],
                }
            ],
            "look_for_next": [
                {
                    "term": "HP:0002123",
                    "name": "Generalized myoclonic seizure",
                    "gain_bits": 0.31,
                    "yes": 0.4,
                    "for_disease": "OMIM:607208",
                    "for_name": "Dravet syndrome",
                    "against_disease": "OMIM:300672",
                    "against_name": "Developmental and epileptic encephalopathy 2",
                }
            ],
            "set_size": 12,
            "none_of_these": 0.2,
            "missing": ["age"],
            "not_read": [],
        }
    ],
    "knowledge": {
        "ontology": "HPO 2025-01-16",
        "annotations": "HPO annotations 2025-01-16",
        "licence": "This service/product uses the Human Phenotype Ontology.",
    },
    "notes": [],
    "notice": NOTICE,
}  # fmt: skip
TERMS = {
    "terms": [
        {"term": "HP:0001250", "name": "Seizure"},
        {"term": "HP:0002123", "name": "Generalized myoclonic seizure", "synonym": "Seizures, myoclonic"},
    ],
    "ontology": "HPO 2025-01-16",
}


class RankOptions(Body):
    """What may be asked of a ranking."""

    n: int = Field(10, ge=1, le=100, description="Diseases per patient.")
    explain: int = Field(5, ge=0, le=100, description="So many of them with what each finding says.")
    model: str | None = Field(None, max_length=200, description="Model that ranks; the first one by default.")


class Findings(Body):
    """The findings of one patient: listed, as a phenopacket, or as a text."""

    observed: list[str] | None = Field(
        None, description="Findings that the patient has: ids of the HPO, names or synonyms."
    )
    excluded: list[str] | None = Field(
        None, description="Findings that were looked for and that the patient has not."
    )
    weights: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = Field(
        None, description="Finding as it is written above -> how sure it is, from 0 to 1; 1 by default."
    )
    sex: str | None = Field(None, max_length=50, description="F or M.")
    age: Age | None = Field(None, description="In years, or such as 18 months or P1Y6M.")
    onset: Age | None = Field(None, description="Age at onset, as for age.")
    phenopacket: Packet | None = Field(None, description="GA4GH phenopacket v2, or a FHIR bundle.")
    text: str | None = Field(None, description="A note, such as a sentence of a letter.")


class RankBody(RankOptions, Findings):
    """One patient whose diseases are ranked."""

    case_id: str | None = Field(None, min_length=1, max_length=200, description="Given back with the answer.")


class TermQuery(Body):
    """What was typed so far."""

    q: str = Field(max_length=200, description="Beginnings of words, or an id of the HPO.", examples=["seiz"])
    n: int = Field(10, ge=1, le=50, description="Terms at most.")


class DiagnosisModality:
    """Routes of symptoms."""

    name = "diagnosis"

    def add_routes(self, routes: Routes, service: Service) -> None:
        """``/v1/diagnosis/rank`` and ``/v1/diagnosis/terms``."""
        routes.add(
            "POST",
            "/v1/diagnosis/rank",
            _ranker(service),
            scope="explain",
            summary="Rank diseases by findings, with what speaks for and against each. A body that is itself a phenopacket "
            "is taken as one.",
            tag=self.name,
            body=json_body(RankBody, EXAMPLE)
            | form_body(
                RankOptions, {"file": ["patient.json"], "n": "10"}, "Phenopackets, one patient per file."
            ),
            answer=ANSWER,
            fhir=True,
        )
        routes.add(
            "GET",
            "/v1/diagnosis/terms",
            _searcher(service),
            scope="score",
            summary="Terms of the HPO while somebody types: by the beginnings of words of names and synonyms.",
            tag=self.name,
            query=TermQuery.model_json_schema()["properties"],
            answer=TERMS,
        )

    def warm(self, models: Models) -> None:
        """The first term, as a finding and as a text."""
        if self.name in models.modalities:
            recipe = models.recipe(modality=self.name)
            models.rank({"symptoms": [recipe.words.ids[0]]})
            recipe.read(text=recipe.words.ontology.names[0])
            term_search(models)


def _ranker(service: Service):
    async def handle(request: Request) -> Response:
        service.need("diagnosis")
        if is_form(request):
            options, given = await read_form(request, RankOptions, service.settings.limits)
        else:
            content = await read_json(request)
            # nothing has to be put around a phenopacket
            bare = isinstance(content, dict) and not BARE.isdisjoint(content)
            options = given = checked(RankBody, {"phenopacket": content} if bare else content)
        as_fhir = wants_fhir(request)
        return answer_response(await service.workers.run(_ranked, service, given, options, as_fhir), as_fhir)

    return handle


def _ranked(service: Service, given: RankBody | list[File], options: RankOptions, as_fhir: bool) -> Any:
    """Diseases in order; scores and p-values are in the store when this returns, where there is one."""
    if isinstance(given, RankBody):
        patients, own_ids = patients_of(service, given, given.case_id), given.case_id is not None
    else:
        patients, own_ids = patients_of_files(service, given), False
    if len(patients) > MOST:
        raise too_large(f"Give at most {MOST} patients.")
    models = service.need("diagnosis")
    recipe = models.recipe(modality="diagnosis")
    with service.readable():
        model = models.ranking_model(options.model)
        read = replace(recipe.read(patients), named=own_ids)
        found = rank_cases(model.scorer, read, options.n, options.explain)
    if found.rankings.empty and read.findings.empty:
        # nothing could be said of single findings
        reasons = "; ".join(sorted(set(read.refused["reason"])))
        raise Problem(422, "unreadable-data", f"The data cannot be used: {reasons}.")
    if service.persistence is not None:
        scored = answers(recipe, [model], read, None, 0)
        service.persistence.record(scored, (CASE, PATIENT) if own_ids else ())
    service.metrics.add("diagnosis", model.bundle.manifest.name, len(read.cases), 0)
    if len(read.refused):
        service.metrics.refused.labels("diagnosis").inc(len(read.refused))
    return ranking_resources(found) if as_fhir else found.to_dict()


def patients_of(service: Service, given: Findings, name: str | None = None) -> PatientSymptoms:
    """The patients of a body.

    Args:
        service: with its models and limits.
        given: the body.
        name: of its only patient; None takes that of the phenopacket, or ``patient``.

    Raises:
        Problem: 422 where it is none or several of the forms or cannot be read, 413 where it is too long.
    """
    recipe, limits = service.need("diagnosis").recipe(modality="diagnosis"), service.settings.limits
    listed = given.observed is not None or given.excluded is not None
    if listed + (given.phenopacket is not None) + (given.text is not None) != 1:
        raise invalid("Give findings as observed and excluded, or a phenopacket, or a text.")
    of_lists = (given.weights, given.sex, given.age, given.onset)
    if not listed and any(value is not None for value in of_lists):
        raise invalid("weights, sex, age and onset go with observed and excluded.")
    if given.text is not None:
        if len(given.text) > limits.note:
            raise too_large(f"Give at most {limits.note:,} characters of text.")
        with service.readable(anything=True):
            return read_notes({name or UNNAMED: given.text}, recipe.notes)
    if given.phenopacket is not None:
        found = _packet(service, given.phenopacket)
        return found if name is None else _named(found, name)
    return _listed(given, recipe.words, limits, name or UNNAMED)


def _listed(given: Findings, words: Words, limits: Limits, name: str) -> PatientSymptoms:
    """The patient of lists of findings; what of it cannot be read is listed."""
    observed, excluded, weights = given.observed or [], given.excluded or [], given.weights or {}
    if len(observed) + len(excluded) > limits.findings:
        raise too_large(f"Give at most {limits.findings:,} findings.")
    if any(len(finding) > limits.text for finding in (*observed, *excluded)):
        raise too_large(f"Give at most {limits.text:,} characters per finding.")
    if not weights.keys() <= {*observed, *excluded}:
        raise invalid("A weight names no finding that is listed as observed or excluded.")
    unread, nan = [], float("nan")
    ages = {}
    for what in ("age", "onset"):
        written = getattr(given, what)
        found = None if written is None else years(str(written))
        if written is not None and found is None:
            unread.append((name, str(written), "it is no age, such as 3.5 (years), 18 months or P3Y6M"))
        ages[what] = nan if found is None else found
    sex = SEXES.get(folded(given.sex or ""))
    if sex is None and given.sex:
        unread.append((name, given.sex, "it is no sex such as F or M"))
    rows = [
        (name, finding, absent, weights.get(finding, 1.0), nan)
        for findings, absent in ((observed, False), (excluded, True))
        for finding in findings
    ]
    case = (name, name, None, None, None, sex, ages["age"], ages["onset"])
    return read_symptoms(case_table([case]), written_symptoms(rows), words, unread=unread)


def _packet(service: Service, packet: Any) -> PatientSymptoms:
    """The patients of a phenopacket, or of a FHIR bundle.

    Raises:
        Problem: 422 where it is neither, 413 where it holds too much.
    """
    most = service.settings.limits.findings
    # a text would be taken for the path of a file
    if not isinstance(packet, dict):
        raise invalid("A phenopacket is an object.")
    inner = packet.get("phenopacket", packet)
    parts = [inner.get(name) for name in ("phenotypicFeatures", "entry")] if isinstance(inner, dict) else []
    if any(isinstance(part, list) and len(part) > most for part in parts):
        raise too_large(f"Give at most {most:,} findings.")
    if form_of(packet) not in ("phenopackets", "bundle"):
        # without a list of features it may still be one
        packet = {"phenopacket": packet}
    with service.readable(anything=True):
        found = read_patients(packet, service.need("diagnosis").recipe(modality="diagnosis").words)
    # the reader says what it could not take, in words that quote it
    reasons = [
        NO_PHENOPACKET if reason.startswith(NO_PHENOPACKET) else reason for reason in found.refused["reason"]
    ]
    return replace(found, refused=found.refused.assign(reason=reasons))


def patients_of_files(service: Service, files: list[File]) -> PatientSymptoms:
    """The patients of uploads, by their place; a file that cannot be read costs only itself."""
    words, parts = service.need("diagnosis").recipe(modality="diagnosis").words, []
    for i, file in enumerate(files, start=1):
        name = UNNAMED if len(files) == 1 else f"{UNNAMED} {i}"
        try:
            part = _packet(service, parsed(file.content))
        except Problem as problem:
            if problem.status not in (400, 422):
                raise
            refused = [(name, NO_PHENOPACKET)]
            part = read_symptoms(case_table([]), written_symptoms([]), words, refused)
        parts.append(_named(part, name))
    return together(parts)


def _named(patients: PatientSymptoms, name: str) -> PatientSymptoms:
    """The only case under this name; several cases get their number behind it."""
    ids = list(dict.fromkeys([*patients.cases["case_id"], *patients.refused["case_id"]]))
    names = {case: name if len(ids) == 1 else f"{name} {i}" for i, case in enumerate(ids, start=1)}
    tables = (patients.cases, patients.symptoms, patients.refused, patients.unread)
    return PatientSymptoms(
        *(table.assign(case_id=table["case_id"].map(names).fillna(name).astype("string")) for table in tables)
    )


@lru_cache(maxsize=1)
def term_search(models: Models) -> TermSearch:
    """Search in the ontology of these models; what many diseases of the knowledge have comes first."""
    ontology = models.recipe(modality="diagnosis").words.ontology
    ranker = models.ranking_model().scorer.ranker
    return TermSearch(
        ontology, np.diff(ranker.profiles.frequency.indptr) if ranker.ids == ontology.ids else None
    )


def _searcher(service: Service):
    async def handle(request: Request) -> Response:
        models = service.need("diagnosis")
        asked = checked(TermQuery, dict(request.query_params))
        with service.readable():
            found = term_search(models).find(asked.q, asked.n)
        terms = [{name: value for name, value in one._asdict().items() if value} for one in found]
        about = models.recipe(modality="diagnosis").bundle.manifest["knowledge"]
        return json_response({"terms": terms, "ontology": about["ontology"]})

    return handle


MODALITY = DiagnosisModality()
