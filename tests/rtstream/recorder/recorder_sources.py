"""Sources made for one test of the recorder: transport streams with chosen faults, on sockets and in files."""

from __future__ import annotations

import io
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np

from rtstream.testsource.frames import Painter

DATAGRAM = 7 * 188


class Receiver(Protocol):
    """Receives the bytes of a source."""

    def sendall(self, data: bytes, /) -> None:
        """Send bytes."""
        ...


def transport_stream(clip: Path, offset_s: float = 0.0, seconds: float = 60.0) -> bytes:
    """``clip`` as MPEG-TS whose timestamps begin near ``offset_s``."""
    sink = io.BytesIO()
    options = {"output_ts_offset": str(offset_s), "mpegts_flags": "resend_headers"}
    with (
        av.open(str(clip)) as source,
        av.open(sink, "w", format="mpegts", options=options) as out,
    ):
        copies = {stream: out.add_stream_from_template(stream) for stream in source.streams if stream.type != "data"}
        for packet in source.demux(*copies):
            if packet.dts is None or packet.dts * packet.time_base >= seconds:
                continue
            packet.stream = copies[packet.stream]
            out.mux(packet)
    return sink.getvalue()


def video_file(
    path: Path, codec: str, audio: str | None = None, seconds: int = 2, gop: int = 15, **settings: Any
) -> Path:
    """A file of 320x180 pictures at 30 a second, a barcode in each; ``settings`` are options of the codec."""
    painter = Painter(320, 180, 30)
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream(codec, rate=30)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        video.codec_context.thread_type, video.codec_context.gop_size = "FRAME", gop
        video.options = {name.replace("_", "-"): str(value) for name, value in settings.items()}
        sound: Any = None
        if audio is not None:
            sound = out.add_stream(audio, rate=8000 if audio.startswith("pcm") else 48000)
            sound.layout = "mono"
        for number in range(seconds * 30):
            frame = painter.frame(number)
            frame.pts, frame.time_base = number, Fraction(1, 30)
            out.mux(video.encode(frame))
        if sound is not None:
            out.mux(_tone(sound, seconds))
            out.mux(sound.encode())
        out.mux(video.encode())
    return path


def audio_file(path: Path, codec: str, seconds: int = 2, rate: int = 48000, layout: str = "mono") -> Path:
    """A file of a tone; the end of its name decides the format."""
    with av.open(str(path), "w") as out:
        sound: Any = out.add_stream(codec, rate=rate)
        sound.layout = layout
        out.mux(_tone(sound, seconds))
        out.mux(sound.encode())
    return path


def _tone(sound: Any, seconds: int) -> list[Any]:
    rate = sound.codec_context.sample_rate
    times = np.arange(rate * seconds) / rate
    frame = av.AudioFrame.from_ndarray((8000 * np.sin(2764.6 * times)).astype(np.int16)[None], "s16", "mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    resampler = av.AudioResampler(
        sound.codec_context.format.name, sound.layout, rate, sound.codec_context.frame_size or None
    )
    return [packet for part in resampler.resample(frame) for packet in sound.encode(part)]


@contextmanager
def served(*parts: tuple[bytes, float]) -> Iterator[str]:
    """Run a TCP server that sends these bytes, each part spread over its seconds, then closes. Yields the URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def run() -> None:
            while not ended.is_set():
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    _send(client, parts, ended)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        ended.set()
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _send(client: Receiver, parts: tuple[tuple[bytes, float], ...], ended: threading.Event) -> None:
    try:
        for data, seconds in parts:
            begin, sent = time.monotonic(), 0
            while sent < len(data):
                share = min(1.0, (time.monotonic() - begin) / seconds) if seconds else 1.0
                due = max(sent + 1, int(len(data) * share))
                client.sendall(data[sent:due])
                sent = due
                if ended.wait(0.02):
                    return
    except OSError:
        pass


@contextmanager
def sent_to_group(group: str, port: int, data: bytes, seconds: float) -> Iterator[str]:
    """Send these bytes again and again to a multicast group on loopback, which is joined. Yields the URL."""
    ended, loopback = threading.Event(), socket.inet_aton("127.0.0.1")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as member,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        # Linux delivers the datagrams of a group that any program has joined to every socket that is not bound to one.
        member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + loopback)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
        sender.connect((group, port))

        def run() -> None:
            while not ended.is_set():
                _send(_Datagrams(sender), ((data, seconds),), ended)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"udp://{group}:{port}?localaddr=127.0.0.1"
        ended.set()
        thread.join(5)


@contextmanager
def sent(*parts: tuple[bytes, float], rtp: bool = False) -> Iterator[str]:
    """Send these bytes in datagrams, each part spread over its seconds, as soon as a port is open. Yields the URL.

    ``rtp``: whether the datagrams are RTP packets.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ended = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))

        def run() -> None:
            while not listens(port) and not ended.wait(0.02):
                pass
            _send(_Datagrams(sender, rtp), parts, ended)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"udp://127.0.0.1:{port}"
        ended.set()
        thread.join(5)


def listens(port: int) -> bool:
    """Return whether a socket receives datagrams at a port, where that is known, else True."""
    sockets = Path("/proc/net/udp")
    return not sockets.exists() or f":{port:04X} 00000000:0000" in sockets.read_text()


class _Datagrams:
    """A socket whose ``sendall`` sends seven packets of a transport stream in each datagram."""

    def __init__(self, sender: socket.socket, rtp: bool = False) -> None:
        self._sender, self._left, self._rtp, self._number = sender, b"", rtp, 0

    def sendall(self, data: bytes) -> None:
        self._left += data
        while len(self._left) >= DATAGRAM:
            with suppress(ConnectionRefusedError):  # nothing listens yet
                self._sender.send(self._head() + self._left[:DATAGRAM])
            self._left = self._left[DATAGRAM:]

    def _head(self) -> bytes:
        self._number += 1
        return b"\x80\x21" + self._number.to_bytes(2, "big") + bytes(8) if self._rtp else b""


class _SrtServer:
    """An ffmpeg that sends over SRT to one client after another, each from the bytes of its time on."""

    def __init__(self, url: str) -> None:
        command = ["ffmpeg", "-v", "quiet", "-f", "data", "-raw_packet_size", str(DATAGRAM), "-i", "pipe:0"]
        mark = "&" if "?" in url else "?"
        self._command = [*command, "-map", "0:d", "-c", "copy", "-f", "data", f"{url}{mark}mode=listener&linger=0"]
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, bufsize=0)

    def sendall(self, data: bytes) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
        except BrokenPipeError:
            self.close()
            self.process = self._start()

    def close(self) -> None:
        self.process.kill()
        with suppress(BrokenPipeError):
            self.process.communicate()


@contextmanager
def sent_over_srt(*parts: tuple[bytes, float], query: str = "") -> Iterator[str]:
    """Run an SRT server that sends these bytes, each part spread over its seconds. Yields the URL."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"srt://127.0.0.1:{probe.getsockname()[1]}{query}"
    ended, server = threading.Event(), _SrtServer(url)
    thread = threading.Thread(target=_send, args=(server, parts, ended), daemon=True)
    thread.start()
    yield url
    ended.set()
    server.process.kill()
    thread.join(5)
    server.close()


def sent_over_secret_srt(*parts: tuple[bytes, float]) -> AbstractContextManager[str]:
    """The same with a passphrase."""
    return sent_over_srt(*parts, query="?passphrase=correct-horse")


@contextmanager
def served_folder(folder: Path, served: Callable[[str], None] = lambda path: None) -> Iterator[str]:
    """Serve the files of a folder over HTTP, and call ``served`` after each with its path. Yields the URL."""

    class Files(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            super().do_GET()
            served(self.path)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@contextmanager
def silent() -> Iterator[str]:
    """Run a TCP server that accepts connections and sends nothing. Yields the URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
