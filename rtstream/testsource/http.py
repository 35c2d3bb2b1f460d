"""Serves the looped clip over HTTP, as an endless transport stream for any number of clients and as live HLS."""

from __future__ import annotations

import asyncio
import datetime
import math
from collections import deque
from dataclasses import dataclass

from rtstream.testsource.connections import SourceConnections, read_head
from rtstream.testsource.faults import Faults
from rtstream.testsource.mpegts import PACKET, TsMuxer
from rtstream.testsource.timeline import VIDEO, VIDEO_CLOCK, LoopedClip, Unit

_HLS_SEGMENTS = 8
"""Number of segments retained. The newest six are listed."""


@dataclass(frozen=True)
class _Segment:
    number: int
    start: float
    duration: float
    data: bytes


class HttpServer:
    """Serves ``/live.ts``, ``/live.m3u8`` and ``/<number>.ts``."""

    def __init__(self, clip: LoopedClip, faults: Faults, epoch: float, auth: str | None) -> None:
        self._muxer, self._faults, self._epoch = TsMuxer(clip), faults, epoch
        self.connections = SourceConnections(self._serve_one, faults, auth)
        self._clients: dict[asyncio.StreamWriter, bool] = {}  # whether each client waits for a keyframe
        self._gop: list[bytes] = []
        self._keyframes: deque[float] = deque()  # media times of keyframes that the muxer has not output yet
        self._gop_start = 0.0
        self._segments: deque[_Segment] = deque(maxlen=_HLS_SEGMENTS)

    def publish(self, unit: Unit) -> None:
        """Send a unit to every client."""
        if unit.track == VIDEO and unit.keyframe:
            self._keyframes.append(unit.pts / VIDEO_CLOCK)
        for piece, keyframe in self._muxer.mux(unit):
            if keyframe:
                self._begin_gop()
            self._gop.append(piece)
            self._send(piece, keyframe)

    def close(self) -> None:
        """Close the muxer."""
        self._muxer.close()

    def _begin_gop(self) -> None:
        start = self._keyframes.popleft()
        if self._gop:
            number = self._segments[-1].number + 1 if self._segments else 0
            data = b"".join(self._gop)
            self._segments.append(_Segment(number, self._gop_start, start - self._gop_start, data))
        self._gop, self._gop_start = [], start

    def _send(self, piece: bytes, keyframe: bool) -> None:
        if self._faults.stalled:
            self._clients = dict.fromkeys(self._clients, True)
            return
        data = self._after_faults(piece)
        for writer, waiting in self._clients.items():
            if keyframe or not waiting:
                self._clients[writer] = False
                self.connections.send(writer, data)

    def _after_faults(self, data: bytes) -> bytes:
        if not self._faults.drop and not self._faults.corrupt:
            return data
        packets = (data[at : at + PACKET] for at in range(0, len(data), PACKET))
        delivered = (self._faults.apply(packet, 4) for packet in packets)
        return b"".join(packet for packet in delivered if packet is not None)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, headers = await read_head(reader)
        method, target, _ = first.split(" ", 2)
        path = target.partition("?")[0]
        body: bytes | None = None
        if method not in ("GET", "HEAD"):
            status, kind, body = "405 Method Not Allowed", "text/plain", b""
        elif not self.connections.allows(headers.get("authorization", "")):
            status, kind, body = '401 Unauthorized\r\nWWW-Authenticate: Basic realm="source"', "text/plain", b""
        elif path == "/live.ts":
            status, kind = "200 OK", "video/mp2t"
        elif path == "/live.m3u8":
            status, kind, body = "200 OK", "application/vnd.apple.mpegurl", self._playlist().encode()
        elif (body := self._segment(path)) is not None:
            status, kind = "200 OK", "video/mp2t"
        else:
            status, kind, body = "404 Not Found", "text/plain", b""
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\nConnection: close\r\n"
        if body is not None:
            head += f"Content-Length: {len(body)}\r\n"
        writer.write(f"{head}\r\n".encode() + (body or b"" if method == "GET" else b""))
        if body is None and method == "GET":
            await self._stream_to(reader, writer)
        await writer.drain()

    async def _stream_to(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._gop and not self._faults.stalled and not self._faults.joins_late:
            self.connections.send(writer, self._after_faults(b"".join(self._gop)))
            self._clients[writer] = False
        else:
            self._clients[writer] = True
        try:
            while await reader.read(4096):  # until the client disconnects
                pass
        finally:
            del self._clients[writer]

    def _playlist(self) -> str:
        segments = list(self._segments)[-6:]
        longest = max((segment.duration for segment in segments), default=1.0)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{math.ceil(longest)}"]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{segments[0].number if segments else 0}")
        for segment in segments:
            at = datetime.datetime.fromtimestamp(self._epoch + segment.start, datetime.UTC)
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{at.isoformat(timespec='milliseconds')}")
            lines += [f"#EXTINF:{segment.duration:.3f},", f"{segment.number}.ts"]
        return "\n".join(lines) + "\n"

    def _segment(self, path: str) -> bytes | None:
        return next((segment.data for segment in self._segments if path == f"/{segment.number}.ts"), None)
