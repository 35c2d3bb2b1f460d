"""The API on a listening socket, served by uvicorn, which the caller starts and stops."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

import anyio
import uvicorn
from starlette.routing import BaseRoute

from rtstream.api.connections import Acceptor, HttpConnection, Timeouts, raise_open_files
from rtstream.api.startup import Startup
from rtstream.config import EngineConfig
from rtstream.errors import InvalidRequest, Unavailable
from rtstream.rules.remote_clients import Connections, Slot, connection_limit

if TYPE_CHECKING:
    from rtstream.engine.engine import Engine

GRACE_S = 2
"""Seconds for active requests to finish when the server closes."""
BACKLOG = 512
DATE_S = 1.0
"""Seconds between two updates of the ``Date`` header."""
CLOSED_S = 0.01
"""Seconds between two looks whether all connections are closed."""

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Uvicorn with a notification when it listens, and without signal handlers.

    It wakes up once per second for the ``Date`` header, instead of ten times, and closes without fixed pauses.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = anyio.Event()
        self._exit = anyio.Event()

    def close(self) -> None:
        """Make ``serve`` finish the active requests and return."""
        self.should_exit = True
        self._exit.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with anyio.move_on_after(DATE_S):
                await self._exit.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        state = self.server_state
        for listener in sockets or ():
            listener.close()
        for connection in list(state.connections):
            connection.shutdown()
        with anyio.move_on_after(GRACE_S) as grace:
            while state.connections or state.tasks:  # noqa: ASYNC110
                await anyio.sleep(CLOSED_S)
        if grace.cancelled_caught:
            log.warning("%d requests did not finish within %d s and are cancelled", len(state.tasks), GRACE_S)
        for task in list(state.tasks):
            task.cancel()
        await self.lifespan.shutdown()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Without the sockets: connections are accepted by an Acceptor.
        await super().startup([])
        self.listening.set()

    def connection(self, registry: Connections, timeouts: Timeouts, slot: Slot) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return HttpConnection(
            registry=registry,
            timeouts=timeouts,
            slot=slot,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )

    def drop(self, client: tuple[str, int] | None) -> None:
        """Abort the connection from an address. Closing it would wait until the client has read everything."""
        for connection in list(self.server_state.connections):
            if client is not None and getattr(connection, "client", None) == client:
                connection.transport.abort()

    def drop_all(self) -> None:
        """Abort all open connections."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class ApiServer:
    """A listening socket, served by uvicorn: ``async with ApiServer(...) as server``.

    Until ``startup.open`` is called with the API, requests wait; see ``rtstream.api.startup``.

    Args:
        config: The settings of the engine. Port 0 in ``port`` selects a free port.
        startup: The application.
        host: The address to listen on.
        port: The port to listen on.
        timeouts: The timeouts of connections.

    Raises:
        Unavailable: It cannot listen on the address.
        InvalidRequest: The certificate is unusable.
    """

    def __init__(
        self,
        config: EngineConfig,
        startup: Startup,
        host: str,
        port: int,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - a frozen value
    ) -> None:
        tls = _tls(config)
        registry = _connections(config)
        listener = _listen(host, port)
        self.startup = startup
        self.url = _url(host, listener.getsockname()[1], secure=tls is not None)
        self._listener = listener
        self._uvicorn = uvicorn = _Server(_config(startup, timeouts))
        self._acceptor = Acceptor(
            listener, lambda slot: uvicorn.connection(registry, timeouts, slot), registry, timeouts, tls
        )
        self._accepting = anyio.CancelScope()
        self._closed = anyio.Event()
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> ApiServer:
        async with AsyncExitStack() as stack:
            stack.callback(self._listener.close)
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.push_async_callback(self.close)
            tasks.start_soon(self._run)
            await self._uvicorn.listening.wait()
            tasks.start_soon(self._accept)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.__aexit__(kind, exc, trace)

    async def close(self) -> None:
        """Finish the active requests within ``GRACE_S``, then close all connections."""
        await self.startup.close()
        self._accepting.cancel()
        self._uvicorn.close()
        with anyio.CancelScope(shield=True):
            await self._closed.wait()

    def drop(self, client: tuple[str, int] | None) -> None:
        """Abort the connection from an address."""
        self._uvicorn.drop(client)

    async def _run(self) -> None:
        # Shielded from cancellation of the caller. The server is asked to exit, and then closes in order.
        with anyio.CancelScope(shield=True):
            try:
                await self._uvicorn.serve([self._listener])
                self._uvicorn.drop_all()
            finally:
                self._closed.set()

    async def _accept(self) -> None:
        with self._accepting:
            await self._acceptor.run()


async def serve(
    engine: Engine,
    *,
    host: str,
    port: int,
    extra_routes: Sequence[BaseRoute] = (),
    on_ready: Callable[[str], Awaitable[None] | None] | None = None,
    should_exit: anyio.Event | None = None,
    stall_timeout_s: float = 30.0,
    allowed_origins: Sequence[str] = (),
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - a frozen value
) -> None:
    """Serve a running engine until ``should_exit`` is set or the task is cancelled, then close within 3 s.

    Port 0 selects a free port. The other arguments are those of ``serve_on``.
    Raises Unavailable when the engine cannot listen on the address, and InvalidRequest for an unusable certificate.
    """
    startup = Startup(engine.api_key, engine.identity_secret)
    async with ApiServer(engine.config, startup, host, port, timeouts) as server:
        await serve_on(
            server,
            engine,
            extra_routes=extra_routes,
            on_ready=on_ready,
            should_exit=should_exit,
            stall_timeout_s=stall_timeout_s,
            allowed_origins=allowed_origins,
        )


async def serve_on(
    server: ApiServer,
    engine: Engine,
    *,
    extra_routes: Sequence[BaseRoute] = (),
    on_ready: Callable[[str], Awaitable[None] | None] | None = None,
    should_exit: anyio.Event | None = None,
    stall_timeout_s: float = 30.0,
    allowed_origins: Sequence[str] = (),
) -> None:
    """Serve a running engine on a server that listens already, and close the server at the end.

    Binds the engine to its URL, unless the configuration has a ``public_url``, and calls ``on_ready`` with the URL of
    the server. The caller runs the lifespans of ``extra_routes``.
    """
    from rtstream.api.app import create_app  # takes long to import

    engine.bind(base_url=server.url)
    app = create_app(engine, extra_routes, stall_timeout_s=stall_timeout_s, allowed_origins=allowed_origins)
    app.state.drop = server.drop
    async with app.router.lifespan_context(app):
        server.startup.open(app)
        try:
            if on_ready is not None and inspect.isawaitable(ready := on_ready(server.url)):
                await ready
            await (should_exit or anyio.Event()).wait()
        finally:
            app.state.closing.set()  # WebSockets close with 1001 and long polls respond before uvicorn closes with 1012
            with anyio.move_on_after(0.5, shield=True):
                while app.state.websockets:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            await server.close()


def _connections(config: EngineConfig) -> Connections:
    limit = connection_limit(raise_open_files())
    # Behind a proxy all clients share its address.
    per_origin = limit if config.behind_proxy else min(config.max_connections_per_address, max(8, limit * 3 // 4))
    return Connections(limit, per_origin)


def _tls(config: EngineConfig) -> ssl.SSLContext | None:
    """The server's certificate. Raises InvalidRequest."""
    if config.tls_cert is None and config.tls_key is None:
        return None
    if config.tls_cert is None:
        raise InvalidRequest("RTSTREAM_TLS_KEY (option --tls-key) needs RTSTREAM_TLS_CERT (option --tls-cert).")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key, password="")  # an encrypted key must not ask for input
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or type(exc).__name__
        raise InvalidRequest(
            f"The TLS certificate cannot be used ({reason}): RTSTREAM_TLS_CERT takes a PEM file with the certificate "
            "chain, RTSTREAM_TLS_KEY a PEM file with its private key, not encrypted."
        ) from None
    return context


def _config(app: object, timeouts: Timeouts) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType]
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=64 * 1024,
        ws_ping_interval=timeouts.ping_s,
        ws_ping_timeout=timeouts.ping_s,
        timeout_keep_alive=timeouts.idle_s,  # pyright: ignore[reportArgumentType] - any number of seconds
        # rtstream.api.authentication determines the client, because uvicorn would trust every program on this machine.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        # Access logs would contain tickets and playback tokens.
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        backlog=BACKLOG,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        # The protocol is named, unlike in socket.create_server. Only then does asyncio disable Nagle's algorithm
        # on connections, which costs 40 ms per response.
        listener = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener
    except OSError as error:
        reason = error.strerror or "no such address"
        raise Unavailable(f"Cannot listen on {host} port {port}: {reason}. Choose another port or address.") from None


def _url(host: str, port: int, *, secure: bool) -> str:
    """The URL under which this machine reaches the server."""
    reachable = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    scheme = "https" if secure else "http"
    return f"{scheme}://[{reachable}]:{port}" if ":" in reachable else f"{scheme}://{reachable}:{port}"
