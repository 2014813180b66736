"""Reviews: people confirm or dismiss what the service said, and ask how many alarms were right."""

from typing import Any, Self

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from medanomaly.core.errors import InputError
from medanomaly.service.bodies import Body, checked, read_json
from medanomaly.service.problems import Problem, invalid
from medanomaly.service.routes import Routes, json_body, json_response
from medanomaly.service.service import Service

MOST = 1000
# characters of the id of an alarm that tell it from others
SHORTEST_ID = 8
SCOPE = ACTOR = "review"


class ReviewBody(Body):
    """What a person says of one case: of the case itself, or of an alarm of the list."""

    case_id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="As it was given; where none was given, the X-Request-ID of the answer, / and the number of the case.",
    )
    patient_id: str | None = Field(
        None, max_length=200, description="The case is a patient of its own without one."
    )
    id: str | None = Field(
        None,
        min_length=SHORTEST_ID,
        max_length=64,
        description="Of an alarm of the list, in place of case_id.",
    )
    anomalous: bool = Field(description="true confirms the alarm, false dismisses it.")
    outcome: str = Field("", max_length=200, description="What it was, in words that name nobody.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.id is None) == (self.case_id is None) or (
            self.id is not None and self.patient_id is not None
        ):
            raise ValueError("a review has a case_id, or the id of an alarm alone")
        return self


class ReviewsBody(Body):
    """Reviews."""

    reviews: list[ReviewBody] = Field(min_length=1, max_length=MOST)


class AlarmsQuery(Body):
    """Which alarms are listed."""

    n: int = Field(20, ge=1, le=MOST)
    model: str | None = Field(None, max_length=200)
    case_id: str | None = Field(None, min_length=1, max_length=200)


EXAMPLE = {"reviews": [{"case_id": "r17", "patient_id": "P17", "anomalous": True, "outcome": "sepsis"}]}
SUMMARY = {
    "models": [
        {
            "modality": "tabular", "model": "isolation_forest", "n_alarms": 61, "n_reviewed": 20, "n_confirmed": 13,
            "n_dismissed": 7, "precision": 0.65, "low": 0.41, "high": 0.85, "latest": 0.65, "missed": 2,
        }
    ]
}  # fmt: skip
ALARMS = {
    "alarms": [
        {
            "id": "3f9ac1d20b7e4f6c", "model": "tabular.isolation_forest", "p_value": 0.0012, "probability": None,
            "recorded_at": "2026-11-29T07:12:45+00:00", "why": "potassium, creatinine",
        }
    ],
    "n_waiting": 1,
}  # fmt: skip


def add_reviews(routes: Routes, service: Service) -> None:
    """Register ``/v1/reviews``."""

    async def take(request: Request) -> Response:
        body = checked(ReviewsBody, await read_json(request))
        return json_response(await service.workers.run(_taken, service, body))

    async def tell(request: Request) -> Response:
        return json_response(await service.workers.run(_told, service))

    async def wait(request: Request) -> Response:
        asked = checked(AlarmsQuery, dict(request.query_params))
        return json_response(await service.workers.run(_waiting, service, asked))

    routes.add(
        "POST",
        "/v1/reviews",
        take,
        scope=SCOPE,
        summary="Confirm or dismiss what was said of cases.",
        tag="reviews",
        body=json_body(ReviewsBody, EXAMPLE),
        answer={"n_new": 1, "n_same": 0, "unknown": []},
    )
    routes.add(
        "GET",
        "/v1/reviews",
        tell,
        scope=SCOPE,
        summary="How many of the reviewed alarms of each model were right.",
        tag="reviews",
        answer=SUMMARY,
    )
    routes.add(
        "GET",
        "/v1/reviews/alarms",
        wait,
        scope=SCOPE,
        summary="Alarms that nobody has reviewed, the most unusual first.",
        tag="reviews",
        query={
            "n": {"type": "integer", "minimum": 1, "maximum": MOST, "example": 20},
            "model": {"type": "string", "example": "isolation_forest"},
            "case_id": {"type": "string", "example": "r17"},
        },
        answer=ALARMS,
    )


def _store(service: Service) -> Any:
    service.models  # noqa: B018 (raises where there are none)
    if service.persistence is None:
        raise Problem(404, "not-found", "This service has no store, so it knows no alarm to review.")
    return service.persistence.store


def _taken(service: Service, body: ReviewsBody) -> dict[str, Any]:
    """Every review of a case that was scored; numbers of the others, from 1."""
    store = _store(service)
    new, unknown = 0, []
    for number, one in enumerate(body.reviews, start=1):
        changed = _noted(store, one)
        if changed is None:
            unknown.append(number)
        elif changed:
            new += 1
            service.metrics.reviews.labels("confirmed" if one.anomalous else "dismissed").inc()
    if len(unknown) == len(body.reviews):
        raise invalid("No such case was scored here: check case_id and patient_id, or the id of the alarm.")
    return {"n_new": new, "n_same": len(body.reviews) - new - len(unknown), "unknown": unknown}


def _noted(store: Any, one: ReviewBody) -> bool | None:
    """Whether a review changed what is known of its case; None where no such case was scored."""
    if one.id is None:
        subject = one.case_id if one.patient_id is None else one.patient_id
        if store.predictions(subject=subject, case=one.case_id, limit=1).empty:
            return None
        return store.add_ground_truth(subject, one.case_id, one.anomalous, outcome=one.outcome, actor=ACTOR)
    try:
        before = store.review(one.id, one.anomalous, outcome=one.outcome, actor=ACTOR)
    except InputError:
        return None
    return (before["anomalous"], before["outcome"] or "") != (one.anomalous, one.outcome)


def _waiting(service: Service, asked: AlarmsQuery) -> dict[str, Any]:
    from medanomaly.store.reviews import alarms_to_review

    alarms, n_waiting = alarms_to_review(_store(service), asked.model, asked.n, asked.case_id)
    return {"alarms": alarms, "n_waiting": n_waiting}


def _told(service: Service) -> dict[str, Any]:
    from medanomaly.store.reviews import review_summary

    return {"models": review_summary(_store(service))}
