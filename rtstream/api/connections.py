"""The server's side of TCP connections: accepting them, bounding their number, and ending those that only wait.

Uvicorn closes idle keep-alive connections. It has no time-out for headers, bodies or responses that are never read, no
limit per client, and asyncio's accept loop logs a traceback for each of hundreds of failed attempts when the process
has no file descriptor left.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict, Unpack

import anyio
import h11
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from rtstream.json_types import JsonObject
from rtstream.rules.remote_clients import Connections, Slot, origin

log = logging.getLogger(__name__)

REPORT_EVERY_S = 60.0
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@dataclass(frozen=True)
class Timeouts:
    """Seconds a client may take."""

    handshake_s: float = 10.0
    """For the TLS handshake."""
    headers_s: float = 10.0
    """For the headers of a request, from the connection or the first byte on."""
    idle_s: float = 15.0
    """Between two requests. HTTP clients usually give up idle connections after 5 s, so they are the first."""
    body_s: float = 20.0
    """For a request body, plus a second for each ``body_bytes_per_s``."""
    body_bytes_per_s: float = 1024.0
    unread_s: float = 300.0
    """To take the next part of a response. Players pause for long."""
    ping_s: float = 20.0
    """Between two WebSocket pings, and for the reply to one."""


class ProtocolOptions(TypedDict):
    """The arguments of uvicorn's protocols."""

    config: Config
    server_state: ServerState
    app_state: JsonObject


class HttpConnection(H11Protocol):
    """An HTTP connection with a deadline whenever it is the client's turn."""

    def __init__(
        self, *, registry: Connections, timeouts: Timeouts, slot: Slot, **uvicorn: Unpack[ProtocolOptions]
    ) -> None:
        super().__init__(**uvicorn)
        self._registry, self._timeouts, self._slot = registry, timeouts, slot
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._body_began = 0.0
        self._body_bytes = 0
        self.ws_protocol_class = functools.partial(WebSocketConnection, registry=registry, slot=slot)  # pyright: ignore[reportAttributeAccessIssue]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's, with a deadline for the first request."""
        super().connection_made(transport)
        self._slot.abort = transport.abort
        self._expect(self._timeouts.headers_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's."""
        self._expect(None)
        self.resume_writing()
        self._registry.release(self._slot)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, with a deadline for the rest of the request."""
        before = self.conn.their_state
        super().data_received(data)
        if before is h11.SEND_BODY:
            self._body_bytes += len(data)
        self._schedule(before)

    def on_response_complete(self) -> None:
        """As uvicorn's: the connection is idle from now on, unless a request is waiting."""
        before = self.conn.their_state
        super().on_response_complete()
        self._schedule(before)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """As uvicorn's: the WebSocket has its own keep-alive."""
        self._expect(None)
        self._registry.set_waiting(self._slot, False)
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        """The client does not take the response."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self._timeouts.unread_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client takes the response."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        if self.flow is not None:  # pyright: ignore[reportUnnecessaryComparison] - None before connection_made
            super().resume_writing()

    def _schedule(self, before: object) -> None:
        """Set the deadline that fits the state of the request."""
        state = self.conn.their_state
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._expect(None)
        elif state is h11.SEND_BODY:
            if before is not h11.SEND_BODY:
                self._body_began, self._body_bytes = time.monotonic(), 0
                self._body_overdue()
            self._registry.set_waiting(self._slot, True)
        elif state is h11.IDLE:
            if before is not h11.IDLE:  # a request is over; uvicorn's timer runs until the first byte of the next one
                self._expect(None)
            elif self._deadline is None:
                self._expect(self._timeouts.headers_s)
            self._registry.set_waiting(self._slot, True)
        else:  # the request is complete: our turn
            self._expect(None)
            self._registry.set_waiting(self._slot, False)

    def _body_overdue(self) -> None:
        """Extend the deadline by the bytes that arrived, or end the connection. A paused body waits for the server."""
        allowed = self._timeouts.body_s + self._body_bytes / self._timeouts.body_bytes_per_s
        left = self._body_began + allowed - time.monotonic()
        if self.flow.read_paused:
            left = max(left, self._timeouts.body_s)
        if left <= 0:
            self.transport.abort()
            return
        self._cancel_deadline()
        self._deadline = self.loop.call_later(left, self._body_overdue)

    def _expect(self, within_s: float | None) -> None:
        self._cancel_deadline()
        if within_s is not None:
            self._deadline = self.loop.call_later(within_s, self.transport.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class WebSocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket that frees its place when it closes."""

    def __init__(self, *, registry: Connections, slot: Slot, **uvicorn: Unpack[ProtocolOptions]) -> None:
        super().__init__(**uvicorn)
        self._registry, self._slot = registry, slot

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's."""
        self._registry.release(self._slot)
        super().connection_lost(exc)


class Acceptor:
    """Accepts connections of a listening socket until cancelled."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[Slot], asyncio.Protocol],
        registry: Connections,
        timeouts: Timeouts,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._listener = listener
        self._make = make
        self._registry = registry
        self._timeouts = timeouts
        self._tls = tls
        self._reported = -REPORT_EVERY_S

    async def run(self) -> None:
        """Accept, and back off while the system has no room for another connection."""
        loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        async with anyio.create_task_group() as handshakes:
            pause_s = 0.0
            while True:
                try:
                    connection, address = await loop.sock_accept(self._listener)
                except OSError as exc:
                    if exc.errno not in EXHAUSTED:
                        await checkpoint()  # the client is gone again
                        continue
                    pause_s = self._exhausted(exc, pause_s)
                    await anyio.sleep(pause_s)
                    continue
                pause_s = 0.0
                client = origin(address[0] if isinstance(address, tuple) else None)
                slot = self._registry.admit(client, connection.close)
                if slot is None:
                    connection.close()
                    self._report("A connection was refused: %s has %d open", client, self._registry.per_origin)
                    await checkpoint()
                else:
                    await self._begin(connection, slot, handshakes)

    def _exhausted(self, error: OSError, pause_s: float) -> float:
        """Make room and return the pause before the next attempt, in seconds."""
        self._report("Connections cannot be accepted (%s): raise the limit of open files", error.strerror)
        return 0.05 if self._registry.make_room() else min(1.0, max(0.1, pause_s * 2))

    def _report(self, message: str, *values: object) -> None:
        if time.monotonic() - self._reported >= REPORT_EVERY_S:
            self._reported = time.monotonic()
            log.warning(message, *values)

    async def _begin(self, connection: socket.socket, slot: Slot, handshakes: TaskGroup) -> None:
        connection.setblocking(False)
        if self._tls is None:
            await self._connect(connection, slot)
        else:
            handshakes.start_soon(self._connect, connection, slot)

    async def _connect(self, connection: socket.socket, slot: Slot) -> None:
        """Hand the connection to its protocol, after the TLS handshake if there is one."""
        options: JsonObject = {}
        if self._tls is not None:
            options = {"ssl": self._tls, "ssl_handshake_timeout": self._timeouts.handshake_s}
        loop = asyncio.get_running_loop()
        try:
            with anyio.CancelScope() as scope:
                slot.abort = scope.cancel  # until the protocol has its transport
                await loop.connect_accepted_socket(lambda: self._make(slot), connection, **options)
                return
        except OSError:  # TLS errors are among them; also a time-out of the handshake
            pass
        self._registry.release(slot)
        connection.close()


def raise_open_files() -> int | None:
    """Raise the limit of open files as far as the system lets us; returns it. None: the platform has none."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, 1 << 20, 10_240):  # macOS refuses "unlimited"
        if wanted == resource.RLIM_INFINITY or wanted > hard != resource.RLIM_INFINITY:
            continue
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        except (OSError, ValueError):
            continue
        return max(soft, wanted)
    return None if soft == resource.RLIM_INFINITY else soft
