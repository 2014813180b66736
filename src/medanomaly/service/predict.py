"""``POST /predict``: the shortest way to a label, for a plain series of values or for one image."""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from medanomaly.scoring.answers import NOTICE, Answers
from medanomaly.service.bodies import Body, Options, checked, is_form, read_form, read_json
from medanomaly.service.modalities.signals import SignalBody, score_array
from medanomaly.service.problems import Problem, invalid, too_large
from medanomaly.service.routes import Routes, form_body, json_body, json_response
from medanomaly.service.service import Service, shown

USUAL, UNUSUAL = "usual", "unusual"
# share of a series that is taken as its normal beginning, where nothing is said
BEGINNING = 0.4
Rows = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["signal"],
                "properties": {"signal": {"type": "number"}},
                "additionalProperties": False,
            },
        }
    ),
]


class SeriesBody(Body):
    """A plain series, one row per sample."""

    rows: Rows
    normal_until: int | None = Field(None, gt=0, description="Row at which the normal beginning ends.")
    model: str | None = Field(None, max_length=200)
    alpha: float | None = Field(None, ge=0, le=1)


class ImageFields(Body):
    """Fields beside the image."""

    model: str | None = Field(None, max_length=200)
    alpha: float | None = Field(None, ge=0, le=1)


ANSWER = {
    "label": UNUSUAL,
    "score": 4.2,
    "p_value": 0.01,
    "alpha": 0.05,
    "model": "lbe",
    "bundle": "194470d77e96733564d0fe936a673e99fea1c68ddc6b4f987d38cfe2c10bf786",
    "notice": NOTICE,
}


def add_predict(routes: Routes, service: Service) -> None:
    """Register ``/predict``."""

    async def predict(request: Request) -> Response:
        if is_form(request):
            fields, files = await read_form(request, ImageFields, service.settings.limits)
            service.need("imaging")
            if len(files) != 1:
                raise invalid("Give one image as file.")
            return json_response(await service.workers.run(_image, service, files[0].content, fields))
        body = checked(SeriesBody, await read_json(request))
        service.need("signals")
        return json_response(await service.workers.run(_series, service, body))

    routes.add(
        "POST",
        "/predict",
        predict,
        scope="score",
        summary="Label a plain series, or one image.",
        tag="predict",
        body=json_body(SeriesBody, {"rows": [{"signal": 1.5}, {"signal": 1.7}]})
        | form_body(ImageFields, {"file": ["chest.png"]}, "One image."),
        answer=ANSWER,
    )


def _options(given: SeriesBody | ImageFields) -> Options:
    return Options(models=None if given.model is None else [given.model], alpha=given.alpha)


def _image(service: Service, content: bytes, fields: ImageFields) -> dict[str, Any]:
    found = service.score("imaging", [content], _options(fields), explain=False)
    shown(found)
    return _label(found) | {"notice": NOTICE}


def _label(found: Answers) -> dict[str, Any]:
    """The first model decides; the others are asked by name."""
    first = found.scores.iloc[0]
    value = "probability" if found.scores["score"].isna().iloc[0] else "score"
    rows = found.scores[found.scores["model"].eq(first["model"])]
    worst = rows.loc[rows[value].astype("float64").idxmax()]
    flagged = worst["flagged"]
    out = {
        "label": UNUSUAL if flagged is True or flagged == True else USUAL,  # noqa: E712
        "score": float(worst[value]),
        "p_value": None if value == "probability" else float(worst["p_value"]),
        "alpha": None if value == "probability" else float(worst["alpha"]),
        "model": str(worst["model"]),
        "bundle": str(worst["bundle"]),
    }
    return {name: value for name, value in out.items() if value is not None}


def _series(service: Service, body: SeriesBody) -> dict[str, Any]:
    recipe = service.need("signals").recipe(modality="signals")
    if recipe.bundle.manifest.kind != "series_recipe":
        raise Problem(
            422,
            "no-series-detector",
            "These models score beats of recordings, and none of them a plain series. "
            "Use /v1/signals/score with fs, or serve models that were trained on series.",
        )
    rows = body.rows
    if not isinstance(rows, list) or not rows:
        raise invalid("rows has to be a list of objects with the number 'signal'.")
    if len(rows) > service.settings.limits.samples:
        raise too_large(f"Give at most {service.settings.limits.samples:,} rows.")
    if not all(isinstance(row, dict) and set(row) == {"signal"} for row in rows):
        raise invalid("Every row has to be an object with the number 'signal' and nothing else.")
    until = body.normal_until or max(1, int(BEGINNING * len(rows)))
    given = SignalBody(
        signal=[row["signal"] for row in rows],
        fs=1.0,
        normal_until=until,
        **_options(body).model_dump(exclude_none=True),
    )
    found = score_array(service, given, explain=False)
    shown(found)
    if found.scores.empty:
        raise Problem(422, "unreadable-data", "The series is too short after its normal beginning.")
    windows = found.read.inputs["series"].inputs.windows.set_index("case_id")
    out = _label(found)
    rows_of = found.scores[found.scores["model"].eq(out["model"])]
    return out | {
        "normal_until": until,
        "windows": [
            {
                "start": int(windows.loc[row.case_id, "start"]),
                "end": int(windows.loc[row.case_id, "end"]),
                "score": float(row.score),
                "p_value": float(row.p_value),
                "flagged": bool(row.flagged),
            }
            for row in rows_of.itertuples()
        ],
        "notice": NOTICE,
    }
