"""Fixtures that make media: clips, our own live source, and other people's RTMP and RTSP servers.

A server that is not installed skips its test with the reason, but fails it where the environment says ``CI``.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rtstream.storage import LocalFiles

# Most tests need no media: the codec library is imported by the fixtures that do.
if TYPE_CHECKING:
    from rtstream.mp4.recordings import StoredRecording
    from rtstream.testsource import ClipSpec, LiveSource

NGINX_RTMP_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
SYSTEM_PYTHON = "/usr/bin/python3"  # the GStreamer bindings belong to the system's own Python

NGINX_CONFIG = """
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:{port}; chunk_size 4096; application live {{ live on; record off; }} }} }}
"""

GST_SERVER = """
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(sys.argv[1])
factory.set_shared(True)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""


@pytest.fixture(scope="session")
def clip_of(pytestconfig: pytest.Config) -> Callable[[ClipSpec], Path]:
    """The clip of a specification; kept between test runs."""
    from rtstream.testsource import make_clip

    cache = pytestconfig.cache
    assert cache is not None
    folder = cache.mkdir("clips")
    return lambda spec: make_clip(spec, folder)


@pytest.fixture(scope="session")
def clip(clip_of: Callable[[ClipSpec], Path]) -> Path:
    """6 s of 320x180 at 30 pictures a second, a keyframe every 0.5 s, with tones."""
    from rtstream.testsource import ClipSpec

    return clip_of(ClipSpec(width=320, height=180, seconds=6, gop=15, bitrate=300_000, voice="tones"))


@pytest.fixture(scope="session")
def clip_720p(clip_of: Callable[[ClipSpec], Path]) -> Path:
    """30 s of 1280x720 with all slides, a keyframe every 2 s, with tones."""
    from rtstream.testsource import ClipSpec

    return clip_of(ClipSpec(voice="tones"))


@pytest.fixture
def live_source(clip: Path) -> Iterator[LiveSource]:
    """The small clip as a live source over HTTP, HLS and RTSP."""
    from rtstream.testsource import LiveSource

    with LiveSource(clip) as source:
        yield source


@pytest.fixture
def nginx_rtmp(tmp_path: Path, clip: Path) -> Iterator[str]:
    """The address of the small clip, looped, on nginx's RTMP server."""
    with on_nginx(tmp_path, "-stream_loop", "-1", "-i", str(clip), "-c", "copy") as url:
        yield url


@contextmanager
def on_nginx(tmp_path: Path, *options: str) -> Iterator[str]:
    """The address of a stream that ffmpeg publishes, with these options, to nginx's RTMP server."""
    nginx, ffmpeg = _need("nginx"), _need("ffmpeg")
    if not NGINX_RTMP_MODULE.exists():
        _missing(f"nginx has no RTMP module ({NGINX_RTMP_MODULE})")
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(module=NGINX_RTMP_MODULE, folder=tmp_path, port=port))
    url = f"rtmp://127.0.0.1:{port}/live/cam1"
    publish = [ffmpeg, "-v", "error", "-re", *options]
    with _process([nginx, "-c", str(config), "-p", str(tmp_path), "-e", str(tmp_path / "nginx.log")]):
        wait_for_port(port)
        with _process([*publish, "-f", "flv", "-progress", "pipe:1", url]) as publisher:
            _read_until(publisher, "frame=")
            yield url


@pytest.fixture
def gst_rtsp(tmp_path: Path, clip: Path) -> Iterator[str]:
    """The address of ten minutes of the small clip on GStreamer's RTSP server; the first client starts it."""
    ffmpeg = _need("ffmpeg")
    check = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if not Path(SYSTEM_PYTHON).exists() or subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True).returncode:
        _missing("the GStreamer RTSP server is not installed (gir1.2-gst-rtsp-server-1.0)")
    longer = tmp_path / "longer.mp4"
    loop = ["-stream_loop", "-1", "-i", str(clip), "-t", "600", "-c", "copy", str(longer)]
    subprocess.run([ffmpeg, "-v", "error", *loop], check=True, timeout=60)
    launch = (
        f"( filesrc location={longer} ! qtdemux name=d"
        "  d. ! queue ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1"
        "  d. ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 )"
    )
    with _process([SYSTEM_PYTHON, "-c", GST_SERVER, launch]) as server:
        assert server.stdout is not None
        yield f"rtsp://127.0.0.1:{int(server.stdout.readline())}/live"


FILES = LocalFiles("/")
"""Files of ``record`` by their keys."""


def key_of(path: Path) -> str:
    """The key of a file of ``FILES``."""
    return path.as_posix().lstrip("/")


def path_of(key: str) -> Path:
    """The path of a file of ``FILES``."""
    return Path("/", key)


def record(
    clip: Path, folder: Path, *, start: float, gops: int = 2, audio: bool = False, media_time: int | None = None
) -> StoredRecording:
    """The clip as one file of fragments, ``gops`` GOPs a piece; ``start``: Unix seconds of its first picture.

    The times inside begin at ``media_time`` seconds: by itself, as the recorder does it, about at ``start``.
    """
    import av

    from rtstream.mp4.fragments import FragmentSplitter, delay, track_runs, track_scales
    from rtstream.mp4.recordings import StoredRecording, StoredSegment

    sink = FragmentSplitter()
    flags = "empty_moov+delay_moov+default_base_moof+frag_keyframe+skip_trailer+frag_discont"
    keyframes: list[float] = []
    with (
        av.open(str(clip)) as source,
        av.open(sink, "w", format="mp4", options={"movflags": flags, "use_editlist": "0"}) as muxer,
    ):
        video = source.streams.video[0]
        streams = [video, *source.streams.audio[: int(audio)]]
        out = {stream.index: muxer.add_stream_from_template(stream) for stream in streams}
        for packet in source.demux(streams):
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            if packet.stream is not video and packet.pts < 0:
                continue  # the encoder warms up; a recording begins with a picture
            if packet.stream is video and packet.is_keyframe:
                keyframes.append(float(packet.pts * packet.time_base))
            packet.stream = out[packet.stream.index]
            muxer.mux(packet)
    begin = int(start) if media_time is None else media_time
    later = {track: begin * scale for track, (_, scale) in track_scales(sink.init).items()}
    for fragment in sink.fragments:
        delay(fragment, track_runs(fragment), later)
    folder.mkdir(exist_ok=True)
    path = folder / "recording.m4s"
    path.write_bytes(b"".join(sink.fragments))
    pieces, offset = [], 0
    for index in range(0, len(keyframes), gops):
        # The fragment of the last keyframe is followed by its audio.
        last = index + gops >= len(keyframes)
        length = sum(len(fragment) for fragment in sink.fragments[index : None if last else index + gops])
        pieces.append(StoredSegment(key_of(path), offset, length, start + keyframes[index] - keyframes[0]))
        offset += length
    return StoredRecording(sink.init, pieces)


def _need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        _missing(f"{program} is not installed")
    return str(path)


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; .ci/run installs it")
    pytest.skip(reason)


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A running program; ended, if need be killed, when the block ends."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def _read_until(process: subprocess.Popen[str], text: str) -> None:
    """Read the program's output until a line contains ``text``, then continue to read, so that it never blocks."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return
    pytest.fail(f"{Path(process.args[0]).name} ended early")  # pyright: ignore[reportArgumentType, reportIndexIssue]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int) -> None:
    """Another program's port gives no sign when it opens: try until it does."""
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            threading.Event().wait(0.02)
