"""Patients: what is given of a person in every modality becomes one answer."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from medanomaly.core.errors import InputError, MedanomalyError
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.scoring.answers import NOTICE, Answers
from medanomaly.scoring.fhir_patients import patient_resources
from medanomaly.scoring.patients import Part, PatientAnswer, answer_patient
from medanomaly.service.bodies import Body, File, Options, checked, is_form, read_form, read_json, records
from medanomaly.service.fhir_answers import answer_response, wants_fhir
from medanomaly.service.modalities.diagnosis import ANSWER as RANKING
from medanomaly.service.modalities.diagnosis import Findings, patients_of, patients_of_files
from medanomaly.service.modalities.imaging import ImageBody, pixels
from medanomaly.service.modalities.signals import SignalBody, SignalOptions, score_array, score_files
from medanomaly.service.modalities.tabular import Records, stored_table
from medanomaly.service.problems import Problem, invalid, of_error, too_large
from medanomaly.service.routes import REASON, Routes, form_body, json_body, json_response
from medanomaly.service.service import Service, plain

MOST = 100
# modality -> files that an upload may hold of it
FILES = {
    "tabular": "One CSV file with a header.",
    "signals": "Recordings: EDF, BDF, CSV, npz, or .hea with .dat.",
    "imaging": "Images: PNG, JPEG, BMP, TIFF or DICOM.",
    "diagnosis": "Phenopackets or FHIR bundles as JSON.",
}
EXAMPLE = {
    "patients": [
        {
            "patient_id": "P17",
            "tabular": {"age": 57, "potassium": 7.9},
            "imaging": {"image": [[0, 64], [128, 255]], "white": 255},
            "diagnosis": {"observed": ["HP:0001250"], "excluded": ["stroke"]},
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
            "rankings": [
                {"part": "diagnosis"}
                | {name: RANKING[name] for name in ("model", "set_coverage", "cases", "knowledge")}
            ],
            "alpha": 0.05,
            "p_value": 0.012,
            "flagged": True,
            "speaks": ["tabular"],
            "pattern": ["tabular", "imaging", "diagnosis"],
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
    diagnosis: Findings | None = Field(
        None, description="Symptoms, of which the diseases that would explain them are listed."
    )


class PatientsBody(Body):
    """Patients to score."""

    patients: list[PatientBody] = Field(min_length=1, max_length=MOST)
    alpha: float | None = Field(
        None,
        ge=0,
        le=1,
        description="False-alarm rate at which patients are flagged; that of the run by default.",
    )


class PatientForm(Body):
    """One patient whose files are uploaded, each in the field of its modality."""

    patient_id: str | None = Field(None, max_length=200, description="Given back with the answer.")
    alpha: float | None = Field(None, ge=0, le=1, description="False-alarm rate; that of the run by default.")
    fs: float | None = Field(
        None, gt=0, le=1e6, description="Samples per second, where recordings do not say."
    )
    leads: list[str] | None = Field(None, max_length=64, description="Names of the leads of recordings.")
    units: str | None = Field(None, max_length=20, description="Unit of the leads, such as mV.")


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
            body=json_body(PatientsBody, EXAMPLE)
            | form_body(
                PatientForm, {"tabular": ["visit.csv"], "imaging": ["chest.png"], "alpha": "0.05"}, FILES
            ),
            answer=answer,
            fhir=True,
        )


def _handler(service: Service, explain: bool) -> Callable:
    async def handle(request: Request) -> Response:
        if service.models.fusion is None:
            raise Problem(404, "not-found", "The models here come with no fusion of modalities.")
        if is_form(request):
            form, files = await read_form(request, PatientForm, service.settings.limits)
            patients, alpha = [_uploaded(service, form, files)], form.alpha
            named = {form.patient_id}
        else:
            body = checked(PatientsBody, await read_json(request))
            patients, alpha = (
                [_given(patient, i) for i, patient in enumerate(body.patients, start=1)],
                body.alpha,
            )
            named = {patient.patient_id for patient in body.patients}
        told = await service.workers.run(_answered, service, patients, alpha, explain)
        if wants_fhir(request):
            return answer_response(patient_resources(told, named=named), True)
        return json_response({"patients": [answer.to_dict() for answer in told], "notice": NOTICE})

    return handle


def _given(patient: PatientBody, number: int) -> tuple[str, dict[str, Any]]:
    """Id of a patient, and modality -> what is given of it."""
    parts = {name: of for name in FILES if (of := getattr(patient, name)) is not None}
    if not parts:
        raise invalid(f"A patient needs something of {', '.join(FILES)}.")
    return patient.patient_id or str(number), parts


def _uploaded(service: Service, form: PatientForm, files: list[File]) -> tuple[str, dict[str, Any]]:
    """Id of the one patient of an upload, and modality -> its files."""
    parts = {name: [file for file in files if file.field == name] for name in FILES}
    if sum(map(len, parts.values())) < len(files):
        raise invalid(f"Send each file in the field of its modality: {', '.join(FILES)}.")
    if len(parts["imaging"]) > service.settings.limits.images:
        raise too_large(f"Give at most {service.settings.limits.images} images.")
    reading = {"fs": form.fs, "leads": form.leads, "units": form.units}
    return form.patient_id or "1", {
        name: _Upload(of, reading if name == "signals" else {}) for name, of in parts.items() if of
    }


@dataclass(frozen=True)
class _Upload:
    """Files of one modality, and how they are read."""

    files: list[File]
    reading: Mapping[str, Any]


def _answered(
    service: Service, patients: list[tuple[str, dict[str, Any]]], alpha: float | None, explain: bool
) -> list[PatientAnswer]:
    told = []
    for patient_id, given in patients:
        parts, refused = [], {}
        for modality, raw in given.items():
            try:
                parts.append(
                    Part(modality, modality, _symptoms(service, raw) if modality == "diagnosis" else raw)
                )
            except Problem as problem:
                # what is wrong with a part costs only this part
                refused[modality] = _said(problem)
        try:
            answer = answer_patient(
                service.models, parts, patient_id, alpha, explain, refused, partial(_score, service)
            )
        except MedanomalyError as error:
            raise of_error(error) from None
        told.append(answer)
    return told


def _symptoms(service: Service, raw: Findings | _Upload) -> PatientSymptoms:
    return patients_of_files(service, raw.files) if isinstance(raw, _Upload) else patients_of(service, raw)


def _said(problem: Problem) -> str:
    """Why a part cannot be used.

    Raises:
        Problem: it is not the part that is wrong.
    """
    if problem.status != 422:
        raise problem
    return problem.detail


def _score(service: Service, part: Part, model: str, explain: bool) -> Answers:
    """Answers of one model to one part; what is wrong with it costs only this part."""
    options = {"models": [f"{part.modality}.{model}"], "explain": 1, "alpha": None}
    score = _score_files if isinstance(part.raw, _Upload) else _score_body
    try:
        return score(service, part, options, explain)
    except Problem as problem:
        raise InputError(_said(problem)) from None


def _score_body(service: Service, part: Part, options: dict[str, Any], explain: bool) -> Answers:
    if part.modality == "tabular":
        rows = records(part.raw, service.settings.limits, "tabular")
        return service.score("tabular", rows, Options(**options), explain)
    if part.modality == "diagnosis":
        return service.score("diagnosis", part.raw, Options(**options), explain)
    body = part.raw.model_copy(update=options)
    if part.modality == "signals":
        return plain(score_array(service, body, explain), lambda case: ":" not in case)
    return plain(service.score("imaging", pixels(service, body), body, explain), lambda case: True)


def _score_files(service: Service, part: Part, options: dict[str, Any], explain: bool) -> Answers:
    files = part.raw.files
    if part.modality == "imaging":
        found = service.score("imaging", [file.content for file in files], Options(**options), explain)
        return plain(found, lambda case: True)
    with tempfile.TemporaryDirectory(prefix="medanomaly-") as folder:
        if part.modality == "signals":
            asked = SignalOptions(**options, **part.raw.reading)
            found = score_files(service, files, asked, explain, Path(folder))
            return plain(found, lambda case: ":" not in case)
        path, reading = stored_table(files, Path(folder), service.settings.limits)
        return service.score("tabular", path, Options(**options), explain, reading)
