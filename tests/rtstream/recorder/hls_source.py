"""Live HLS made for one test: segments of a clip, and a server that publishes the next when the newest was fetched."""

from __future__ import annotations

import base64
import math
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av

SEGMENT_S = 0.5
LISTED = 4


def hls_segments(
    clip: Path, folder: Path, kind: str = "mpegts", offset_s: float = 0.0, tracks: Sequence[str] = ("video", "audio")
) -> tuple[bytes, list[bytes]]:
    """``clip`` cut by FFmpeg's own HLS muxer: initialisation segment (of ``fmp4``), and a segment every half second."""
    folder.mkdir()
    options = {
        "hls_time": str(SEGMENT_S - 0.1),  # at the next keyframe
        "hls_list_size": "0",
        "hls_segment_type": kind,
        "hls_segment_filename": str(folder / "%d.part"),
        "hls_fmp4_init_filename": "init.mp4",
        "output_ts_offset": str(offset_s),
    }
    with av.open(str(clip)) as source, av.open(str(folder / "all.m3u8"), "w", format="hls", options=options) as out:
        copies = {stream: out.add_stream_from_template(stream) for stream in source.streams if stream.type in tracks}
        for packet in source.demux(*copies):
            if packet.dts is not None:
                packet.stream = copies[packet.stream]
                out.mux(packet)
    paths = sorted(folder.glob("*.part"), key=lambda path: int(path.stem))
    return (folder / "init.mp4").read_bytes() if kind == "fmp4" else b"", [path.read_bytes() for path in paths]


@dataclass
class HlsSource:
    """``/live.m3u8`` lists the newest published ``segments``, which are ``/<number>.ts``; ``/master.m3u8`` lists it."""

    segments: list[bytes]
    dates: list[float | None]  # Unix seconds of each segment, written before it
    init: bytes = b""
    breaks: tuple[int, ...] = ()  # segments with a discontinuity before them
    published: int = 3
    host: str = ""  # written before the names of segments
    auth: str = ""  # user:password
    bytes_of_one: bool = False  # segments are ranges of ``/all.ts``
    redirected: bool = False  # segments are elsewhere
    segment_s: float = SEGMENT_S
    asked: Counter[str] = field(default_factory=Counter)  # by path
    stuck: threading.Event = field(default_factory=threading.Event)  # until it is set, ``/stuck.m3u8`` is silent

    @property
    def suffix(self) -> str:
        return ".m4s" if self.init else ".ts"

    def playlist(self) -> str:
        first = max(0, self.published - LISTED)
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:7",
            f"#EXT-X-TARGETDURATION:{math.ceil(self.segment_s)}",
            f"#EXT-X-MEDIA-SEQUENCE:{first}",
        ]
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{sum(at <= first for at in self.breaks)}")
        if self.init:
            lines.append(f'#EXT-X-MAP:URI="{self.host}init.mp4"')
        for number in range(first, self.published):
            date = self.dates[number]
            if number in self.breaks and number > first:
                lines.append("#EXT-X-DISCONTINUITY")
            if date is not None:
                lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{datetime.fromtimestamp(date, UTC).isoformat()}")
            lines.append(f"#EXTINF:{self.segment_s},")
            if self.bytes_of_one:
                offset = sum(map(len, self.segments[:number]))
                lines += [f"#EXT-X-BYTERANGE:{len(self.segments[number])}@{offset}", f"all{self.suffix}"]
            else:
                lines.append(f"{self.host}{number}{self.suffix}")
        return "\n".join(lines) + "\n"

    def body(self, path: str) -> bytes | None:
        """Return the file at a path. Fetching the newest segment publishes the next one."""
        self.asked[path] += 1
        if path == "/live.m3u8":
            return self.playlist().encode()
        if path == "/master.m3u8":
            return b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nnone.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=300000\nlive.m3u8\n"
        if path == "/none.m3u8":
            return "\n".join(line for line in self.playlist().splitlines() if "DATE" not in line).encode()
        if path == "/init.mp4":
            return self.init
        if path == f"/all{self.suffix}":
            self.published = min(self.published + 1, len(self.segments))
            return b"".join(self.segments)
        name = path.removeprefix("/").removesuffix(self.suffix)
        if not name.isdecimal() or int(name) >= self.published:
            return None
        self.published = min(max(self.published, int(name) + 2), len(self.segments))
        return self.segments[int(name)]

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it. Yields the URL without a path."""
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                self.stuck.set()
                server.shutdown()
                thread.join()

    def answer(self, client: BaseHTTPRequestHandler) -> None:
        path, headers = client.path, client.headers
        if self.auth and headers["Authorization"] != f"Basic {base64.b64encode(self.auth.encode()).decode()}":
            return _send(client, 401, b"", [("WWW-Authenticate", 'Basic realm="hls"')])
        if path == "/stuck.m3u8":
            self.stuck.wait()
        if self.redirected and path.removeprefix("/").removesuffix(self.suffix).isdecimal():
            return _send(client, 302, b"", [("Location", f"/moved{path}")])
        body = self.body(path.removeprefix("/moved"))
        if body is not None and (asked := headers["Range"]) is not None:
            begin, _, end = asked.removeprefix("bytes=").partition("-")
            whole, body = len(body), body[int(begin) : int(end) + 1 if end else None]
            return _send(client, 206, body, [("Content-Range", f"bytes {begin}-{int(begin) + len(body) - 1}/{whole}")])
        _send(client, 404 if body is None else 200, body or b"")
        return None


def _send(client: BaseHTTPRequestHandler, status: int, body: bytes, headers: Iterable[tuple[str, str]] = ()) -> None:
    client.send_response(status)
    for name, value in (*headers, ("Content-Length", str(len(body)))):
        client.send_header(name, value)
    client.end_headers()
    client.wfile.write(body)
