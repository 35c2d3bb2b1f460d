"""Sends groups of pictures over each protocol, to any number of clients."""

from __future__ import annotations

import asyncio
import hashlib
import math
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from rtstream.testsource.faults import Faults
from rtstream.testsource.rtsp import RtspServer
from rtstream.testsource.timeline import AUDIO, VIDEO, VIDEO_CLOCK, LoopedClip
from rtstream.testsource.timeline import Unit as RtspUnit
from tests.changes.clips import Clips, Unit
from tests.changes.containers import FlvStream, Format, Tag, TransportStream, mp4_segment, ts_segment
from tests.rtstream.rules.rtmp_client import SET_CHUNK_SIZE, chunks, opening

BACKLOG = 4 << 20
DATAGRAM = 7 * 188
LISTED = 5
CHUNK = 4096
FLV_HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"
BOUNDARY = "picture"
TYPES = {"ts": "video/mp2t", "flv": "video/x-flv", "mjpeg": f"multipart/x-mixed-replace; boundary={BOUNDARY}"}

Piece = tuple[float, Callable[[], None]]
"""Something to send, and the time at which it is due, in seconds since the source began."""


class Sender:
    """Sends one source. ``url`` is known once it was started."""

    groups = 1
    """Number of groups of pictures that are sent as one."""

    def __init__(self, clips: Clips) -> None:
        self.clips, self.url, self.is_down = clips, "", False

    async def start(self, form: Format, epoch: float) -> None:
        """Begin at the Unix time ``epoch``."""

    def pieces(self, form: Format, units: Sequence[Unit], at: float) -> list[Piece]:
        """Return what to send for a group that begins at ``at``."""
        raise NotImplementedError

    def change(self, form: Format) -> None:
        """Continue in another format."""

    async def down(self) -> None:
        """End all connections, and refuse others."""
        self.is_down = True

    async def up(self, form: Format) -> None:
        """Start again, as a program that was restarted."""
        self.is_down = False

    async def close(self) -> None:
        """End."""
        await self.down()


class Clients:
    """The connections of a server. Each begins with the next group of pictures."""

    def __init__(self) -> None:
        self.waiting: set[asyncio.StreamWriter] = set()
        self.joined: set[asyncio.StreamWriter] = set()

    def join(self, opening: bytes) -> None:
        """Send the beginning to those that wait."""
        for writer in self.waiting:
            writer.write(opening)
        self.joined |= self.waiting
        self.waiting = set()

    def send(self, data: bytes) -> None:
        """Send to all that have joined. One that is too far behind is disconnected."""
        for writer in list(self.joined):
            if writer.transport.is_closing() or writer.transport.get_write_buffer_size() > BACKLOG:
                writer.transport.abort()
                self.joined.discard(writer)
            else:
                writer.write(data)

    def abort(self) -> None:
        """End all connections."""
        for writer in self.waiting | self.joined:
            writer.transport.abort()
        self.waiting, self.joined = set(), set()


class StreamSender(Sender):
    """A transport stream, FLV or MJPEG, over HTTP or, without a request, over TCP."""

    def __init__(self, clips: Clips, kind: str, *, http: bool = True) -> None:
        super().__init__(clips)
        self.kind, self._http = kind, http
        self._clients = Clients()
        self._ts, self._flv = TransportStream(), FlvStream()
        self._server: asyncio.Server | None = None

    async def start(self, form: Format, epoch: float) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/live.{self.kind}" if self._http else f"tcp://127.0.0.1:{port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._http and not self.is_down:
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Type: {TYPES[self.kind]}\r\nConnection: close\r\n\r\n".encode()
                )
            if not self.is_down:
                self._clients.waiting.add(writer)
                await reader.read()
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass
        self._clients.waiting.discard(writer)
        self._clients.joined.discard(writer)
        writer.close()

    def pieces(self, form: Format, units: Sequence[Unit], at: float) -> list[Piece]:
        if self.kind == "flv":
            found: list[tuple[float, bytes]] = [
                (due, tag.flv()) for due, tag in self._flv.group(self.clips, form, units)
            ]
            opening = FLV_HEADER + b"".join(tag.flv() for tag in self._flv.opening(round((at + form.base_s) * 1000)))
        elif self.kind == "ts":
            found, opening = self._ts.group(self.clips, form, units), b""
        else:
            found, opening = [(unit.at, _part(unit.data)) for unit in units], b""
        if form.shown():  # a client begins with a keyframe
            found.insert(0, (at, b""))
        return [(due, self._sending(data, opening)) for due, data in found]

    def _sending(self, data: bytes, opening: bytes) -> Callable[[], None]:
        return lambda: self._clients.send(data) if data else self._clients.join(opening)

    async def down(self) -> None:
        await super().down()
        self._clients.abort()

    async def up(self, form: Format) -> None:
        self._ts, self._flv = TransportStream(), FlvStream()
        await super().up(form)

    async def close(self) -> None:
        await super().close()
        if self._server:
            self._server.close()


def _part(picture: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
    return head.encode() + picture + b"\r\n"


class UdpSender(Sender):
    """A transport stream in datagrams."""

    def __init__(self, clips: Clips, port: int) -> None:
        super().__init__(clips)
        self._port, self._ts = port, TransportStream()
        self.url = f"udp://127.0.0.1:{port}"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def pieces(self, form: Format, units: Sequence[Unit], at: float) -> list[Piece]:
        return [(due, self._sending(data)) for due, data in self._ts.group(self.clips, form, units)]

    def _sending(self, data: bytes) -> Callable[[], None]:
        def send() -> None:
            for begin in range(0, len(data), DATAGRAM):
                with suppress(OSError):  # nothing listens yet
                    self._socket.sendto(data[begin : begin + DATAGRAM], ("127.0.0.1", self._port))

        return send

    async def up(self, form: Format) -> None:
        self._ts = TransportStream()
        await super().up(form)

    async def close(self) -> None:
        await super().close()
        self._socket.close()


class RtmpSender(Sender):
    """Publishes to ``url``, and connects again after a restart or if it was cut off."""

    def __init__(self, clips: Clips) -> None:
        super().__init__(clips)
        self.target = ""
        """The URL to publish to, which may be set later."""
        self._flv = FlvStream()
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def pieces(self, form: Format, units: Sequence[Unit], at: float) -> list[Piece]:
        tags = self._flv.group(self.clips, form, units)
        first = self._flv.opening(round((at + form.base_s) * 1000))
        return [(at, lambda: self._begin(first)), *((due, self._sending(tag)) for due, tag in tags)]

    def _begin(self, first: Sequence[Tag]) -> None:
        if self._writer is not None and self._writer.transport.is_closing():
            self._writer = None
        if self._writer is None and self.target and not self._tasks and not self.is_down:
            task = asyncio.get_running_loop().create_task(self._connect(first))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, first: Sequence[Tag]) -> None:
        parts = urlsplit(self.target)
        application, _, key = parts.path.lstrip("/").partition("/")
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(opening(key, application) + chunks(SET_CHUNK_SIZE, CHUNK.to_bytes(4, "big"), number=2))
            writer.write(b"".join(_message(tag) for tag in first))
            self._writer = writer
            self._reading = asyncio.get_running_loop().create_task(_discard(reader))

    def _sending(self, tag: Tag) -> Callable[[], None]:
        def send() -> None:
            if self._writer is not None and not self.is_down and not self._writer.transport.is_closing():
                self._writer.write(_message(tag))

        return send

    async def down(self) -> None:
        await super().down()
        if self._writer:
            self._writer.transport.abort()
        self._writer = None

    async def up(self, form: Format) -> None:
        self._flv = FlvStream()
        await super().up(form)


def _message(tag: Tag) -> bytes:
    return chunks(tag.kind, tag.body, timestamp=max(0, tag.at_ms), number=tag.kind, size=CHUNK)


async def _discard(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(65536):
            pass


@dataclass(frozen=True)
class Segment:
    """A segment of HLS. ``init`` is the name of its init segment, or empty."""

    name: str
    seconds: float
    init: str
    breaks: bool


class HlsSender(Sender):
    """A live playlist."""

    groups = 2

    def __init__(self, clips: Clips, *, mp4: bool) -> None:
        super().__init__(clips)
        self._mp4 = mp4
        self._files: dict[str, bytes] = {}
        self._listed: deque[Segment] = deque(maxlen=LISTED)
        self._made, self._passed_breaks = 0, 0
        self._form: Format | None = None
        self._server: asyncio.Server | None = None

    async def start(self, form: Format, epoch: float) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/live.m3u8"

    def pieces(self, form: Format, units: Sequence[Unit], at: float) -> list[Piece]:
        seconds = self.groups * 1.0
        init, data = mp4_segment(self.clips, form, units) if self._mp4 else (b"", ts_segment(self.clips, form, units))
        breaks, self._form = self._form not in (None, form), form
        return [(at + seconds, lambda: self._publish(init, data, seconds, breaks))]

    def _publish(self, init: bytes, data: bytes, seconds: float, breaks: bool) -> None:
        name = f"{self._made}.{'m4s' if init else 'ts'}"
        init_name = f"init-{hashlib.sha256(init).hexdigest()[:8]}.mp4" if init else ""
        if len(self._listed) == LISTED:
            self._passed_breaks += self._listed[0].breaks
        self._listed.append(Segment(name, seconds, init_name, breaks))
        self._made += 1
        self._files[f"/{name}"] = data
        if init:
            self._files[f"/{init_name}"] = init
        self._files.pop(f"/{self._made - 3 * LISTED}.{'m4s' if init else 'ts'}", None)

    def _playlist(self) -> bytes:
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{math.ceil(self.groups)}"]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{self._made - len(self._listed)}")
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{self._passed_breaks}")
        init = ""
        for segment in self._listed:
            if segment.breaks:
                lines.append("#EXT-X-DISCONTINUITY")
            if segment.init != init:
                init = segment.init
                lines.append(f'#EXT-X-MAP:URI="{init}"')
            lines += [f"#EXTINF:{segment.seconds},", segment.name]
        return ("\n".join(lines) + "\n").encode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            while not self.is_down:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
                path = head.split(b" ")[1].decode().partition("?")[0]
                body = self._playlist() if path == "/live.m3u8" else self._files.get(path)
                if body is None or self.is_down or not self._listed:
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                else:
                    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    async def close(self) -> None:
        await super().close()
        if self._server:
            self._server.close()


@dataclass
class Described:
    """The part of ``LoopedClip`` that a session description states. Parameter sets may change later."""

    parameter_sets: list[bytes]
    audio_rate: int = 0
    audio_channels: int = 0
    audio_config: bytes = b""
    tracks: list[int] = field(default_factory=lambda: [VIDEO])

    def clock(self, track: int) -> int:
        """Return the ticks per second of a track."""
        return VIDEO_CLOCK if track == VIDEO else self.audio_rate


class RtspSender(Sender):
    """An RTSP server. What it describes changes only when it starts again; parameter sets change in the stream."""

    def __init__(self, clips: Clips, *, udp: bool) -> None:
        super().__init__(clips)
        self._udp, self._epoch, self._port = udp, 0.0, 0
        self._listener: asyncio.Server | None = None
        self._server: RtspServer | None = None
        self._described = Described([])

    async def start(self, form: Format, epoch: float) -> None:
        self._epoch = epoch
        await self._listen(form)

    async def _listen(self, form: Format) -> None:
        self._described = Described(self._sets(form))
        if form.audio:
            clip = self.clips.audios[form.audio]
            self._described = Described(self._sets(form), clip.rate, clip.channels, clip.config, [VIDEO, AUDIO])
        faults = Faults(joins_late=True)
        described = cast(LoopedClip, cast(Any, self._described))
        self._server = RtspServer(described, faults, self._epoch - form.base_s, None)
        self._listener = await self._server.connections.listen("127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]
        self.url = f"rtsp://127.0.0.1:{self._port}/live{'?udp' if self._udp else ''}"

    def _sets(self, form: Format) -> list[bytes]:
        clip = self.clips.videos[form.video].rtsp
        assert clip is not None
        return clip.parameter_sets

    def change(self, form: Format) -> None:
        self._described.parameter_sets = self._sets(form)
        if self._server:
            self._server.shift(self._epoch - form.base_s)

    def pieces(self, form: Format, units: Sequence[Unit], at: float) -> list[Piece]:
        found: list[Piece] = []
        for unit in units:
            track = VIDEO if unit.kind == "video" else AUDIO
            if track not in self._described.tracks:
                continue
            ticks = round((unit.at + form.base_s) * self._described.clock(track))
            found.append((unit.at, self._sending(RtspUnit(track, ticks, ticks, unit.keyframe, unit.data))))
        return found

    def _sending(self, unit: RtspUnit) -> Callable[[], None]:
        return lambda: self._server.publish(unit) if self._server else None

    async def down(self) -> None:
        await super().down()
        if self._listener and self._server:
            self._listener.close()
            self._server.connections.close_all()
            await self._server.connections.wait_closed()
        self._listener = self._server = None

    async def up(self, form: Format) -> None:
        await self._listen(form)
        await super().up(form)


Start = Callable[[Format, float], Awaitable[None]]
