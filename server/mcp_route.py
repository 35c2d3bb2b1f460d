"""MCP at /mcp, loaded for the first request: the MCP library takes as long to import as all the rest, and 25 MB."""

from __future__ import annotations

import gc
import importlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rtstream.api.authentication import KeyCheck, client_of
from rtstream.api.cors import parse_origins
from rtstream.api.envelope import refusal
from rtstream.client import RTStreamClient
from rtstream.errors import TooManyAttempts, Unauthorized, Unavailable
from server.settings import Settings

if TYPE_CHECKING:
    from mcp.server.transport_security import TransportSecuritySettings

    from server.mcp_server import McpEndpoint

log = logging.getLogger(__name__)

MCP_PATH = "/mcp"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
LOAD_S = 60.0
"""Longest time that a request waits until MCP is loaded, in seconds."""

RETRY_S = 5.0

CreateServer = Callable[[Settings, RTStreamClient], "McpEndpoint"]


class McpRoute:
    """Loads MCP when it is first requested, and serves it. Requests that arrive before it is loaded wait.

    Args:
        settings: The settings of the server.
        client: The client of the engine that the tools use.
        create_server: Creates the MCP server; by default ``server.mcp_server.create_mcp_server``.
    """

    def __init__(self, settings: Settings, client: RTStreamClient, create_server: CreateServer | None = None) -> None:
        self._settings = settings
        self._client = client
        self._create_server = create_server
        self._requested, self._loaded = anyio.Event(), anyio.Event()
        self._app: ASGIApp | None = None
        self.route = Route(MCP_PATH, endpoint=self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        self._requested.set()
        with anyio.move_on_after(LOAD_S):
            await self._loaded.wait()
        if self._app is None:
            await refusal(Unavailable("MCP is still starting. Try again in a few seconds."))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @asynccontextmanager
    async def sessions(self, listening: anyio.Event, stop: anyio.Event) -> AsyncIterator[anyio.Event]:
        """Load MCP after ``listening``, once it is requested, and serve its sessions until ``stop``.

        Returns:
            An event that is set once the sessions are closed. They end before the HTTP server, which would otherwise
            wait for their open streams.
        """
        closed = anyio.Event()

        async def run() -> None:
            endpoint = None
            with anyio.CancelScope() as loading:
                tasks.start_soon(_cancel_at, stop, loading)
                await listening.wait()
                _freeze()
                await self._requested.wait()
                while endpoint is None:
                    try:
                        endpoint = await self._load()
                    except (OSError, ImportError) as exc:  # no descriptor or memory left; the API continues without MCP
                        log.error("MCP could not be loaded and is tried again: %s", exc)
                        await anyio.sleep(RETRY_S)
            if endpoint is not None:
                async with endpoint.mcp.session_manager.run():
                    self._loaded.set()
                    await stop.wait()
                    if endpoint.notifier.close():
                        await anyio.sleep(0.1)  # listen streams send their final event
            closed.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            yield closed
            stop.set()

    async def _load(self) -> McpEndpoint:
        create = self._create_server
        if create is None:
            module = await anyio.to_thread.run_sync(importlib.import_module, "server.mcp_server")
            create = module.create_mcp_server
        endpoint = create(self._settings, self._client)
        app = endpoint.mcp.streamable_http_app(
            streamable_http_path=MCP_PATH,
            transport_security=transport_security(self._settings),
            host=self._settings.host,
        )
        self._app = KeyGuard(app) if self._settings.mcp_require_key else app
        _freeze()
        return endpoint


def _freeze() -> None:
    """Exempt all loaded objects from garbage collection, because each one would block for 0.2 s."""
    gc.freeze()
    gc.enable()  # ``rtstream-mcp serve`` starts without it


async def _cancel_at(stop: anyio.Event, scope: anyio.CancelScope) -> None:
    await stop.wait()
    scope.cancel()


def transport_security(settings: Settings) -> TransportSecuritySettings:
    """Host and Origin headers that /mcp accepts: those of this machine, and those in the settings."""
    from mcp.server.transport_security import TransportSecuritySettings

    named = [part.strip() for part in settings.allowed_hosts.split(",") if part.strip()]
    public = urlsplit(settings.public_url or "").hostname
    own = f"[{settings.host}]" if ":" in settings.host else settings.host
    hosts = dict.fromkeys([*LOCAL_HOSTS, own, public or own, *named])
    origins = parse_origins(settings.allowed_origins)
    return TransportSecuritySettings(
        allowed_hosts=[form for host in hosts for form in (host, f"{host}:*")],
        allowed_origins=[*(f"{scheme}://{host}:*" for host in LOCAL_HOSTS for scheme in ("http", "https")), *origins],
    )


class KeyGuard:
    """Admits requests with the API key, as a bearer token or in ``x-access-token``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        check: KeyCheck = scope["app"].state.keys
        headers = dict(scope["headers"])
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else headers.get(b"x-access-token", b"")
        try:
            if not given:
                raise Unauthorized("The API key is missing.")
            check.check(given, client_of(scope))
        except TooManyAttempts as error:
            await refusal(error)(scope, receive, send)
        except Unauthorized:
            message = "The API key is missing or wrong. Send it as 'Authorization: Bearer KEY'."
            headers = {"www-authenticate": 'Bearer realm="rtstream"'}
            await refusal(Unauthorized(message), headers)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
