"""Accepts RTMP publishers, checks their stream keys, and hands each connection to the recorder of its stream."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from rtstream import keys
from rtstream.errors import InvalidRequest, Unavailable
from rtstream.ipc.sockets import SUPPORTED, connect, publisher_socket
from rtstream.rules.publisher_keys import APPLICATION, ListenAddress, name_of_key, parse_listen, stream_key
from rtstream.rules.rtmp_reader import RtmpError
from rtstream.rules.rtmp_session import RtmpSession

log = logging.getLogger(__name__)

PUBLISH_S = 5.0
"""Seconds from the connection to the request to publish."""
STARTING_S, RETRY_S = 3.0, 0.1
"""Seconds for which a recorder that does not accept publishers may be starting."""
CLOSE_S = 0.5
MOST_CONNECTIONS = 64
"""Connections that have not published yet."""
MOST_PER_ADDRESS = 16
BACKLOG = 16
RECEIVE_BYTES = 16384
UNKNOWN_KEY = "This stream key is unknown. Compare it with the one of the stream."
BUSY = "Another publisher is sending with this stream key."
NOT_RUNNING = "The recorder of this stream does not respond."

Names = Callable[[], Awaitable[dict[str, str]]]
"""Returns the ids of the running streams with a publisher, by the names of these."""


class Publishers:
    """The listeners of an engine. Raises InvalidRequest for an invalid setting."""

    def __init__(self, setting: str, folder: Path | None, names: Names) -> None:
        """Create the listeners.

        Args:
            setting: The setting ``listen``.
            folder: Folder of the recorders' sockets, None where recorders do not outlive the engine.
            names: See ``Names``.
        """
        self._wanted = parse_listen(setting)
        if self._wanted and not (folder and SUPPORTED):
            raise InvalidRequest("RTSTREAM_LISTEN needs Linux and rtstream-mcp serve. Remove it, or pull the streams.")
        self._folder, self._names = folder, names
        self._secret = b""
        self._bound: list[ListenAddress] = []
        self._waiting: Counter[str] = Counter()

    def start(self, tasks: TaskGroup, api_key: str) -> None:
        """Begin to listen. Raises Unavailable if an address cannot be used."""
        self._secret = keys.derived(api_key, "publishers")
        for wanted in self._wanted:
            try:
                family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
                listener = socket.create_server((wanted.host, wanted.port), family=family, backlog=BACKLOG)
            except OSError as exc:
                raise Unavailable(
                    f"Publishers cannot be accepted at {wanted.host} port {wanted.port}: {exc.strerror or exc}. Change "
                    "RTSTREAM_LISTEN."
                ) from exc
            listener.setblocking(False)
            self._bound.append(ListenAddress(wanted.host, listener.getsockname()[1]))
            tasks.start_soon(self._accept, tasks, listener)

    def check(self) -> None:
        """Raise InvalidRequest if the engine does not accept publishers."""
        if not self._wanted:
            raise InvalidRequest(
                "This engine does not accept publishers. Start it with RTSTREAM_LISTEN=rtmp://0.0.0.0:1935 "
                "(option --listen)."
            )

    def urls(self, name: str, base_url: str) -> list[str]:
        """Return the URLs at which a publisher sends, with its stream key as the last part.

        An engine that listens on all addresses is named as in ``base_url``.
        """
        key = stream_key(self._secret, name)
        found = []
        for host, port in self._bound:
            shown = (urlsplit(base_url).hostname or "localhost") if _is_any(host) else host
            shown = f"[{shown}]" if ":" in shown else shown
            found.append(f"rtmp://{shown}:{port}/{APPLICATION}/{key}")
        return found

    async def _accept(self, tasks: TaskGroup, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    connection, address = await asyncio.get_running_loop().sock_accept(listener)
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
        assert self._folder is not None
        names = await self._names()
        name = name_of_key(self._secret, key, list(names))
        if name is None:
            return UNKNOWN_KEY
        hand_over = partial(_handed_over, self._folder, names[name], connection, received)
        until = anyio.current_time() + STARTING_S
        while True:
            try:
                return "" if await anyio.to_thread.run_sync(hand_over) else BUSY
            except OSError:
                if anyio.current_time() > until:
                    return NOT_RUNNING
            await anyio.sleep(RETRY_S)


def _handed_over(folder: Path, stream_id: str, connection: socket.socket, received: bytes) -> bool:
    """Pass a connection to a recorder. Returns whether it was taken. Raises OSError."""
    with connect(folder, publisher_socket(stream_id)) as recorder:
        data = struct.pack(">I", len(received)) + received
        sent = socket.send_fds(recorder, [data], [connection.fileno()])
        if sent < len(data):
            recorder.sendall(data[sent:])
        return recorder.recv(1) == b"1"


def _is_any(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
