"""Accepts RTMP publishers, checks their stream keys, and hands each connection to the recorder of its stream."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections import Counter

import anyio
from anyio.abc import TaskGroup

from rtstream.engine.streams.publisher_routing import UNKNOWN_KEY, PublisherRouting
from rtstream.rules.rtmp_reader import RtmpError
from rtstream.rules.rtmp_session import RtmpSession

log = logging.getLogger(__name__)

PUBLISH_S = 5.0
"""Seconds from the connection to the request to publish."""
CLOSE_S = 0.5
MOST_CONNECTIONS = 64
"""Connections that have not published yet."""
MOST_PER_ADDRESS = 16
BACKLOG = 16
RECEIVE_BYTES = 16384


class RtmpListener:
    """One TCP port on which publishers are accepted."""

    def __init__(self, host: str, port: int, routing: PublisherRouting) -> None:
        """Begin to listen. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._routing = routing
        self._waiting: Counter[str] = Counter()

    async def run(self) -> None:
        """Accept publishers until this is cancelled."""
        async with anyio.create_task_group() as tasks:
            await self._accept(tasks)

    async def _accept(self, tasks: TaskGroup) -> None:
        with self._listener:
            while True:
                try:
                    connection, address = await asyncio.get_running_loop().sock_accept(self._listener)
                except OSError as exc:
                    log.warning("a publisher could not be accepted: %s", exc.strerror)
                    await anyio.sleep(1.0)
                    continue
                host = str(address[0])
                if self._waiting.total() >= MOST_CONNECTIONS or self._waiting[host] >= MOST_PER_ADDRESS:
                    connection.close()
                    continue
                self._waiting[host] += 1
                tasks.start_soon(self._serve, connection, host)

    async def _serve(self, connection: socket.socket, host: str) -> None:
        """Serve a client until it publishes, or is refused."""
        connection.setblocking(False)
        try:
            with connection, anyio.move_on_after(PUBLISH_S):
                await self._admit(connection, host)
        except (OSError, RtmpError) as exc:
            log.info("a publisher at %s was disconnected: %s", host, exc)
        except Exception:
            log.exception("a publisher failed")
        finally:
            self._waiting[host] -= 1
            if not self._waiting[host]:
                del self._waiting[host]

    async def _admit(self, connection: socket.socket, host: str) -> None:
        loop, session = asyncio.get_running_loop(), RtmpSession(secrets.token_bytes(1528))
        while session.request is None:
            data = await loop.sock_recv(connection, RECEIVE_BYTES)
            if not data:
                return
            session.receive(data)
            await loop.sock_sendall(connection, session.take_output())
        reason = await self._hand_over(session.request.key, connection, bytes(session.received))
        if reason:
            log.warning("a publisher at %s was refused: %s", host, reason)
            session.refuse(reason)
            await loop.sock_sendall(connection, session.take_output())
            connection.shutdown(socket.SHUT_WR)
            with anyio.move_on_after(CLOSE_S):  # closing at once could discard the reason
                while await loop.sock_recv(connection, RECEIVE_BYTES):
                    pass

    async def _hand_over(self, key: str, connection: socket.socket, received: bytes) -> str:
        """Pass a connection to the recorder of its stream. Returns the reason if that is refused."""
        found = await self._routing.find(key)
        return UNKNOWN_KEY if found is None else await self._routing.hand_over(found[0], connection, received)
