"""Servers of other projects that send a media file as a live source."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.matrix.cells import (
    FFMPEG,
    GSTREAMER,
    HLS_FMP4,
    HTTP_FLV,
    ICECAST,
    MJPEG,
    NGINX,
    NGINX_HLS,
    NODE,
    RTSP_UDP,
    SRT,
    Cell,
)
from tests.sources import GST_SERVER, NGINX_RTMP_MODULE, SYSTEM_PYTHON, free_port, wait_for_port
from tests.waiting import eventually_sync

NODE_PACKAGE = "node-media-server@4.4.3"
FILE_NAMES = {"h264": "h264", "hevc": "h265"}
PAYLOADERS = {
    "aac": "aacparse ! rtpmp4gpay",
    "pcm_alaw": "rtppcmapay",
    "opus": "opusparse ! rtpopuspay",
}
NGINX_CONFIG = """
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:{rtmp}; chunk_size 4096; application live {{ live on; }} }} }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{http}; root {folder}/www; }}
}}
"""
NODE_SERVER = """
import NodeMediaServer from "node-media-server";
const [rtmp, http] = process.argv.slice(2).map(Number);
new NodeMediaServer({
  bind: "127.0.0.1", rtmp: {port: rtmp}, http: {port: http}, auth: {play: false, publish: false},
}).run();
"""
ICECAST_CONFIG = """
<icecast>
  <limits><clients>10</clients><sources>4</sources></limits>
  <authentication><source-password>hackme</source-password><admin-password>hackme</admin-password></authentication>
  <hostname>localhost</hostname>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <paths><logdir>{folder}</logdir><webroot>/usr/share/icecast2/web</webroot></paths>
  <logging><errorlog>error.log</errorlog><accesslog>access.log</accesslog></logging>
  <security><changeowner><user>nobody</user><group>nogroup</group></changeowner></security>
</icecast>
"""
PUBLISHER = """
import sys, time, av
path, url = sys.argv[1:]
begin, offset = time.monotonic(), 0.0
with av.open(url, "w", format="flv") as sink:
    tracks = {}
    while True:
        with av.open(path) as source:
            last = 0.0
            tracks = tracks or {s.index: sink.add_stream_from_template(s) for s in source.streams}
            for packet in source.demux():
                if packet.dts is None:
                    continue
                at = float(packet.dts * packet.time_base)
                last = max(last, at + 0.1)
                time.sleep(max(0.0, begin + offset + at - time.monotonic()))
                shift = round(offset / packet.time_base)
                packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
                packet.stream = tracks[packet.stream.index]
                sink.mux(packet)
        offset += last
"""
"""Publishes with the bundled FFmpeg 8, because the one of Debian 12 writes neither HEVC nor AV1 in FLV."""


class Missing(Exception):
    """A program that is needed is not installed."""


@contextmanager
def serving(cell: Cell, media: Path) -> Iterator[str]:
    """Send ``media`` as the source of a cell until the end of the block. Yields the URL. Raises Missing."""
    with tempfile.TemporaryDirectory() as folder, _SERVERS[cell.server](cell, media, Path(folder)) as url:
        yield url


@contextmanager
def _gstreamer(cell: Cell, media: Path, folder: Path) -> Iterator[str]:
    check = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if not Path(SYSTEM_PYTHON).exists() or subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True).returncode:
        raise Missing("gir1.2-gst-rtsp-server-1.0")
    name = FILE_NAMES[cell.video]
    launch = f"filesrc location={media} ! matroskademux name=d"
    launch += f"  d. ! queue ! {name}parse ! rtp{name}pay name=pay0 pt=96 config-interval=-1"
    if cell.audio:
        launch += f"  d. ! queue ! {PAYLOADERS[cell.audio]} name=pay1 pt={8 if cell.audio == 'pcm_alaw' else 97}"
    with _running([SYSTEM_PYTHON, "-c", GST_SERVER, f"( {launch} )"], folder) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield f"rtsp://127.0.0.1:{port}/live" + ("?udp" if cell.protocol == RTSP_UDP else "")


@contextmanager
def _nginx(cell: Cell, media: Path, folder: Path) -> Iterator[str]:
    if not NGINX_RTMP_MODULE.exists():
        raise Missing("libnginx-mod-rtmp")
    (folder / "www").mkdir()
    rtmp, http = free_port(), free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(module=NGINX_RTMP_MODULE, folder=folder, rtmp=rtmp, http=http))
    command = [_need("nginx"), "-c", str(config), "-p", str(folder), "-e", str(folder / "nginx.log")]
    with _running(command, folder):
        wait_for_port(http)
        if cell.server == NGINX_HLS:
            options = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "6", "-hls_flags", "delete_segments"]
            options += ["-hls_segment_type", "fmp4"] if cell.protocol == HLS_FMP4 else []
            options += ["-tag:v", "hvc1"] if (cell.protocol, cell.video) == (HLS_FMP4, "hevc") else []
            playlist = folder / "www" / "live.m3u8"
            with _ffmpeg(media, *options, str(playlist), folder=folder):
                eventually_sync(playlist.exists, limit_s=20, what="a playlist")
                yield f"http://127.0.0.1:{http}/live.m3u8"
        else:
            url = f"rtmp://127.0.0.1:{rtmp}/live/cam"
            with _ffmpeg(media, "-f", "flv", url, folder=folder):
                yield url


@contextmanager
def _node(cell: Cell, media: Path, folder: Path) -> Iterator[str]:
    modules = node_modules()
    script = modules.parent / "serve.mjs"
    script.write_text(NODE_SERVER)
    rtmp, http = free_port(), free_port()
    with _running([_need("node"), str(script), str(rtmp), str(http)], folder):
        wait_for_port(rtmp)
        wait_for_port(http)
        url = f"rtmp://127.0.0.1:{rtmp}/live/cam"
        with _running([sys.executable, "-c", PUBLISHER, str(media), url], folder):
            yield f"http://127.0.0.1:{http}/live/cam.flv" if cell.protocol == HTTP_FLV else url


def node_modules() -> Path:
    """Return the folder of node-media-server, installed at the first use. Raises Missing."""
    folder = Path(__file__).parents[2] / "build" / "matrix"
    found = folder / "node_modules"
    if not (found / "node-media-server").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [_need("npm"), "install", "--no-audit", "--no-fund", "--loglevel=error", NODE_PACKAGE]
        (folder / "package.json").write_text('{"private": true}')
        if subprocess.run(command, cwd=folder, capture_output=True, timeout=300).returncode:
            raise Missing(NODE_PACKAGE)
    return found


@contextmanager
def _sender(cell: Cell, media: Path, folder: Path) -> Iterator[str]:
    """Run an ffmpeg that is its own server or sends datagrams."""
    port = free_udp_port()
    if cell.protocol == MJPEG:
        port = free_port()
        url = f"http://127.0.0.1:{port}/video"
        with _ffmpeg(media, "-f", "mpjpeg", "-listen", "1", url, folder=folder):
            yield url
    elif cell.protocol == SRT:
        url = f"srt://127.0.0.1:{port}"
        with _ffmpeg(media, "-f", "mpegts", f"{url}?mode=listener", folder=folder):
            yield url
    else:
        url = f"udp://127.0.0.1:{port}"
        with _ffmpeg(media, "-f", "mpegts", f"{url}?pkt_size=1316", folder=folder):
            yield url


@contextmanager
def _icecast(cell: Cell, media: Path, folder: Path) -> Iterator[str]:
    port = free_port()
    config = folder / "icecast.xml"
    config.write_text(ICECAST_CONFIG.format(port=port, folder=folder))
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    form, kind = ("mp3", "audio/mpeg") if cell.audio == "mp3" else ("ogg", "application/ogg")
    with _running([_need("icecast2"), "-c", str(config)], folder):
        wait_for_port(port)
        place = f"127.0.0.1:{port}/radio"
        with _ffmpeg(
            media, "-vn", "-f", form, "-content_type", kind, f"icecast://source:hackme@{place}", folder=folder
        ):
            yield f"http://{place}"


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the end of the block. Its error output is in ``errors`` of the folder."""
    with (
        (folder / "errors").open("a") as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def _ffmpeg(media: Path, *output: str, folder: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    """Send the file in a loop and at its own pace, as it is."""
    command = [_need("ffmpeg"), "-v", "error", "-re", "-stream_loop", "-1", "-i", str(media), "-c", "copy", *output]
    return _running(command, folder)


def _need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise Missing(program)
    return path


def free_udp_port() -> int:
    """Return a port on which nothing receives datagrams now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


_SERVERS: dict[str, Callable[[Cell, Path, Path], AbstractContextManager[str]]] = {
    GSTREAMER: _gstreamer,
    NGINX: _nginx,
    NGINX_HLS: _nginx,
    NODE: _node,
    FFMPEG: _sender,
    ICECAST: _icecast,
}
