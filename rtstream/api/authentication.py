"""The API key, compared in constant time with a limit on wrong keys; the address of a client behind a proxy."""

from __future__ import annotations

import hmac
import math
import time

from starlette.types import ASGIApp, Receive, Scope, Send

from rtstream.errors import TooManyAttempts, Unauthorized
from rtstream.rules.remote_clients import WrongKeys, forwarded_client, is_loopback, origin


class KeyCheck:
    """Checks keys and tickets. Each client address may fail a few times per minute; it then waits, right key or not.

    All programs of this machine share one address. There the right key is never refused, or any program could lock
    out the others.
    """

    def __init__(self, api_key: str) -> None:
        self._key = api_key.encode()
        self._wrong = WrongKeys()

    def check(self, given: bytes, client: str | None) -> None:
        """Raise Unauthorized for a wrong key, TooManyAttempts for a client that sent too many."""
        # As bytes: compare_digest refuses text outside ASCII.
        right = hmac.compare_digest(given, self._key)
        if right and is_loopback(origin(client)):
            return
        self.check_wait(client)
        if not right:
            self.add_failure(client)
            raise Unauthorized("The API key is wrong. Use the key the engine was started with.")

    def check_wait(self, client: str | None) -> None:
        """Raise TooManyAttempts while this client has to wait."""
        wait_s = self._wrong.wait_s(origin(client), time.monotonic())
        if wait_s > 0:
            raise TooManyAttempts(
                f"Too many wrong keys came from this address. Try again in {math.ceil(wait_s)} s with the key the "
                "engine was started with.",
                wait_s,
            )

    def add_failure(self, client: str | None) -> None:
        """Count a wrong key or a forged ticket."""
        self._wrong.add(origin(client), time.monotonic())


def client_of(scope: Scope) -> str | None:
    """The address of the client of a request."""
    client = scope.get("client")
    return client[0] if client else None


class BehindProxy:
    """Middleware: the client's address and scheme as the reverse proxy states them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] in ("http", "websocket"):
            named: dict[bytes, bytes] = {}
            for name, value in scope["headers"]:  # a proxy may append a header line instead of an entry
                named[name] = value
            address = forwarded_client(named.get(b"x-forwarded-for", b"").decode("latin-1"))
            if address is not None:
                scope = {**scope, "client": (address, 0)}
            if named.get(b"x-forwarded-proto", b"").rpartition(b",")[2].strip().lower() in (b"https", b"wss"):
                scope = {**scope, "scheme": "wss" if scope["type"] == "websocket" else "https"}
        await self._app(scope, receive, send)
