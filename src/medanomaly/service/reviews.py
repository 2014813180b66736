"""Reviews: people confirm or dismiss what the service said, and ask how many alarms were right."""

from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from medanomaly.service.bodies import Body, checked, read_json
from medanomaly.service.problems import Problem, invalid
from medanomaly.service.routes import Routes, json_body, json_response
from medanomaly.service.service import Service

MOST = 1000
SCOPE = "review"


class ReviewBody(Body):
    """What a person says of one case."""

    case_id: str = Field(
        min_length=1,
        max_length=200,
        description="As it was given; where none was given, the X-Request-ID of the answer, / and the number of the case.",
    )
    patient_id: str | None = Field(
        None, max_length=200, description="The case is a patient of its own without one."
    )
    anomalous: bool = Field(description="true confirms the alarm, false dismisses it.")
    outcome: str = Field("", max_length=200, description="What it was, in words that name nobody.")


class ReviewsBody(Body):
    """Reviews."""

    reviews: list[ReviewBody] = Field(min_length=1, max_length=MOST)


EXAMPLE = {"reviews": [{"case_id": "r17", "patient_id": "P17", "anomalous": True, "outcome": "sepsis"}]}
SUMMARY = {
    "models": [
        {
            "modality": "tabular", "model": "isolation_forest", "n_alarms": 61, "n_reviewed": 20, "n_confirmed": 13,
            "n_dismissed": 7, "precision": 0.65, "low": 0.41, "high": 0.85, "latest": 0.65, "missed": 2,
        }
    ]
}  # fmt: skip


def add_reviews(routes: Routes, service: Service) -> None:
    """Register ``/v1/reviews``."""

    async def take(request: Request) -> Response:
        body = checked(ReviewsBody, await read_json(request))
        return json_response(await service.workers.run(_taken, service, body))

    async def tell(request: Request) -> Response:
        return json_response(await service.workers.run(_told, service))

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
        subject = one.case_id if one.patient_id is None else one.patient_id
        if store.predictions(subject=subject, case=one.case_id, limit=1).empty:
            unknown.append(number)
        elif store.add_ground_truth(subject, one.case_id, one.anomalous, outcome=one.outcome, actor="review"):
            new += 1
            service.metrics.reviews.labels("confirmed" if one.anomalous else "dismissed").inc()
    if len(unknown) == len(body.reviews):
        raise invalid("No such case was scored here: check case_id and patient_id.")
    return {"n_new": new, "n_same": len(body.reviews) - new - len(unknown), "unknown": unknown}


def _told(service: Service) -> dict[str, Any]:
    from medanomaly.store.reviews import review_summary

    return {"models": review_summary(_store(service))}
