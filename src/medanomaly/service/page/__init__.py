"""The page at ``/``: files of this folder, held in memory; nothing of it comes from another site."""

from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from medanomaly.service.settings import Settings

FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/diagnosis.js": ("diagnosis.js", "text/javascript"),
    "/reviews.js": ("reviews.js", "text/javascript"),
}
# scripts and styles of this service alone; pictures may be made by the page
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


# what stands in index.html where nothing is stored
NOTHING = "nothing is stored"
NO_REVIEWS = 'data-stored="no"'


def stored(settings: Settings) -> str:
    """What the page says of data that stay: nothing, answers, or raw records too."""
    if settings.store is None:
        return NOTHING
    if settings.keep_records:
        return "records and answers are stored"
    return "answers are stored, with ids that only its key can tell"


def add_page(app: FastAPI, settings: Settings) -> None:
    """Register the page."""
    for path, (name, kind) in FILES.items():
        content = (Path(__file__).parent / name).read_bytes()
        if path == "/":
            content = content.replace(NOTHING.encode(), stored(settings).encode())
            if settings.store is not None:
                content = content.replace(NO_REVIEWS.encode(), NO_REVIEWS.replace("no", "yes").encode())
        app.add_api_route(path, _file(content, kind), methods=["GET"], include_in_schema=False)


def _file(content: bytes, kind: str):
    async def file(request: Request) -> Response:
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
        return Response(content, media_type=f"{kind}; charset=utf-8", headers=headers)

    return file
