"""Requests while the engine starts: its identity and its progress at once. All others wait until the API is ready."""

from __future__ import annotations

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rtstream.api import identity
from rtstream.api.envelope import envelope, failure, refusal
from rtstream.api.operations import Operation
from rtstream.errors import RTStreamError, Unavailable
from rtstream.rules.identity import PATH

WAIT_S = 60.0
"""Longest time that a request waits for the API, in seconds."""
RETRY_S = 2
"""Seconds after which a client should try again."""
CLOSE_S = 0.5
"""Longest time in which requests that wait are refused at the end, in seconds."""
HEALTH = "/health"


class Startup:
    """Serves a port from the moment that it is open, and hands requests on once the API is ready (ASGI).

    A client that finds the port open therefore never has to distinguish an engine that starts from one that runs.

    Args:
        api_key: The API key, part of the proof of identity.
        identity_secret: The secret of this run of the engine, see ``rtstream.rules.identity``.
    """

    def __init__(self, api_key: str, identity_secret: str) -> None:
        self.step = "loading the program"
        """The step of the start, for ``/health``."""
        self._early = Starlette(
            routes=[Route(PATH, Operation(identity.prove).respond), Route(HEALTH, self._health)],
            exception_handlers={RTStreamError: _refused},
        )
        self._early.state.prover = identity.Prover(api_key, identity_secret)
        self._app: ASGIApp | None = None
        self._settled = anyio.Event()
        self._waiting = 0

    def open(self, app: ASGIApp) -> None:
        """Hand all requests to the API from now on, including those that wait."""
        self._app = app
        self._settled.set()

    async def close(self) -> None:
        """Refuse the requests that still wait, because the engine ends."""
        self._settled.set()
        with anyio.move_on_after(CLOSE_S, shield=True):
            while self._waiting:  # noqa: ASYNC110 - the server would respond to WebSockets with 500
                await anyio.sleep(0.01)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] == "lifespan":
            await _accept_lifespan(receive, send)
            return
        if self._app is None and scope["path"] not in (PATH, HEALTH):
            self._waiting += 1
            try:
                await self._wait(scope, receive, send)
            finally:
                self._waiting -= 1
            if self._app is None:
                return
        await (self._app or self._early)(scope, receive, send)

    async def _wait(self, scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.move_on_after(WAIT_S):
            await self._settled.wait()
        if self._app is None:
            await self._refuse(scope, receive, send)

    async def _health(self, _request: Request) -> Response:
        return envelope({"success": True, "starting": self.step})

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._settled.is_set():
            message = "The engine ended while it started. Its log has the reason."
        else:
            message = f"The engine is still starting ({self.step}). Try again in a few seconds."
        response = failure(503, message, Unavailable.code, {"retry-after": str(RETRY_S)})
        await response(scope, receive, send)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RTStreamError)
    return refusal(error)


async def _accept_lifespan(receive: Receive, send: Send) -> None:
    """Confirm the start and the end of the server. The lifespan of the API runs where the API is opened."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
