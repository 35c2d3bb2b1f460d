"""Sends an HTTP POST to a checked address, without redirects or proxies, and reads a bounded response.

A general HTTP client resolves names itself and shares connections between hosts with the same address. Neither is
allowed here.
"""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio
import h11
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint

from rtstream.rules.delivery import retry_after_s
from rtstream.rules.source_urls import SourceUrl, parse_webhook

MAX_HEAD = 32 * 1024
"""Maximum number of bytes read of a response, including its headers and any informational responses."""
MAX_INFORMATIONAL = 8
"""Maximum number of informational (1xx) responses before the final one."""
READ_BYTES = 4096
"""Number of bytes parsed between two turns of the event loop."""


class PostFailed(Exception):
    """The receiver could not be reached or did not respond in HTTP. The text names only the kind of failure."""


@dataclass(frozen=True)
class PostResponse:
    """The response of a receiver, without its body."""

    status: int
    retry_after_s: float | None = None


async def post(
    url: str, addresses: Sequence[str], headers: Mapping[str, str], body: bytes, tls: ssl.SSLContext
) -> PostResponse:
    """Send a POST to the first address that accepts the connection.

    The caller limits the time, which works however slowly or quickly the receiver sends.

    Args:
        url: URL of the receiver.
        addresses: Checked addresses of the host of ``url``.
        headers: Headers of the request.
        body: Body of the request.
        tls: TLS settings for ``https`` URLs.

    Raises:
        InvalidRequest: ``url`` cannot be read.
        PostFailed: The receiver could not be reached or did not respond in HTTP.
    """
    parts = parse_webhook(url)  # the parser of the check: a second reader could find another host
    fields = {
        "host": parts.authority,
        **headers,
        **_login(parts),
        "content-length": str(len(body)),
        "connection": "close",
    }
    stream = await _connect(addresses, parts.port, parts.host, tls if parts.scheme == "https" else None)
    try:
        return await _exchange(stream, parts.target, fields, body)
    except (h11.ProtocolError, anyio.BrokenResourceError, anyio.EndOfStream, OSError) as exc:
        raise PostFailed(type(exc).__name__) from exc
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.aclose_forcefully(stream)


def _login(parts: SourceUrl) -> dict[str, str]:
    """Return the header for the user and password of a URL (RFC 7617), if it has any."""
    if parts.user is None:
        return {}
    pair = f"{parts.user}:{parts.password}".encode(errors="surrogateescape")
    return {"authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}


async def _connect(addresses: Sequence[str], port: int, host: str, tls: ssl.SSLContext | None) -> ByteStream:
    failure: Exception = OSError("no address")
    for address in addresses:
        try:
            if tls is None:
                return await anyio.connect_tcp(address, port)
            return await anyio.connect_tcp(
                address, port, tls_hostname=host, ssl_context=tls, tls_standard_compatible=False
            )
        except OSError as exc:
            failure = exc.__cause__ if isinstance(exc.__cause__, OSError) else exc
    raise PostFailed(type(failure).__name__) from failure


async def _exchange(stream: ByteStream, target: str, fields: Mapping[str, str], body: bytes) -> PostResponse:
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    head = http.send(h11.Request(method="POST", target=target, headers=list(fields.items()))) or b""
    content = http.send(h11.Data(data=body)) or b""
    http.send(h11.EndOfMessage())
    await stream.send(head + content)
    received = informational = 0
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            if received:  # so that a receiver that keeps sending cannot occupy the event loop
                await checkpoint()
            data = await _receive(stream, MAX_HEAD - received)
            received += len(data)
            http.receive_data(data)
        elif isinstance(event, h11.InformationalResponse):
            informational += 1
            if informational > MAX_INFORMATIONAL:
                raise PostFailed("it sent too many informational responses")
        elif isinstance(event, h11.Response):
            # The body is not used, so it is not read.
            after = next((value for name, value in event.headers if name == b"retry-after"), b"")
            return PostResponse(event.status_code, retry_after_s(after.decode("latin-1"), time.time()))
        elif isinstance(event, h11.ConnectionClosed):
            raise anyio.EndOfStream


async def _receive(stream: ByteStream, left: int) -> bytes:
    """Return the next bytes from the receiver, or none at the end of the stream.

    Raises:
        PostFailed: The response is longer than allowed.
    """
    if left <= 0:
        raise PostFailed("its response headers are too long")
    try:
        return await stream.receive(min(left, READ_BYTES))
    except anyio.EndOfStream:
        return b""
