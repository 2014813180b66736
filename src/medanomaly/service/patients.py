"""Patients: what is given of a person in every modality becomes one answer."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from medanomaly.core.errors import InputError, MedanomalyError
from medanomaly.scoring.answers import NOTICE, Answers
from medanomaly.scoring.patients import Part, answer_patient
from medanomaly.service.bodies import Body, Options, checked, read_json, records
from medanomaly.service.modalities.imaging import ImageBody, pixels
from medanomaly.service.modalities.signals import SignalBody, score_array
from medanomaly.service.modalities.tabular import Records
from medanomaly.service.problems import Problem, invalid, of_error, plain_reason
from medanomaly.service.routes import REASON, Routes, json_body, json_response
from medanomaly.service.service import Service

MOST = 100
EXAMPLE = {
    "patients": [
        {
            "patient_id": "P17",
            "tabular": {"age": 57, "potassium": 7.9},
            "imaging": {"image": [[0, 64], [128, 255]], "white": 255},
        }
    ],
    "alpha": 0.05,
}
ANSWER = {
    "patients": [
        {
            "patient_id": "P17",
            "status": "scored",
            "not_given": ["signals"],
            "refused": [],
            "alpha": 0.05,
            "p_value": 0.012,
            "flagged": True,
            "speaks": ["tabular"],
            "pattern": ["tabular", "imaging"],
            "basis": "same_modalities",
            "n_joint": 412,
            "approximation": "",
            "p_values_hold": {"verdict": "unknown", "reason": "tabular.ecdf: only 0 of 1 cases look usual"},
            "modalities": [
                {
                    "modality": "tabular",
                    "model": "ecdf",
                    "p_value": 0.004,
                    "smallest_possible": 0.002,
                    "n_cases": 1,
                    "most_unusual": {
                        "case_id": "1",
                        "case": "1",
                        "missing": ["crp"],
                        "score": 0.6,
                        "p_value": 0.004,
                    },
                    "findings": [],
                }
            ],
        }
    ],
    "notice": NOTICE,
}


class PatientBody(Body):
    """What is given of one patient."""

    patient_id: str | None = Field(None, max_length=200, description="Given back with the answer.")
    tabular: Records | None = None
    signals: SignalBody | None = None
    imaging: ImageBody | None = None


class PatientsBody(Body):
    """Patients to score."""

    patients: list[PatientBody] = Field(min_length=1, max_length=MOST)
    alpha: float | None = Field(
        None,
        ge=0,
        le=1,
        description="False-alarm rate at which patients are flagged; that of the run by default.",
    )


def add_patients(routes: Routes, service: Service) -> None:
    """Register ``/v1/patients/score`` and ``/v1/patients/explain``."""
    explained = dict(ANSWER["patients"][0])
    case = explained["modalities"][0]
    explained["modalities"] = [case | {"most_unusual": case["most_unusual"] | {"reasons": [REASON]}}]
    for verb, answer in (("score", ANSWER), ("explain", ANSWER | {"patients": [explained]})):
        routes.add(
            "POST",
            f"/v1/patients/{verb}",
            _handler(service, verb == "explain"),
            scope=verb,
            summary=f"{verb.capitalize()} patients: one p-value of all modalities, and which of them speaks.",
            tag="patients",
            body=json_body(PatientsBody, EXAMPLE),
            answer=answer,
        )


def _handler(service: Service, explain: bool) -> Callable:
    async def handle(request: Request) -> Response:
        if service.models.fusion is None:
            raise Problem(404, "not-found", "The models here come with no fusion of modalities.")
        body = checked(PatientsBody, await read_json(request))
        return json_response(await service.workers.run(_answered, service, body, explain))

    return handle


def _answered(service: Service, body: PatientsBody, explain: bool) -> dict[str, Any]:
    told = []
    for i, patient in enumerate(body.patients, start=1):
        given = {m: getattr(patient, m) for m in ("tabular", "signals", "imaging")}
        parts = [Part(m, m, raw) for m, raw in given.items() if raw is not None]
        if not parts:
            raise invalid("A patient needs something of tabular, signals or imaging.")
        try:
            answer = answer_patient(
                service.models,
                parts,
                patient.patient_id or str(i),
                body.alpha,
                explain,
                score=partial(_score, service),
            )
        except MedanomalyError as error:
            raise of_error(error) from None
        told.append(answer.to_dict())
    return {"patients": told, "notice": NOTICE}


def _score(service: Service, part: Part, model: str, explain: bool) -> Answers:
    """Answers of one model to one part; what is wrong with it costs only this part."""
    options = {"models": [f"{part.modality}.{model}"], "explain": 1, "alpha": None}
    try:
        if part.modality == "tabular":
            rows = records(part.raw, service.settings.limits, "tabular")
            return service.score("tabular", rows, Options(**options), explain)
        body = part.raw.model_copy(update=options)
        if part.modality == "signals":
            return _plain(score_array(service, body, explain), lambda case: ":" not in case)
        found = service.score("imaging", pixels(service, body), body, explain)
        return _plain(found, lambda case: True)
    except Problem as problem:
        if problem.status != 422:
            raise
        raise InputError(problem.detail) from None


def _plain(found: Answers, whole: Callable[[str], bool]) -> Answers:
    """Answers in which the reasons why a whole file was refused lose what they quote."""
    refused = found.read.refused.copy()
    refused["reason"] = [
        plain_reason(reason) if whole(case) else reason
        for case, reason in refused[["case_id", "reason"]].itertuples(index=False, name=None)
    ]
    return replace(found, read=replace(found.read, refused=refused))
