"""An RTSP server in front of another one, which changes responses and ends sessions as some cameras do."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

Change = Callable[[bytes, bytes], tuple[bytes, bytes]]
"""Changes the head and the body of a response."""


class RtspFront:
    """Passes connections on to the server at ``port``.

    Attributes:
        requests: First lines of the requests that were received.
    """

    def __init__(
        self,
        port: int,
        change: Change = lambda head, body: (head, body),
        *,
        idle_s: float = 60.0,
        lasts_s: float = 60.0,
    ) -> None:
        """Create it. A session ends after ``idle_s`` without a request, and in any case after ``lasts_s``."""
        self.requests: list[str] = []
        self._target, self._change, self._idle_s, self._lasts_s = port, change, idle_s, lasts_s
        self._server = socket.create_server(("127.0.0.1", 0))
        self._asked_at = 0.0
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._server.getsockname()[1]}/live"

    def __enter__(self) -> RtspFront:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server, suppress(OSError):
            self._asked_at = began = time.monotonic()
            self._start(self._requests, client, server)
            server.settimeout(0.05)
            data, is_playing = bytearray(), False
            while time.monotonic() < min(self._asked_at + self._idle_s, began + self._lasts_s):
                with suppress(TimeoutError):
                    received = server.recv(65536)
                    if not received:
                        break
                    data += received
                while not is_playing and (message := _message(data)):
                    head, body = self._change(*message)
                    is_playing = self.requests[-1].startswith("PLAY ")
                    client.sendall(head + b"\r\n\r\n" + body)
                if is_playing:
                    client.sendall(data)
                    data.clear()
            for end in (client, server):
                end.shutdown(socket.SHUT_RDWR)

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                found = re.findall(rb"([A-Z_]+ rtsp://\S+) RTSP/1\.0", data)
                if found:
                    self._asked_at = time.monotonic()
                    self.requests += [line.decode() for line in found]
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)


def _message(data: bytearray) -> tuple[bytes, bytes] | None:
    """Take a whole response out of ``data``."""
    head, end, rest = bytes(data).partition(b"\r\n\r\n")
    size = re.search(rb"(?i)content-length: *(\d+)", head)
    length = int(size[1]) if size else 0
    if not end or len(rest) < length:
        return None
    del data[: len(head) + 4 + length]
    return head, rest[:length]
