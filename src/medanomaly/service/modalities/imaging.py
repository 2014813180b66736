"""Images: PNG, JPEG or DICOM files, or one image as numbers."""

from functools import partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from medanomaly.imaging.boxes.table import on_originals
from medanomaly.scoring.answers import Answers
from medanomaly.scoring.models import Models
from medanomaly.service.bodies import Body, Options, checked, is_form, numbers, read_form, read_json
from medanomaly.service.fhir_answers import answer_response, only_json, wants_fhir
from medanomaly.service.pictures import png
from medanomaly.service.problems import invalid, too_large
from medanomaly.service.routes import Routes, add_verbs, form_body, json_body
from medanomaly.service.service import Service, shown

Pixels = Annotated[
    Any,
    WithJsonSchema({"type": "array", "items": {"type": "array", "items": {"type": "number"}}, "minItems": 1}),
]
EXAMPLE = {"image": [[0, 64], [128, 255]], "white": 255}


class ImageOptions(Options):
    """What may be asked of images."""

    maps: bool = Field(False, description="Whether picture and map come with the answer, as PNG in base64.")


class ImageBody(ImageOptions):
    """One image as rows of grey values."""

    image: Pixels
    white: float = Field(1.0, gt=0, description="The value that means white; 0 means black.")


class ImagingModality:
    """Routes of images."""

    name = "imaging"

    def add_routes(self, routes: Routes, service: Service) -> None:
        """``/v1/imaging/score`` and ``/v1/imaging/explain``."""
        body = form_body(
            ImageOptions,
            {"file": ["chest.png"], "maps": "true"},
            "Images: PNG, JPEG, BMP, TIFF or DICOM, one image per file.",
        ) | json_body(ImageBody, EXAMPLE)
        add_verbs(
            routes, self.name, partial(_handler, service), body, "images: files, or one image as numbers."
        )

    def warm(self, models: Models) -> None:
        """A grey ramp."""
        if self.name in models.modalities:
            size = models.recipe(modality=self.name).contract.size
            ramp = np.linspace(0, 1, size * size, dtype=np.float32).reshape(size, size)
            models.score(ramp, modality=self.name)


def _handler(service: Service, explain: bool):
    async def handle(request: Request) -> Response:
        service.need("imaging")
        limits, as_fhir = service.settings.limits, wants_fhir(request)
        if is_form(request):
            options, files = await read_form(request, ImageOptions, limits)
            if len(files) > limits.images:
                raise too_large(f"Give at most {limits.images} images.")
            raw: Any = [file.content for file in files]
        else:
            options = checked(ImageBody, await read_json(request))
            raw = options
        only_json(as_fhir, maps=options.maps)
        found = await service.workers.run(_scored, service, raw, options, explain, as_fhir)
        return answer_response(found, as_fhir)

    return handle


def _scored(service: Service, raw: Any, options: ImageOptions, explain: bool, as_fhir: bool) -> Any:
    found = service.score("imaging", pixels(service, raw) if isinstance(raw, Body) else raw, options, explain)
    out = shown(found, as_fhir=as_fhir)
    if as_fhir:
        return out
    _add_boxes(service, found, options, out)
    if options.maps:
        _draw(service, found, options, out)
    return out


def _add_boxes(service: Service, found: Answers, options: ImageOptions, out: dict[str, Any]) -> None:
    """Add the boxes of detectors, in pixels of the original images; with maps also in those of the picture."""
    data = found.read.inputs.get("images")
    if data is None:
        return
    models = service.models
    sizes = pd.DataFrame({side: np.asarray(data.about[side]) for side in ("width", "height")})
    for model in models.asked(models.recipe(modality="imaging"), options.models):
        if not hasattr(model.scorer, "boxes"):
            continue
        own = model.bundle.manifest
        prepared = model.scorer.boxes(np.asarray(data.inputs))
        boxes = on_originals(prepared, sizes, model.scorer.contract)
        for i, case in enumerate(out["cases"][: len(sizes)]):
            case |= {side: int(size) for side, size in sizes.iloc[i].items()}
            names = (own.name, f"{own.modality}.{own.name}")
            answer = next(of for of in case["answers"] if of["model"] in names)
            here = (boxes["image"] == i).to_numpy()
            answer["boxes"] = [
                {"label": str(box.label)}
                | _place(box)
                | {"score": float(box.score), "p_value": float(box.p_value), "drawn": bool(box.drawn)}
                | ({"on_picture": _place(seen)} if options.maps else {})
                for box, seen in zip(boxes[here].itertuples(), prepared[here].itertuples(), strict=True)
            ]


def _place(box: Any) -> dict[str, float]:
    """Place and size of a box in px, x from the left and y from the top."""
    corners = {"x": box.x0, "y": box.y0, "width": box.x1 - box.x0, "height": box.y1 - box.y0}
    return {name: round(float(value), 1) for name, value in corners.items()}


def pixels(service: Service, body: ImageBody) -> list[np.ndarray]:
    """The image of a body, in [0, 1]."""
    image = numbers(body.image, "image")
    if image.ndim != 2:
        raise invalid("image has to be a list of rows.")
    if image.size > service.settings.limits.pixels:
        raise too_large(f"Give at most {service.settings.limits.pixels:,} pixels.")
    # what is far outside of the range is refused by the contract of the models
    return [np.clip(image / body.white, -2, 3).astype(np.float32)]


def _draw(service: Service, found: Answers, options: ImageOptions, out: dict[str, Any]) -> None:
    """Add the picture that the models saw, and the map of each, to the first images."""
    data = found.read.inputs.get("images")
    if data is None:
        return
    models = service.models
    images = np.asarray(data.inputs[: service.settings.limits.maps])
    low, high = models.recipe(modality="imaging").contract.range
    maps = {}
    for model in models.asked(models.recipe(modality="imaging"), options.models):
        if hasattr(model.scorer, "maps"):
            maps[model.bundle.manifest.name] = model.scorer.maps(images)
    for i, case in enumerate(out["cases"][: len(images)]):
        # a z-score has no range of its own
        shown_range = (low, high) if (low, high) == (0.0, 1.0) else (images[i].min(), images[i].max())
        case["picture"] = png(images[i], *shown_range)
        for answer in case["answers"]:
            if answer["model"] in maps:
                of_model = maps[answer["model"]][i]
                answer["map"] = png(of_model, float(of_model.min()), float(of_model.max()))


MODALITY = ImagingModality()
