"""Paths and their operations, with authentication, the choice by HTTP method, and expected failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rtstream.api.authentication import client_of
from rtstream.api.envelope import refusal
from rtstream.api.idempotency import HEADER, RepeatedRequests
from rtstream.api.operations import Function, Operation
from rtstream.api.refusal_page import refusal_page, wants_page
from rtstream.errors import MethodNotAllowed, RTStreamError, Unauthorized

if TYPE_CHECKING:
    from rtstream.engine.engine import Engine

CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, HEAD, OPTIONS",
    "access-control-allow-headers": "Range, If-Range",
    "access-control-expose-headers": "Content-Length, Content-Range, Accept-Ranges",
    "access-control-max-age": "86400",
}
"""Headers of media. Players on any page may read them, because the id of a link in the URL grants access."""


def engine_of(request: Request) -> Engine:
    """The engine that this application serves."""
    return request.app.state.engine


def path(address: str, **operations: Function) -> Route:
    """A path that needs the API key: ``path("/rtstream", GET=list_streams, POST=connect)``."""
    return Route(address, Operations(operations, key_needed=True))


def monitoring_path(address: str, *, key_needed: bool = True, **operations: Function) -> Route:
    """A path whose requests do not count as use of the engine."""
    return Route(address, Operations(operations, key_needed=key_needed, is_use=False))


def open_path(address: str, **operations: Function) -> Route:
    """A path without API key. Pages of any origin may read it."""
    return Route(address, Operations(operations, key_needed=False))


def link_path(address: str, **operations: Function) -> Route:
    """A path of a playback link, whose id (``link_id`` in the path, else ``v`` in the query) grants access.

    The number of its requests that are open at once is limited. Pages of any origin may read it.
    """
    return Route(address, Operations(operations, key_needed=False, of_link=True))


class Operations:
    """The operations of one path by HTTP method, as an ASGI application."""

    def __init__(
        self, operations: Mapping[str, Function], *, key_needed: bool, of_link: bool = False, is_use: bool = True
    ) -> None:
        self.by_method = {method: Operation(function) for method, function in operations.items()}
        self.key_needed = key_needed
        self.of_link = of_link
        self._is_use = is_use
        self.methods = ", ".join(operations)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        request = Request(scope, receive)
        with ExitStack() as until_sent:
            try:
                if self.of_link and request.method != "OPTIONS":
                    link_id = request.path_params.get("link_id") or request.query_params.get("v", "")
                    media = engine_of(request).media
                    await media.link(link_id)
                    until_sent.enter_context(media.open(link_id))
                response = await self._answer(request)
            except RTStreamError as error:
                page = not self.key_needed and wants_page(request)
                response = refusal_page(error) if page else refusal(error)
            if not self.key_needed:
                response.headers.update(CORS)
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if self.key_needed:
            check_key(request)
        elif request.method == "OPTIONS":
            return Response(status_code=204)
        operation = self.by_method.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            error = MethodNotAllowed(f"{request.method} is not offered on {request.url.path}. Use {self.methods}.")
            return refusal(error, {"allow": self.methods})
        repeats: RepeatedRequests = request.app.state.repeats
        if request.method == "POST" and HEADER in request.headers:
            response = await repeats.serve(request, operation.respond)
        else:
            response = await operation.respond(request)
        if request.method == "DELETE":
            await repeats.forget(request.url.path.rpartition("/")[2])
        if self._is_use:
            engine_of(request).mark_used()
        return response


def check_key(request: Request) -> None:
    """Check the API key, in ``x-access-token`` or as a bearer token. Raises Unauthorized or TooManyAttempts."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = request.headers.get("x-access-token") or (token.strip() if scheme.lower() == "bearer" else "")
    if not given:
        raise Unauthorized("The API key is missing. Send it in the header x-access-token.")
    request.app.state.keys.check(given.encode(), client_of(request.scope))


class NormalPaths:
    """Middleware that treats ``//rtstream/`` as ``/rtstream``. A redirect would turn a POST into a GET.

    Paths of ``foreign`` routes, which the caller mounts, are passed on unmodified.
    """

    def __init__(self, app: ASGIApp, foreign: Callable[[Scope], bool]) -> None:
        self._app = app
        self._foreign = foreign

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection (ASGI)."""
        if scope["type"] in ("http", "websocket") and not self._foreign(scope):
            scope = {**scope, "path": "/" + scope["path"].strip("/")}
        await self._app(scope, receive, send)
