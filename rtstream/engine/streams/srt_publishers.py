"""Accepts SRT publishers, checks their stream keys, and hands each connection to the recorder of its stream.

libsrt, through ffmpeg, accepts any stream id and one caller per port. Here, the handshakes of all callers arrive on one
port. A caller with a known key gets a UDP socket of its own on this port, connected to its address, to which the
kernel delivers all later packets. The recorder of the stream owns it from then on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections import OrderedDict
from contextlib import ExitStack
from typing import cast

import anyio
from anyio.abc import TaskGroup

from rtstream.engine.streams.publisher_routing import BUSY, UNKNOWN_KEY, PublisherRouting
from rtstream.rules.srt_handshake import (
    CONCLUSION,
    CONFLICT,
    DOWN,
    INDUCTION,
    UNAUTHORIZED,
    VERSION,
    WRONG_VERSION,
    SrtHandshake,
    cookie_of,
    induction_response,
    parse_handshake,
    rejection,
    shutdown,
    stream_key_of,
)

log = logging.getLogger(__name__)

MOST_ADMISSIONS = 64
"""Callers whose keys are checked at the same time."""
MOST_REMEMBERED = 256
PATIENCE_S = 1.3
"""Seconds that a caller waits while another one has its key. That one is gone if it is silent for that long."""
REASONS = {UNKNOWN_KEY: UNAUTHORIZED, BUSY: CONFLICT}

Peer = tuple[str, int]


class SrtListener(asyncio.DatagramProtocol):
    """One UDP port on which publishers are accepted."""

    def __init__(self, host: str, port: int, routing: PublisherRouting) -> None:
        """Take the port. Raises OSError."""
        self._open = ExitStack()
        self._listener = self._open.enter_context(_shared(socket.AF_INET6 if ":" in host else socket.AF_INET))
        try:
            self._listener.bind((host, port))
            self.port: int = self._listener.getsockname()[1]
            self._open.enter_context(_claim(host, self.port))
        except OSError:
            self._open.close()
            raise
        self._routing = routing
        self._secret = secrets.token_bytes(16)
        self._admissions: set[Peer] = set()
        self._taken: OrderedDict[Peer, int] = OrderedDict()  # socket ids of the callers
        self._transport: asyncio.DatagramTransport
        self._tasks: TaskGroup

    async def run(self) -> None:
        """Accept publishers until this is cancelled."""
        with self._open:
            async with anyio.create_task_group() as self._tasks:
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=self._listener)
                try:
                    await anyio.sleep_forever()
                finally:
                    transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to send."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Respond to a caller."""
        peer = addr[:2]
        request = parse_handshake(data)
        if request is None:
            # Its recorder has ended, which the caller would notice only after five seconds.
            if (socket_id := self._taken.pop(peer, None)) is not None:
                self._transport.sendto(shutdown(socket_id), addr)
        elif request.kind == INDUCTION:
            self._transport.sendto(induction_response(request, self._cookie(peer)), addr)
        elif request.kind == CONCLUSION and request.cookie in (self._cookie(peer), self._cookie(peer, before=1)):
            if request.version != VERSION:
                self._transport.sendto(rejection(request, WRONG_VERSION), addr)
            elif peer not in self._admissions and len(self._admissions) < MOST_ADMISSIONS:
                self._admissions.add(peer)
                self._tasks.start_soon(self._serve, request, data, addr)

    def _cookie(self, peer: Peer, before: int = 0) -> int:
        return cookie_of(self._secret, peer, int(time.monotonic() // 60) - before)

    async def _serve(self, request: SrtHandshake, packet: bytes, addr: tuple[str, int]) -> None:
        """Admit or refuse a caller."""
        host = addr[0]
        try:
            reason = await self._admit(request, packet, addr)
            if reason:
                log.warning("a publisher at %s was refused: %s", host, reason)
                self._transport.sendto(rejection(request, REASONS.get(reason, DOWN)), addr)
        except OSError as exc:
            log.info("a publisher at %s was disconnected: %s", host, exc)
        except Exception:
            log.exception("a publisher failed")
        finally:
            self._admissions.discard(addr[:2])

    async def _admit(self, request: SrtHandshake, packet: bytes, addr: tuple[str, int]) -> str:
        """Hand a caller over to the recorder of its stream. Returns the reason if it is refused."""
        found = await self._routing.find(stream_key_of(request.stream_id))
        if found is None:
            return UNKNOWN_KEY
        stream_id, keys = found
        passphrase = keys.passphrase.encode() if request.is_encrypted else b""
        received = bytes([len(passphrase)]) + passphrase + packet
        with _shared(self._listener.family) as connection:
            connection.bind(self._listener.getsockname())
            connection.connect(addr)
            reason = await self._routing.hand_over(stream_id, connection, received, PATIENCE_S)
        if not reason:
            self._taken[addr[:2]] = request.socket_id
            while len(self._taken) > MOST_REMEMBERED:
                self._taken.popitem(last=False)
        return reason


def _shared(family: int) -> socket.socket:
    """Return a socket whose port other sockets of this user may have as well, also those of recorders."""
    found = socket.socket(family, socket.SOCK_DGRAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.setblocking(False)
    return found


def _claim(host: str, port: int) -> socket.socket:
    """Return the mark of the one engine that listens on a port, which sockets of that kind would not ensure.

    It disappears with the process. Raises OSError if another engine has it.
    """
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0rtstream-mcp srt://{host}:{port}")
    except OSError:
        mark.close()
        raise
    return mark
