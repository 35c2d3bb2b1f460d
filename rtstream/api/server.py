"""The API on a listening socket: uvicorn, started and stopped by the caller."""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import uvicorn
from starlette.routing import BaseRoute

from rtstream.api.app import create_app
from rtstream.errors import Unavailable

if TYPE_CHECKING:
    from rtstream.engine.engine import Engine

GRACE_S = 2
"""Seconds that requests under way may take to finish when the server closes."""
BACKLOG = 512


class _Server(uvicorn.Server):
    """Uvicorn that says when it listens, and leaves signals to the caller."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = anyio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    def drop(self, client: tuple[str, int] | None) -> None:
        """Abort the connection from that address: closing it would wait until the client has read everything."""
        for connection in list(self.server_state.connections):
            if client is not None and getattr(connection, "client", None) == client:
                connection.transport.abort()

    def drop_all(self) -> None:
        """Abort what is still open."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


async def serve(
    engine: Engine,
    *,
    host: str,
    port: int,
    extra_routes: Sequence[BaseRoute] = (),
    on_ready: Callable[[str], Awaitable[None] | None] | None = None,
    should_exit: anyio.Event | None = None,
    stall_timeout_s: float = 30.0,
) -> None:
    """Serve a running engine until ``should_exit`` is set or the task is cancelled; then close within 3 s.

    Port 0 takes a free one. Sets ``engine.base_url`` (``public_url`` of the config wins) and calls ``on_ready`` with
    the address listened on. ``extra_routes`` are served beside the API; their lifespans are the caller's.
    Raises Unavailable when the address cannot be listened on.
    """
    listener = _listen(host, port)
    url = _url(host, listener.getsockname()[1])
    engine.base_url = (engine.config.public_url or url).rstrip("/")
    app = create_app(engine, extra_routes, stall_timeout_s=stall_timeout_s)
    server = _Server(_config(app))
    app.state.drop = server.drop

    async def run() -> None:
        # Not cancelled with the caller: it is told to exit, and then closes in order.
        with anyio.CancelScope(shield=True):
            await server.serve([listener])
            server.drop_all()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        try:
            await server.listening.wait()
            if on_ready is not None and inspect.isawaitable(ready := on_ready(url)):
                await ready
            await (should_exit or anyio.Event()).wait()
        finally:
            app.state.closing.set()  # WebSockets say 1001 and long polls answer, before uvicorn says 1012
            with anyio.move_on_after(0.5, shield=True):
                while app.state.websockets:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            server.should_exit = True


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType]
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=64 * 1024,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        timeout_graceful_shutdown=GRACE_S,
        # Access lines would hold tickets and playback tokens.
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
        # With its protocol named, as socket.create_server does not: only then does asyncio switch off Nagle's algorithm
        # on the connections, which costs 40 ms an answer.
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


def _url(host: str, port: int) -> str:
    """An address under which the machine itself reaches the server."""
    reachable = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
