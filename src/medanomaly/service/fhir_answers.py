"""Answers and problems as FHIR, for clients whose header ``Accept`` asks for it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from medanomaly.scoring.fhir import MEDIA_TYPE, fhir_bundle
from medanomaly.service.problems import Problem, invalid
from medanomaly.service.routes import json_response

# status of HTTP -> type of an issue of FHIR
_ISSUES = {
    400: "structure", 401: "login", 403: "forbidden", 404: "not-found", 413: "too-long", 415: "not-supported",
    422: "processing", 429: "throttled", 503: "transient", 504: "timeout",
}  # fmt: skip


def wants_fhir(request: Request) -> bool:
    """Whether the header ``Accept`` names ``application/fhir+json``."""
    return MEDIA_TYPE in request.headers.get("accept", "").lower()


def answer_response(content: Mapping[str, Any] | Iterable[Mapping[str, Any]], as_fhir: bool) -> Response:
    """JSON types, or resources of FHIR as a Bundle."""
    if not as_fhir:
        return json_response(content)
    return Response(
        json.dumps(fhir_bundle(content), allow_nan=False, ensure_ascii=False), media_type=MEDIA_TYPE
    )


def only_json(as_fhir: bool, **asked: bool) -> None:
    """Refuse what FHIR has no place for here.

    Args:
        as_fhir: whether the answer is FHIR.
        asked: name of an option -> whether it is asked for.

    Raises:
        Problem: 422.
    """
    if as_fhir and (names := [name for name, wanted in asked.items() if wanted]):
        raise invalid(
            f"An answer in FHIR holds no {' and no '.join(names)}. Leave the option out, or accept JSON."
        )


def problem_as_fhir(problem: Problem, request_id: str) -> Response:
    """A problem as an OperationOutcome."""
    body = problem.body()
    issue = {
        "severity": "error",
        "code": _ISSUES.get(problem.status, "exception"),
        "details": {"text": body["title"]},
        "diagnostics": body["detail"],
    }
    content = {"resourceType": "OperationOutcome", "id": request_id, "issue": [issue]}
    return Response(json.dumps(content), problem.status, problem.headers, MEDIA_TYPE)
