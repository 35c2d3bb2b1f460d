"""Connections with a bounded backlog and Basic authentication, shared by the source's servers."""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Awaitable, Callable

from rtstream.testsource.faults import Faults

_BACKLOG_LIMIT = 8 << 20
"""Bytes that a client may be behind before it is disconnected."""


class SourceConnections:
    """The open connections of one server. ``serve_one`` implements the protocol."""

    def __init__(
        self,
        serve_one: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        faults: Faults,
        auth: str | None,
    ) -> None:
        self._serve_one, self._faults = serve_one, faults
        self._expected = "Basic " + base64.b64encode(auth.encode()).decode() if auth else None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.cut_off = 0
        """Number of clients disconnected because they were too slow."""

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Start to accept connections."""
        return await asyncio.start_server(self._serve, host, port, backlog=512)

    def allows(self, authorization: str) -> bool:
        """Return whether an ``Authorization`` header contains the right password."""
        return self._expected is None or hmac.compare_digest(authorization, self._expected)

    def send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Queue ``data`` for a client. A client that is too far behind is disconnected."""
        if writer.transport.is_closing():
            return
        if writer.transport.get_write_buffer_size() > _BACKLOG_LIMIT:
            self.cut_off += 1
            writer.transport.abort()
        else:
            writer.write(data)

    def close_all(self) -> None:
        """Close every connection."""
        for writer in self._open.values():
            writer.transport.abort()

    async def wait_closed(self) -> None:
        """Wait until no connection is left."""
        if self._open:
            await asyncio.wait(self._open, timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            if self._faults.silent:
                await reader.read()
            else:
                await self._serve_one(reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client disconnected or does not speak the protocol
        finally:
            del self._open[task]
            writer.close()


async def read_head(reader: asyncio.StreamReader, begun: bytes = b"") -> tuple[str, dict[str, str]]:
    """Read the first line and the headers (with lower-case names) of an HTTP or RTSP request.

    Raises:
        ValueError: The data is not such a request.
    """
    raw = begun + await reader.readuntil(b"\r\n\r\n")
    first, *lines = raw.decode("latin-1").strip().split("\r\n")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("not a header line")
        headers[name.strip().lower()] = value.strip()
    return first, headers
