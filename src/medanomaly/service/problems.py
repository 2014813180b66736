"""Errors as ``application/problem+json`` (RFC 9457). No text of an error holds anything that was given.

Errors of the project name files, columns and values, which helps whoever owns them. A service must not repeat them: answers
are logged by proxies and browsers, and a value may name a person. So every text here is fixed, and only names that the model
already knows are filled in.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from medanomaly.core.errors import ConfigurationError, MedanomalyError

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("medanomaly.service")

# part of a reason of the project -> what may be said of it
KNOWN_REASONS = (
    ("is not known, and", "a column is probably misspelt: GET /v1/models lists the columns"),
    ("one of training", "none of its columns is known: GET /v1/models lists the columns"),
    ("earlier records were given", "nothing says whose the earlier records are"),
    ("px are too many", "the image has too many pixels"),
    ("frames in one file", "the file holds several frames"),
    ("no PNG, JPEG", "it is no PNG, JPEG, BMP, TIFF or DICOM file"),
    ("not a readable DICOM", "it is no readable DICOM file"),
    ("compressed data set is larger", "its compressed data set grows too large"),
    ("holds no pixels", "the file holds no pixels"),
    ("not a readable image", "the image is damaged"),
    ("photometric interpretation", "its photometric interpretation is not supported"),
    ("the file is empty", "the file is empty"),
    ("beat(s) in", "too few beats were found: 16 or more are needed"),
    ("sampling rate", "its sampling rate cannot be used"),
    ("says nothing of its rate", "the rate is not known: give fs, in Hz"),
    ("header names", "the header names a file that is not there or lies outside its folder"),
    ("promises", "the header promises more than the file holds"),
    ("there is no lead", "a lead that was asked for is not there"),
    ("normal beginning", "nothing says where the normal beginning ends: give normal_until, in samples"),
    ("windows of", "the series is too short for its windows"),
    ("missing samples", "it has gaps or several leads"),
    ("too many samples", "the recording has too many samples or leads"),
    ("npz", "it is no readable npz file, or it grows too large"),
    ("pixel values run", "pixel values lie outside the range"),
    ("an image holds NaN", "the image holds a missing or infinite value"),
    ("no patient with symptoms", "it is neither a phenopacket nor a FHIR bundle"),
    ("phenopacket", "it is no valid phenopacket"),
    ("it has no symptom", "it holds no finding"),
    ("an image of shape", "the image is not two-dimensional"),
)
UNREADABLE = "it cannot be read"


class Problem(Exception):
    """An answer that is an error.

    Args:
        status: of HTTP.
        name: of the problem, the last part of its type.
        detail: what is wrong and what would be right, without anything that was given.
        headers: of the answer.
        members: further members of the answer.
    """

    def __init__(
        self, status: int, name: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ):
        super().__init__(name)
        self.status, self.name, self.detail = status, name, detail
        self.headers, self.members = dict(headers or {}), members

    def body(self) -> dict[str, Any]:
        """Members of the answer."""
        return {
            "type": f"urn:medanomaly:problem:{self.name}",
            "title": self.name.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
        } | self.members

    def response(self, **members: Any) -> Response:
        """The answer; ``members`` are added to it."""
        content = json.dumps(self.body() | members, allow_nan=False)
        return Response(content, self.status, self.headers, MEDIA_TYPE)


def invalid(detail: str, **members: Any) -> Problem:
    """The request has the right form and cannot be used."""
    return Problem(422, "invalid-request", detail, **members)


def too_large(detail: str) -> Problem:
    """The request is above a limit."""
    return Problem(413, "too-large", detail)


def of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem of a plain HTTP status, such as 404."""
    phrase = HTTPStatus(status).phrase
    return Problem(status, phrase.lower().replace(" ", "-"), f"{phrase}.", headers=headers)


def of_validation(error: ValidationError, known: Iterable[str]) -> Problem:
    """What pydantic found, without values and without names that were given."""
    names = set(known)
    errors = [
        {
            "at": [part if isinstance(part, int) or part in names else "(unknown)" for part in found["loc"]],
            "problem": found["type"],
        }
        for found in error.errors(include_url=False, include_context=False, include_input=False)[:20]
    ]
    return invalid("The body does not have the form that the description of this route gives.", errors=errors)


def of_error(error: MedanomalyError, known: Iterable[str] = ()) -> Problem:
    """An error of the project; ``known`` are names that the model knows and that may be said."""
    if isinstance(error, ConfigurationError):
        return invalid(
            "There is no such model, or an option does not fit it. GET /v1/models lists the models."
        )
    said = plain_reason(error.problem)
    place = {}
    if error.column is not None and str(error.column) in set(known):
        place["column"] = str(error.column)
    if isinstance(error.record, int):
        place["record"] = error.record
    return Problem(422, "unreadable-data", f"The data cannot be used: {said}.", **place)


def of_unknown(error: Exception) -> Problem:
    """Data that made a reader fail in a way that nobody foresaw; where, but not with what, is logged."""
    log.warning("reading failed: %s", where(error))
    return Problem(422, "unreadable-data", f"The data cannot be used: {UNREADABLE}.")


def plain_reason(text: str) -> str:
    """What may be said of a reason, without what it quotes."""
    return next((said for part, said in KNOWN_REASONS if part in text), UNREADABLE)


def where(error: BaseException) -> str:
    """Type of an error and the place it came from; its message may hold values."""
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"


SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
EXAMPLE = {
    "type": "urn:medanomaly:problem:invalid-request",
    "title": "Invalid request",
    "status": 422,
    "detail": "The body does not have the form that the description of this route gives.",
    "request_id": "5b9c4b8e2f6d4f0f8a53d3c5a1f0a7de",
}
