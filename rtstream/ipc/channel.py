"""Messages of bounded size over a connected socket."""

from __future__ import annotations

import json
import socket
import struct
import time
from contextlib import suppress

from rtstream.json_types import JsonObject

MAX_MESSAGE = 64 << 20
"""Bytes of the longest message of a recorder: a picture is far smaller, and the engine reserves no more for one."""
MAX_REQUEST = 1 << 20
"""Bytes of the longest message to a recorder or a fork server."""
_HEADER = struct.Struct("!I")


class Channel:
    """Sends and receives whole messages. One thread may send while another receives.

    A message is its length (4 bytes, big-endian) and its bytes. Any violation ends the connection.

    Args:
        connection: The socket, which the channel owns from now on.
        limit: Bytes of the longest message that is accepted.
    """

    def __init__(self, connection: socket.socket, limit: int = MAX_MESSAGE) -> None:
        self.socket = connection
        self._limit = limit
        self._closed = False
        connection.settimeout(None)

    def send_bytes(self, message: bytes) -> None:
        """Send a message. Blocks while the other end reads nothing.

        Raises:
            OSError: The connection is closed.
        """
        header = _HEADER.pack(len(message))
        sent = self.socket.sendmsg([header, message])
        if sent < len(header) + len(message):
            self.socket.sendall((header + message)[sent:])

    def recv_bytes(self, timeout_s: float | None = None) -> bytes:
        """Receive a message.

        Args:
            timeout_s: Seconds in which the whole message must have arrived. None waits until the connection ends.

        Raises:
            EOFError: The other end closed the connection.
            OSError: The connection failed, the message is too long, or it did not arrive in time.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            (length,) = _HEADER.unpack(self._receive(_HEADER.size, deadline))
            if length > self._limit:
                raise OSError(f"a message of {length} bytes is longer than the limit of {self._limit}")
            return self._receive(length, deadline)
        except OSError:
            self.close()
            raise

    def _receive(self, length: int, deadline: float | None) -> bytes:
        """Exactly ``length`` bytes. Memory grows with the bytes that arrive, not with the promised length."""
        parts: list[bytes] = []
        while length:
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("the message did not arrive in time")
                self.socket.settimeout(left)
            part = self.socket.recv(min(length, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            length -= len(part)
        if deadline is not None:
            self.socket.settimeout(None)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def send_json(self, values: JsonObject) -> None:
        """Send a JSON object. Raises OSError."""
        self.send_bytes(json.dumps(values).encode())

    def recv_json(self, timeout_s: float) -> JsonObject:
        """Receive a JSON object.

        Raises:
            EOFError, OSError: As ``recv_bytes``.
            ValueError: It is something else.
        """
        values = json.loads(self.recv_bytes(timeout_s))
        if not isinstance(values, dict):
            raise ValueError("not a JSON object")
        return values

    def close(self) -> None:
        """End the connection. A thread that is sending or receiving gets an error."""
        if not self._closed:
            self._closed = True
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
