"""The outermost layer: request ids, headers, hosts, the size of bodies, and errors that nobody foresaw.

It is plain ASGI: it counts bytes as they arrive, and no message of an error reaches a log.
"""

import asyncio
import logging
import re
import time
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medanomaly.service.metrics import METHODS
from medanomaly.service.persistence import REQUEST_ID
from medanomaly.service.problems import Problem, log, too_large, where
from medanomaly.service.settings import is_loopback

if TYPE_CHECKING:
    from medanomaly.service.service import Service

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Guard:
    """Wraps the whole application.

    Args:
        app: that it protects.
        service: settings, metrics and the version of the models.
    """

    def __init__(self, app: ASGIApp, service: "Service"):
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, metrics = Headers(scope=scope), self._service.metrics
        request_id = self._request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        REQUEST_ID.set(request_id)
        self._service.begin_request()
        began, status, started = time.perf_counter(), 500, False

        async def sending(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                out = MutableHeaders(scope=message)
                out["X-Request-ID"] = request_id
                if self._service.version:
                    out["X-Model-Version"] = self._service.version
                for name, value in _SAFE_HEADERS.items():
                    out.setdefault(name, value)
            await send(message)

        metrics.in_progress.inc()
        try:
            try:
                self._check_host(headers)
                await self._app(scope, self._counted(headers, receive), sending)
            except Problem as problem:
                if not started:
                    await problem.response(request_id=request_id)(scope, receive, sending)
            except Exception as error:
                log.error("request %s failed: %s", request_id, where(error))
                if not started:
                    problem = Problem(500, "internal-error", "The service failed. The log says where.")
                    await problem.response(request_id=request_id)(scope, receive, sending)
        finally:
            metrics.in_progress.dec()
            taken, route = time.perf_counter() - began, _route(scope)
            method = scope["method"] if scope["method"] in METHODS else "other"
            metrics.requests.labels(method, route, str(status)).inc()
            metrics.seconds.labels(route).observe(taken)
            # probes come every few seconds
            level = logging.DEBUG if route.startswith(("/health", "/metrics")) else logging.INFO
            log.log(level, "%s %s %s %d %.1f ms", request_id, method, route, status, 1e3 * taken)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        scope.setdefault("state", {})["request_id"] = self._request_id(headers)
        self._service.begin_request()
        try:
            self._check_host(headers)
            self._check_origin(headers)
            await self._app(scope, receive, send)
        except Problem:
            await send({"type": "websocket.close", "code": 1008})
        except Exception as error:
            log.error("stream %s failed: %s", scope["state"]["request_id"], where(error))
            try:
                await send({"type": "websocket.close", "code": 1011})
            except Exception:
                # it is closed already
                return
        finally:
            self._service.metrics.requests.labels("WEBSOCKET", _route(scope), "101").inc()

    @staticmethod
    def _request_id(headers: Headers) -> str:
        """The id that the client gave where it is a UUID, which says nothing of anybody; else a new one."""
        given = headers.get("x-request-id", "")
        return given if _UUID.fullmatch(given) else uuid.uuid4().hex

    def _check_host(self, headers: Headers) -> None:
        """A page of a foreign site must not reach a service without keys by a name of its own (DNS rebinding)."""
        settings = self._service.settings
        if self._service.keys.asked and not settings.hosts:
            return
        name = _host(headers.get("host", ""))
        if "*" in settings.hosts or name in settings.hosts or name == settings.host or is_loopback(name):
            return
        raise Problem(421, "unknown-host", "The service does not answer to this host name.")

    @staticmethod
    def _check_origin(headers: Headers) -> None:
        """Browsers let any page open a WebSocket; only the service's own page may."""
        origin = headers.get("origin")
        if origin and origin.partition("://")[2] != headers.get("host", ""):
            raise Problem(403, "forbidden", "This origin may not open a stream.")

    def _counted(self, headers: Headers, receive: Receive) -> Receive:
        limits = self._service.settings.limits
        stated = headers.get("content-length", "")
        problem = too_large(f"Give at most {limits.body_bytes:,} bytes.")
        size, ended = 0, False
        until = time.monotonic() + limits.read_seconds

        async def counted() -> Message:
            nonlocal size, ended
            if ended:
                return await receive()
            if stated.isdigit() and int(stated[:20]) > limits.body_bytes:
                raise problem
            try:
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise Problem(
                    408, "too-slow", f"The body has to arrive within {limits.read_seconds:g} s."
                ) from None
            size += len(message.get("body", b""))
            ended = message["type"] != "http.request" or not message.get("more_body", False)
            if size > limits.body_bytes:
                raise problem
            return message

        return counted


def _host(header: str) -> str:
    """Name of a Host header, without its port."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0].lower()


def _route(scope: Scope) -> str:
    """Template of the route; a path that is none of ours may hold anything."""
    return getattr(scope.get("route"), "path", "unknown")
