"""The application: models, routes of every modality, health, metrics, page."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from medanomaly import __version__
from medanomaly.core.errors import DataNotFoundError
from medanomaly.scoring.answers import NOTICE
from medanomaly.scoring.models import Models
from medanomaly.service.fhir_answers import problem_as_fhir, wants_fhir
from medanomaly.service.guard import Guard
from medanomaly.service.inference import add_inference
from medanomaly.service.metrics import MEDIA_TYPE
from medanomaly.service.modalities import served_modalities
from medanomaly.service.page import add_page
from medanomaly.service.patients import add_patients
from medanomaly.service.predict import add_predict
from medanomaly.service.problems import Problem, invalid, of_status
from medanomaly.service.reviews import add_reviews
from medanomaly.service.routes import Routes, json_response
from medanomaly.service.service import Service
from medanomaly.service.settings import Settings


def create_app(models: Models | Path | str, settings: Settings | None = None) -> FastAPI:
    """The application.

    Args:
        models: opened models, which are ready at once; or a folder, which is opened and warmed when the application
            starts, so that ``/health/ready`` tells when.
        settings: of the service.

    Raises:
        ConfigurationError: the address needs keys, the file of keys cannot be read, or the store cannot be opened.
    """
    settings = settings or Settings()
    settings.check()
    modalities = served_modalities()
    source = models if isinstance(models, Models) else Path(models)
    service = Service(source, settings, [modality.warm for modality in modalities])

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(_load_and_follow(service))
        yield
        loading.cancel()
        await asyncio.wait({loading}, timeout=0.1)
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="medanomaly",
        version=__version__,
        description=f"Scores, p-values and reasons for raw medical data. {NOTICE}",
        lifespan=lifespan,
        # pages of FastAPI load scripts of other sites
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    routes = Routes(app, service)
    _add_own(routes, service)
    for modality in modalities:
        modality.add_routes(routes, service)
    add_patients(routes, service)
    add_reviews(routes, service)
    add_predict(routes, service)
    add_inference(routes, service)
    add_page(app, settings)
    _add_problems(app)
    _describe_keys(app)
    build = app.build_middleware_stack
    # outside of the layer of Starlette that answers errors and raises them again, for the server to log
    app.build_middleware_stack = lambda: Guard(build(), service)
    return app


async def _load_and_follow(service: Service) -> None:
    await asyncio.to_thread(service.load)
    await service.follow()


def _add_own(routes: Routes, service: Service) -> None:
    async def live(request: Request) -> Response:
        return json_response({"status": "live"})

    async def ready(request: Request) -> Response:
        names = list(service.models)
        return json_response({"status": "ready", "models": len(names), "version": service.version})

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(), media_type=MEDIA_TYPE)

    async def models(request: Request) -> Response:
        return json_response(described(service))

    routes.add(
        "GET",
        "/health/live",
        live,
        scope=None,
        summary="Whether the service runs.",
        tag="health",
        answer={"status": "live"},
    )
    routes.add(
        "GET",
        "/health/ready",
        ready,
        scope=None,
        summary="Whether models are loaded and warm; 503 with the reason where not.",
        tag="health",
        answer={"status": "ready", "models": 4, "version": "94470d77e9673356"},
    )
    routes.add(
        "GET",
        "/metrics",
        metrics,
        scope="admin",
        summary="Metrics for Prometheus.",
        tag="health",
        media_type="text/plain",
        answer='medanomaly_requests_total{method="GET",route="/health/live",status="200"} 1.0',
    )
    routes.add(
        "GET",
        "/v1/models",
        models,
        scope="score",
        summary="Models with their cards, and what they read.",
        tag="models",
        answer={
            "version": "94470d77e9673356",
            "modalities": ["tabular"],
            "models": [
                {
                    "name": "tabular.isolation_forest",
                    "modality": "tabular",
                    "kind": "isolation_forest",
                    "alpha": 0.05,
                    "bundle": "194470d7",
                    "card": "# isolation_forest",
                }
            ],
        },
    )


def described(service: Service) -> dict[str, Any]:
    """Models with their cards, and what raw cases of each modality look like."""
    models = service.models
    found = []
    for name in models:
        model = models[name]
        manifest = model.bundle.manifest
        found.append(
            {
                "name": name,
                "modality": manifest.modality,
                "kind": manifest.kind,
                "label": model.kind.label,
                "reads": model.kind.reads,
                "bundle": model.bundle.bundle_hash,
                "alpha": None if hasattr(model.scorer, "probabilities") else model.alpha,
                "p_value_floor": manifest.get("p_value_floor"),
                "dataset": manifest.get("dataset"),
                "created": manifest.get("created"),
                "training_data": dict(manifest.training_data),
                "card": model.bundle.files.get("card.md", b"").decode("utf-8", "replace"),
            }
        )
    inputs: dict[str, Any] = {}
    for modality in models.modalities:
        recipe = models.recipe(modality=modality)
        inputs[modality] = {"kind": recipe.bundle.manifest.kind, "noun": recipe.noun}
        if hasattr(recipe, "learned"):
            inputs[modality]["columns"] = [
                {
                    "name": column,
                    "kind": read.column.kind,
                    "unit": read.column.unit,
                    "levels": list(read.levels),
                }
                for column, read in recipe.learned.columns.items()
            ]
        if hasattr(recipe, "contract"):
            inputs[modality]["size"] = recipe.contract.size
    return {
        "version": service.version,
        "modalities": models.modalities,
        "inputs": inputs,
        "models": found,
        "notice": NOTICE,
    }


def _add_problems(app: FastAPI) -> None:
    async def problem(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            error = of_status(error.status_code, error.headers)
        elif isinstance(error, RequestValidationError):
            error = invalid("The request does not have the form that the description of this route gives.")
        elif not isinstance(error, Problem):
            error = Problem(500, "internal-error", "The service failed. The log says where.")
        members = {"request_id": request.state.request_id}
        if request.url.path.startswith("/v2"):
            # what clients of the Open Inference Protocol look for
            members["error"] = error.detail
        elif wants_fhir(request):
            return problem_as_fhir(error, request.state.request_id)
        return error.response(**members)

    for kind in (Problem, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, problem)


def _describe_keys(app: FastAPI) -> None:
    make = app.openapi

    def openapi() -> dict[str, Any]:
        schema = make()
        schema.setdefault("components", {})["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        return schema

    app.openapi = openapi


def serve(folder: Path | str, settings: Settings | None = None) -> None:
    """Serve the models of a folder until the process is stopped.

    Args:
        folder: of a run, as :func:`medanomaly.scoring.models.open_models` takes it.
        settings: of the service.

    Raises:
        ConfigurationError: the address needs keys, or the file of keys cannot be read.
        DataNotFoundError: there is no such folder.
    """
    import uvicorn

    settings = settings or Settings()
    app = create_app(folder, settings)
    if not Path(folder).is_dir():
        raise DataNotFoundError(
            "there is no such folder",
            source=folder,
            remedy="Give a folder of models, such as data/06_models/visits.",
        )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("medanomaly.service")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.info("http://%s:%d serves %s", settings.host, settings.port, folder)
    # its own access log would hold paths, which may hold anything
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_level="warning",
        server_header=False,
        ws_max_size=settings.limits.message_bytes,
    )
