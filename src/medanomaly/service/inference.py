"""Open Inference Protocol (version 2, REST) over the same scorers: rows of features, waveforms, recordings, series, images.

Inputs are what a model reads, not raw data: ``/v1`` reads raw data. What the protocol has no field for, such as reasons and
findings, is only in ``/v1``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from medanomaly import __version__
from medanomaly.core.conformal import p_values
from medanomaly.core.errors import MedanomalyError
from medanomaly.core.models import ModelInput
from medanomaly.scoring.model_answers import OpenModel
from medanomaly.service.bodies import Options, checked, numbers, read_json
from medanomaly.service.problems import Problem, invalid, of_error, too_large
from medanomaly.service.routes import Routes, json_body, json_response
from medanomaly.service.service import Service

EXAMPLE_MODEL = "tabular.isolation_forest"
NUMERIC = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "FP32", "FP64")
DATATYPES = (*NUMERIC, "BOOL", "BYTES")
Data = Annotated[Any, WithJsonSchema({"type": "array"})]
Parameters = dict[str, bool | int | float | str]


class Tensor(BaseModel):
    """An input of a request."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=200)
    shape: list[Annotated[int, Field(ge=0, le=10**9)]] = Field(max_length=4)
    datatype: str = Field(max_length=10)
    data: Data
    parameters: dict[str, Any] | None = None


class WantedOutput(BaseModel):
    """An output that is asked for."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=200)
    parameters: dict[str, Any] | None = None


class InferenceRequest(BaseModel):
    """A request of the protocol."""

    model_config = ConfigDict(extra="forbid")
    id: str | None = Field(None, max_length=100)
    parameters: Parameters | None = None
    inputs: list[Tensor] = Field(min_length=1, max_length=5_000)
    outputs: list[WantedOutput] | None = Field(None, max_length=20)


@dataclass(frozen=True)
class Signature:
    """What a model takes: name, datatype and shape of each input; -1 is any length."""

    inputs: tuple[tuple[str, str, tuple[int, ...]], ...]


def signature(service: Service, model: OpenModel) -> Signature:
    """The inputs of a model."""
    reads, scorer = model.kind.reads, model.scorer
    if reads == "features" and hasattr(scorer, "preprocessor"):
        levels = scorer.preprocessor.levels
        return Signature(
            tuple(
                (name, "BYTES" if name in levels else "FP64", (-1,)) for name in scorer.preprocessor.features
            )
        )
    if reads == "features":
        return Signature(tuple((str(entry["name"]), "FP64" if entry.get("kind") == "number" else "BYTES", (-1,))
                               for entry in model.bundle.manifest.input_contract))  # fmt: skip
    if reads == "waveforms":
        return Signature((("waveforms", "FP32", (-1, -1, -1)),))
    if reads == "images":
        size = service.models.recipe(modality="imaging").contract.size
        return Signature((("images", "FP32", (-1, size, size)),))
    if reads == "series":
        return Signature((("series", "FP64", (-1,)),))
    return Signature((("signal", "FP64", (-1, -1)),))


def outputs_of(model: OpenModel) -> list[dict[str, Any]]:
    """The outputs of a model."""
    if hasattr(model.scorer, "classes"):
        return [
            {"name": "class", "datatype": "BYTES", "shape": [-1]},
            {"name": "class_probability", "datatype": "FP64", "shape": [-1]},
            {"name": "abstains", "datatype": "BOOL", "shape": [-1]},
            {"name": "p_value", "datatype": "FP64", "shape": [-1]},
        ]
    if hasattr(model.scorer, "probabilities"):
        return [{"name": "probability", "datatype": "FP64", "shape": [-1]}]
    out = [
        {"name": "score", "datatype": "FP64", "shape": [-1]},
        {"name": "p_value", "datatype": "FP64", "shape": [-1]},
        {"name": "flagged", "datatype": "BOOL", "shape": [-1]},
    ]
    if model.kind.reads in ("recordings", "series"):
        # one row per beat or window, which the request cannot know
        out.insert(0, {"name": "case_id", "datatype": "BYTES", "shape": [-1]})
    return out


def add_inference(routes: Routes, service: Service) -> None:
    """Register ``/v2``."""

    async def live(request: Request) -> Response:
        return json_response({"live": True})

    async def ready(request: Request) -> Response:
        service.models  # noqa: B018 (raises where there are none)
        return json_response({"ready": True})

    async def server(request: Request) -> Response:
        return json_response({"name": "medanomaly", "version": __version__, "extensions": []})

    async def model_ready(request: Request) -> Response:
        return json_response({"name": _model(service, request).name, "ready": True})

    async def metadata(request: Request) -> Response:
        model = _model(service, request)
        return json_response(
            {
                "name": model.name,
                "versions": [version(model)],
                "platform": f"medanomaly_{model.bundle.manifest.kind}",
                "inputs": [
                    {"name": name, "datatype": of, "shape": list(shape)}
                    for name, of, shape in signature(service, model).inputs
                ],
                "outputs": outputs_of(model),
            }
        )

    async def infer(request: Request) -> Response:
        model = _model(service, request)
        given = checked(InferenceRequest, await read_json(request))
        return json_response(await service.workers.run(_infer, service, model, given))

    one = {"name": EXAMPLE_MODEL}
    both = one | {"version": "194470d77e96"}
    plain = [
        ("/v2/health/live", live, "Whether the server runs.", {"live": True}, None, {}),
        ("/v2/health/ready", ready, "Whether all models are ready.", {"ready": True}, None, {}),
        (
            "/v2",
            server,
            "Metadata of the server.",
            {"name": "medanomaly", "version": __version__, "extensions": []},
            None,
            {},
        ),
    ]
    for path, parameters in (("/v2/models/{name}", one), ("/v2/models/{name}/versions/{version}", both)):
        plain += [
            (
                f"{path}/ready",
                model_ready,
                "Whether a model is ready.",
                {"name": EXAMPLE_MODEL, "ready": True},
                "score",
                parameters,
            ),
            (path, metadata, "Metadata of a model.", METADATA, "score", parameters),
        ]
        routes.add(
            "POST",
            f"{path}/infer",
            infer,
            scope="score",
            summary="Score inputs of a model.",
            tag="open inference protocol",
            body=json_body(InferenceRequest, REQUEST),
            answer=RESPONSE,
            parameters=parameters,
        )
    for path, handler, summary, answer, scope, parameters in plain:
        routes.add(
            "GET",
            path,
            handler,
            scope=scope,
            summary=summary,
            tag="open inference protocol",
            answer=answer,
            parameters=parameters,
        )


def version(model: OpenModel) -> str:
    """The version of a model: the beginning of the hash of its bundle."""
    return model.bundle.bundle_hash[:12]


def _model(service: Service, request: Request) -> OpenModel:
    model = service.open_model(request.path_params["name"])
    wanted = request.path_params.get("version")
    if wanted is not None and wanted != version(model):
        raise Problem(404, "not-found", "There is no such version of this model.")
    return model


def _infer(service: Service, model: OpenModel, given: InferenceRequest) -> dict[str, Any]:
    known = {out["name"]: out for out in outputs_of(model)}
    wanted = [out.name for out in given.outputs] if given.outputs is not None else list(known)
    if not set(wanted) <= set(known):
        raise invalid(f"Outputs of this model are {', '.join(known)}.")
    tensors = _tensors(service, model, given)
    try:
        if model.kind.reads in ("recordings", "series"):
            found = _recorded(service, model, tensors, given.parameters or {})
        else:
            found = _direct(model, tensors)
    except MedanomalyError as error:
        raise of_error(error, [name for name, *_ in signature(service, model).inputs]) from None
    except (ValueError, TypeError, OverflowError) as error:
        raise invalid("The inputs do not fit the model.") from error
    n = len(next(iter(found.values())))
    if "flagged" in found:
        service.metrics.add(
            model.bundle.manifest.modality, model.bundle.manifest.name, n, int(np.sum(found["flagged"]))
        )
    out: dict[str, Any] = {"model_name": model.name, "model_version": version(model)}
    if given.id is not None:
        out["id"] = given.id
    out["outputs"] = [
        {"name": name, "shape": [n], "datatype": known[name]["datatype"], "data": found[name]}
        for name in wanted
    ]
    return out


def _tensors(service: Service, model: OpenModel, given: InferenceRequest) -> dict[str, np.ndarray | list]:
    """Inputs by name, in the shapes of the signature."""
    inputs = signature(service, model).inputs
    by_name = {tensor.name: tensor for tensor in given.inputs}
    if len(by_name) != len(given.inputs) or set(by_name) != {name for name, *_ in inputs}:
        raise invalid("The inputs have to be those that GET /v2/models/{name} lists, each once.")
    out, lengths = {}, set()
    for name, of, shape in inputs:
        values = _values(service, by_name[name], of, shape)
        lengths.add(len(values))
        out[name] = values
    if model.kind.reads == "features" and len(lengths) > 1:
        raise invalid("The inputs have different lengths.")
    if model.kind.reads == "features" and max(lengths) > service.settings.limits.records:
        raise too_large(f"Give at most {service.settings.limits.records:,} rows.")
    if 0 in lengths:
        raise invalid("The inputs are empty.")
    return out


def _values(service: Service, tensor: Tensor, of: str, shape: tuple[int, ...]) -> np.ndarray | list:
    wanted = [f"{n}" if n >= 0 else "any" for n in shape]
    wrong = invalid(f"An input has another datatype or shape: {of} of {' x '.join(wanted)} is expected.")
    if tensor.datatype not in DATATYPES or (tensor.datatype in NUMERIC) != (of != "BYTES"):
        raise wrong
    stated = list(tensor.shape)
    # a column may come as (n, 1)
    if len(shape) == 1 and len(stated) == 2 and stated[1] == 1:
        stated = stated[:1]
    if len(stated) != len(shape) or any(n not in (-1, m) for n, m in zip(shape, stated, strict=True)):
        raise wrong
    size = int(np.prod(stated, dtype=object))
    if size > service.settings.limits.samples:
        raise too_large(f"Give at most {service.settings.limits.samples:,} values.")
    if of == "BYTES":
        flat = tensor.data
        while isinstance(flat, list) and flat and isinstance(flat[0], list):
            flat = [value for part in flat if isinstance(part, list) for value in part]
        if not isinstance(flat, list) or len(flat) != size:
            raise wrong
        if not all(value is None or isinstance(value, str) for value in flat):
            raise wrong
        return flat
    if tensor.data == [] or not isinstance(tensor.data, list):
        raise wrong
    values = numbers(tensor.data, "data")
    if values.size != size:
        raise wrong
    return values.reshape(stated)


def _direct(model: OpenModel, tensors: Mapping[str, Any]) -> dict[str, list]:
    scorer, reads = model.scorer, model.kind.reads
    if reads == "features":
        inputs: Any = pd.DataFrame(
            {
                name: values if isinstance(values, np.ndarray) else pd.array(values, dtype="string")
                for name, values in tensors.items()
            }
        )
        n = len(inputs)
    else:
        (values,) = tensors.values()
        if not (np.abs(values) <= np.finfo(np.float32).max).all():
            raise invalid("An input holds missing values, or numbers beyond float32.")
        inputs, n = values.astype(np.float32), len(values)
    if reads == "features" and hasattr(scorer, "probabilities"):
        inputs.insert(0, "case_id", [str(i + 1) for i in range(n)])
    if hasattr(scorer, "classes"):
        rows = scorer.probabilities(inputs)
        named = rows[rows["decided"]]
        return {
            "class": named["class"].astype(str).tolist(),
            "class_probability": named["probability"].astype(float).tolist(),
            "abstains": named["abstains"].astype(bool).tolist(),
            "p_value": named["p_value"].astype(float).tolist(),
        }
    if hasattr(scorer, "probabilities"):
        return {"probability": scorer.probabilities(inputs)["probability"].astype(float).tolist()}
    ids = pd.Series([str(i + 1) for i in range(n)], dtype="string")
    score, _ = model.kind.scores(scorer, ModelInput(pd.DataFrame({"case_id": ids}), inputs), {})
    return _compared(model, np.asarray(score, dtype=np.float64))


def _compared(model: OpenModel, score: np.ndarray) -> dict[str, list]:
    p = p_values(score, model.scorer.calibration)
    return {"score": score.tolist(), "p_value": p.tolist(), "flagged": (p <= model.alpha).tolist()}


def _recorded(
    service: Service, model: OpenModel, tensors: Mapping[str, Any], parameters: Mapping[str, Any]
) -> dict[str, list]:
    (signal,) = tensors.values()
    reading = {name: parameters[name] for name in ("fs", "normal_until") if name in parameters}
    if any(isinstance(value, (bool, str)) or not value > 0 for value in reading.values()):
        raise invalid("The parameters fs and normal_until have to be numbers above 0.")
    if "normal_until" in reading:
        reading["normal_until"] = int(reading["normal_until"])
    found = service.score("signals", signal, Options(models=[model.name]), False, reading)
    if found.scores.empty:
        raise Problem(422, "unreadable-data", "No beat or window of it can be scored.")
    rows = found.scores
    return {
        "case_id": rows["case_id"].tolist(),
        "score": rows["score"].astype(float).tolist(),
        "p_value": rows["p_value"].astype(float).tolist(),
        "flagged": rows["flagged"].astype(bool).tolist(),
    }


METADATA = {
    "name": EXAMPLE_MODEL,
    "versions": ["194470d77e96"],
    "platform": "medanomaly_isolation_forest",
    "inputs": [{"name": "potassium", "datatype": "FP64", "shape": [-1]}],
    "outputs": [
        {"name": "score", "datatype": "FP64", "shape": [-1]},
        {"name": "p_value", "datatype": "FP64", "shape": [-1]},
        {"name": "flagged", "datatype": "BOOL", "shape": [-1]},
    ],
}
REQUEST = {
    "id": "42",
    "inputs": [{"name": "potassium", "datatype": "FP64", "shape": [2], "data": [4.1, 7.9]}],
    "outputs": [{"name": "score"}],
}
RESPONSE = {
    "model_name": EXAMPLE_MODEL,
    "model_version": "194470d77e96",
    "id": "42",
    "outputs": [{"name": "score", "datatype": "FP64", "shape": [2], "data": [0.41, 0.66]}],
}
