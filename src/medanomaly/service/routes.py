"""How a modality registers its routes: one call per route says path, scope, form of the body, example and answer."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from medanomaly.scoring.fhir import MEDIA_TYPE as FHIR
from medanomaly.scoring.fhir import P_VALUE
from medanomaly.scoring.models import Models
from medanomaly.service.problems import EXAMPLE, MEDIA_TYPE, SCHEMA
from medanomaly.service.service import Service

Handler = Callable[[Request], Awaitable[Response]]
BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "resource": {
                "resourceType": "RiskAssessment",
                "status": "preliminary",
                "subject": {"reference": "Patient/P17"},
                "prediction": [
                    {
                        "outcome": {"text": "the record is unusual among calibration records"},
                        "extension": [{"url": P_VALUE, "valueDecimal": 0.012}],
                    }
                ],
            }
        }
    ],
}
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "processing", "diagnostics": EXAMPLE["detail"]}],
}
SECURITY = [{"key": []}, {"bearer": []}]


class ServedModality(Protocol):
    """What a modality adds to the service: ``MODALITY`` of a module of ``medanomaly.service.modalities``.

    Attributes:
        name: of the modality, as manifests have it.
    """

    name: str

    def add_routes(self, routes: "Routes", service: Service) -> None:
        """Register its routes."""

    def warm(self, models: Models) -> None:
        """Ask its models once, with a case of its own making; does nothing where there are none."""


class Routes:
    """Registers routes with their description.

    Args:
        app: that the routes belong to.
        service: that checks keys.
    """

    def __init__(self, app: FastAPI, service: Service):
        self._app, self._service = app, service

    def add(
        self,
        method: str,
        path: str,
        handler: Handler,
        *,
        scope: str | None,
        summary: str,
        tag: str,
        answer: Mapping[str, Any],
        body: Mapping[str, Any] | None = None,
        media_type: str = "application/json",
        parameters: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        fhir: bool = False,
    ) -> None:
        """One route.

        Args:
            method: of HTTP.
            path: with ``{name}`` for its parts.
            handler: answers a request.
            scope: that a key needs; None lets everybody ask.
            summary: one sentence.
            tag: group in the description.
            answer: example of an answer.
            body: ``content`` of OpenAPI, see :func:`json_body` and :func:`form_body`.
            media_type: of the answer.
            parameters: part of the path -> example.
            query: parameter behind the path -> its schema with an example; the first one is needed.
            fhir: whether it answers in FHIR too, where that is accepted.
        """
        keys = self._service.keys

        async def endpoint(request: Request) -> Response:
            if scope is not None:
                keys.check(request.headers, scope)
            return await handler(request)

        extra: dict[str, Any] = {}
        if body is not None:
            extra["requestBody"] = {"required": True, "content": dict(body)}
        described = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "example": example}
            for name, example in (parameters or {}).items()
        ]
        described += [
            {"name": name, "in": "query", "required": i == 0, "schema": schema}
            for i, (name, schema) in enumerate((query or {}).items())
        ]
        if described:
            extra["parameters"] = described
        if scope is not None:
            extra["security"] = SECURITY
            summary = f"{summary} Scope: {scope}."
        kind = "object" if media_type.endswith("json") else "string"
        resources = {FHIR: {"schema": {"type": "object"}, "example": BUNDLE}} if fhir else {}
        outcomes = {FHIR: {"schema": {"type": "object"}, "example": OUTCOME}} if fhir else {}
        if fhir:
            summary = f"{summary} As FHIR R4B where the header Accept asks for {FHIR}."
        self._app.add_api_route(
            path,
            endpoint,
            methods=[method],
            name=f"{method.lower()} {path}",
            operation_id=f"{method.lower()}_{path.strip('/').replace('/', '_').replace('{', '').replace('}', '')}",
            summary=summary.partition(".")[0],
            description=summary,
            tags=[tag],
            response_model=None,
            response_class=Response,
            openapi_extra=extra,
            responses={
                200: {
                    "description": "The answer.",
                    "content": {media_type: {"schema": {"type": kind}, "example": answer}} | resources,
                },
                "default": {
                    "description": "A problem (RFC 9457).",
                    "content": {MEDIA_TYPE: {"schema": SCHEMA, "example": EXAMPLE}} | outcomes,
                },
            },
        )

    def websocket(self, path: str, handler: Callable[[WebSocket], Awaitable[None]]) -> None:
        """A WebSocket; it checks its keys itself, since browsers can send none before the first message."""
        self._app.add_api_websocket_route(path, handler)


def json_body(model: type[BaseModel], example: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON body in OpenAPI."""
    return {"application/json": {"schema": _flat(model.model_json_schema()), "example": example}}


def form_body(
    model: type[BaseModel], example: Mapping[str, Any], files: str | Mapping[str, str]
) -> dict[str, Any]:
    """An upload in OpenAPI: the files as ``file``, or field -> which files it takes; and the fields of the model."""
    by_field = {"file": files} if isinstance(files, str) else files
    fields = {
        name: {"type": "string", "description": of.get("description", "")}
        for name, of in model.model_json_schema()["properties"].items()
    }
    return {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                **({"required": ["file"]} if isinstance(files, str) else {}),
                "properties": {
                    field: {
                        "type": "array",
                        "items": {"type": "string", "format": "binary"},
                        "description": said,
                    }
                    for field, said in by_field.items()
                }
                | fields,
            },
            "example": example,
        }
    }


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    """Titles repeat the names of the fields."""
    return {key: value for key, value in schema.items() if key != "title"}


def json_response(content: Any, status: int = 200) -> Response:
    """JSON types as an answer."""
    return Response(
        json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":")),
        status,
        media_type="application/json",
    )


ANSWER = {
    "modality": "tabular",
    "cases": [
        {
            "case_id": "1",
            "case": "1",
            "status": "scored",
            "answers": [
                {
                    "model": "isolation_forest",
                    "score": 0.61,
                    "p_value": 0.012,
                    "flagged": True,
                    "alpha": 0.05,
                    "bundle": "194470d77e96733564d0fe936a673e99fea1c68ddc6b4f987d38cfe2c10bf786",
                }
            ],
            "findings": [],
            "missing": ["crp"],
        }
    ],
    "p_values_hold": {
        "tabular.isolation_forest": {
            "verdict": "unknown",
            "reason": "only 0 of 1 cases look usual: too few to tell",
        }
    },
    "notes": [],
    "notice": "Research use only. Not a medical device.",
}
REASON = {
    "feature": "potassium",
    "value": "7.9",
    "unit": "mmol/L",
    "usual_low": 3.6,
    "usual_high": 4.9,
    "contribution": 2.1,
    "exact": True,
}


def explained_answer() -> dict[str, Any]:
    """The example of an answer with reasons."""
    out = json.loads(json.dumps(ANSWER))
    out["cases"][0]["answers"][0]["reasons"] = [REASON]
    return out


def add_verbs(
    routes: Routes, modality: str, handler: Callable[[bool], Handler], body: dict[str, Any], summary: str
) -> None:
    """``/v1/<modality>/score`` and ``/v1/<modality>/explain``.

    Args:
        routes: of the service.
        modality: name of it.
        handler: whether reasons are asked for -> what answers a request.
        body: what both take.
        summary: what they do, after the verb.
    """
    for verb, example in (("score", ANSWER), ("explain", explained_answer())):
        routes.add(
            "POST",
            f"/v1/{modality}/{verb}",
            handler(verb == "explain"),
            scope=verb,
            summary=f"{verb.capitalize()} {summary}",
            tag=modality,
            body=body,
            answer=example | {"modality": modality},
            fhir=True,
        )
