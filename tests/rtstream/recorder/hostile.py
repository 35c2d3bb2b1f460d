"""Servers that try to lead the recorder to an address it may not connect to."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

from tests.rtstream.recorder.guard import Guard

ALLOWED_HOST, FORBIDDEN_HOST = "127.0.0.1", "127.0.0.2"
ONLY_ALLOWED: dict[str, Any] = {"allow_networks": f"{ALLOWED_HOST}/32"}


@dataclass
class Listener:
    """A TCP port that counts who connects, and closes at once."""

    port: int
    connected: threading.Event = field(default_factory=threading.Event)


@contextmanager
def forbidden() -> Iterator[Listener]:
    """A port on an address that the settings do not allow."""
    try:
        server = socket.create_server((FORBIDDEN_HOST, 0))
    except OSError:
        pytest.skip("this machine has no second loopback address")
    listener = Listener(server.getsockname()[1])

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            listener.connected.set()
            connection.close()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@dataclass
class Site:
    """An HTTP server: ``pages`` by path, each a body or a (status, headers, body). Counts requests by path."""

    pages: dict[str, Any]
    asked: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    default: Callable[[str], Any] | None = None
    guard: Guard | None = None

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it. Yields its URL without a path."""
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.asked[self.path] += 1
                site.headers.append({name.lower(): value for name, value in self.headers.items()})
                refusal = None
                if site.guard is not None:
                    value = self.headers.get("Authorization", "").encode("latin-1").decode()
                    refusal = site.guard.challenges("GET", self.path, value)
                if refusal is not None:
                    self.send_response(401)
                    for challenge in refusal:
                        self.send_header("WWW-Authenticate", challenge)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                page = site.pages.get(unquote(self.path.partition("?")[0]))
                if page is None and site.default is not None:
                    page = site.default(self.path)
                status, headers, body = (
                    page if isinstance(page, tuple) else (200 if page is not None else 404, {}, page)
                )
                body = body.encode() if isinstance(body, str) else body or b""
                asked = self.headers["Range"]
                if asked and status == 200:
                    begin, _, end = asked.removeprefix("bytes=").partition("-")
                    whole, body = len(body), body[int(begin) : int(end) + 1 if end else None]
                    status = 206
                    headers = {**headers, "Content-Range": f"bytes {begin}-{int(begin) + len(body) - 1}/{whole}"}
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that leaves early

        with Server((ALLOWED_HOST, 0), Handler) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield f"http://{ALLOWED_HOST}:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join()
