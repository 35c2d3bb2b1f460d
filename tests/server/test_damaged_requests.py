"""A request that cannot be parsed gets a response, and the connection serves the next one."""

from __future__ import annotations

from urllib.parse import urlsplit

import anyio
import pytest
from anyio.abc import SocketStream

from tests.server.mcp_servers import KEY, Served

pytestmark = pytest.mark.anyio


async def response(connection: SocketStream, path: str, body: bytes) -> tuple[int, bytes]:
    """Send a POST request on a connection. Returns the status and the body of its response."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\nx-access-token: {KEY}\r\n"
    head += "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
    await connection.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    data = b""
    while True:
        data += await connection.receive()
        top, found, rest = data.partition(b"\r\n\r\n")
        size = next((int(line[15:]) for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        if found and len(rest) >= size:
            return int(top.split()[1]), rest


@pytest.mark.parametrize("path", ["/mcp", "/rtstream"])
async def test_a_damaged_body_is_refused_on_a_connection_that_stays_open(served: Served, path: str) -> None:
    bodies = [b"", b'{"a":', b"\xff\xfe{}", b"5", b"null", b"[]", b"[" * 100_000, b"1" * 5000, b'{"id": NaN}']
    place = urlsplit(served.url)
    with anyio.fail_after(20):
        async with await anyio.connect_tcp(place.hostname or "", place.port or 0) as connection:
            for body in bodies:
                status, text = await response(connection, path, body)
                assert status == 400, body[:20]
                assert b'"message":"' in text, body[:20]
