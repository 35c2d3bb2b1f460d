"""Connections to the engine of this machine that prove, before anything secret is sent, to lead to that engine.

After a crash, another user of the machine can listen on the engine's port. Each plain connection therefore begins with
a challenge (``rtstream.rules.identity``); over TLS, the engine's certificate is the proof.
"""

from __future__ import annotations

import hmac
import json
import secrets
import socket
import ssl
import time
from collections.abc import Iterable
from typing import cast
from urllib.parse import urlsplit

import anyio
import h11
import httpcore
import httpx

from rtstream.errors import Unavailable
from rtstream.rules.identity import PATH, EngineIdentity, proof

TIMEOUT_S = 5.0
MAX_RESPONSE = 8192  # bytes


class UnprovenEngine(Unavailable):
    """The program that listens did not prove to be the engine; nothing secret was sent to it."""

    def __init__(self) -> None:
        super().__init__(
            "The program at the engine's address did not prove to be the engine of this data folder, so it was sent no "
            "API key. If the engine runs with another key, set RTSTREAM_API_KEY to that key; else restart the engine."
        )


class Challenge:
    """One challenge over an open connection: write ``request``, then pass what arrives to ``feed`` until it is True."""

    def __init__(self, api_key: str, identity: EngineIdentity, peer: tuple[str | int, ...]) -> None:
        nonce = secrets.token_hex(32)
        host, port = str(peer[0]), int(peer[1])
        self._expected = proof(api_key, identity.secret, nonce, host, port)
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_RESPONSE)
        self._received = 0
        self._body = b""
        named = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        asked = h11.Request(method="GET", target=f"{PATH}?nonce={nonce}", headers=[("host", named)])
        self.request = (self._http.send(asked) or b"") + (self._http.send(h11.EndOfMessage()) or b"")

    def feed(self, data: bytes) -> bool:
        """Read a part of the response; True once the engine has proved itself. Raises UnprovenEngine."""
        self._received += len(data)
        if not data or self._received > MAX_RESPONSE:
            raise UnprovenEngine
        try:
            self._http.receive_data(data)
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    return False
                if isinstance(event, h11.Data):
                    self._body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    return self._check()
                elif not isinstance(event, h11.Response | h11.InformationalResponse):
                    raise UnprovenEngine
        except h11.ProtocolError:
            raise UnprovenEngine from None

    def _check(self) -> bool:
        try:
            given = str(json.loads(self._body)["data"]["proof"])
        except (ValueError, KeyError, TypeError):
            raise UnprovenEngine from None
        usable = self._http.their_state is h11.DONE and not self._http.trailing_data[0]
        if not usable or not hmac.compare_digest(given.encode(), self._expected.encode()):
            raise UnprovenEngine
        return True


def pinned(certificate: str) -> ssl.SSLContext:
    """A TLS context that trusts this certificate (PEM) and no other, whatever names and dates it has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    no_check_time = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | no_check_time
    context.load_verify_locations(cadata=certificate)
    return context


def proven_transport(url: str, api_key: str, identity: EngineIdentity) -> httpx.AsyncHTTPTransport:
    """An httpx transport whose connections are all proven to lead to the engine."""
    if urlsplit(url).scheme == "https":
        return httpx.AsyncHTTPTransport(verify=pinned(identity.certificate), trust_env=False)
    transport = httpx.AsyncHTTPTransport(verify=False, trust_env=False)
    transport._pool = httpcore.AsyncConnectionPool(network_backend=_ProvenBackend(api_key, identity))
    return transport


class _ProvenBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections and challenges what listens there."""

    def __init__(self, api_key: str, identity: EngineIdentity) -> None:
        self._api_key, self._identity = api_key, identity
        # Without anyio installed it would be another class, so its type is not known.
        self._network = cast(httpcore.AsyncNetworkBackend, httpcore.AnyIOBackend())

    async def sleep(self, seconds: float) -> None:
        """As in httpcore."""
        await anyio.sleep(seconds)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as in httpcore
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """As in httpcore."""
        stream: httpcore.AsyncNetworkStream = await self._network.connect_tcp(
            host, port, timeout, local_address, socket_options
        )
        try:
            challenge = Challenge(self._api_key, self._identity, stream.get_extra_info("server_addr"))
            await stream.write(challenge.request, TIMEOUT_S)
            with anyio.fail_after(TIMEOUT_S):
                while not challenge.feed(await stream.read(MAX_RESPONSE)):
                    pass
        except (httpcore.NetworkError, httpcore.TimeoutException, TimeoutError):
            await stream.aclose()
            raise UnprovenEngine from None
        except BaseException:
            with anyio.CancelScope(shield=True):
                await stream.aclose()
            raise
        return stream


def open_proven(url: str, api_key: str, identity: EngineIdentity) -> socket.socket:
    """Open a plain TCP connection to the engine and challenge it; returns the socket, not blocking.

    Blocks for some milliseconds, so call it in a thread. Raises OSError, UnprovenEngine.
    """
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=TIMEOUT_S)
    try:
        deadline = time.monotonic() + TIMEOUT_S
        challenge = Challenge(api_key, identity, connection.getpeername())
        connection.sendall(challenge.request)
        while not challenge.feed(connection.recv(MAX_RESPONSE)):
            connection.settimeout(max(0.001, deadline - time.monotonic()))
        connection.setblocking(False)
    except TimeoutError:
        connection.close()
        raise UnprovenEngine from None
    except BaseException:
        connection.close()
        raise
    return connection
