"""Opening a live source with the codec library: options per protocol, and failures in plain words."""

from __future__ import annotations

import errno
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit
from urllib.request import url2pathname

import av
from av import error as averror
from av.stream import Discard, Disposition

from rtstream.json_types import JsonObject
from rtstream.messages import RecorderSpec
from rtstream.recorder.bridge import Bridge, SourceFailed
from rtstream.recorder.writer import RECORDABLE_AUDIO, RECORDABLE_VIDEO

# Containers a source may be in. Not among them: playlists of local files, SDP, concat scripts.
CONTAINERS = "mpegts,mov,flv,live_flv,matroska,webm,avi,mp3,aac,ac3,eac3,ogg,wav,flac,h264,hevc,mpjpeg"
HTTP_CONTAINERS = f"hls,webvtt,{CONTAINERS}"


@dataclass
class Source:
    """An open source and what the worker needs to know of it."""

    container: Any
    video: Any | None
    audio: Any | None
    scheme: str
    paced: bool  # a recording: to be played at real-time pace, ends at its end
    hls: bool
    media: JsonObject
    notes: list[str] = field(default_factory=list)
    bridge: Bridge | None = None
    datagrams: bool = False  # UDP below: what is not read at once is lost

    @property
    def buffered(self) -> bool:
        """Whether the kernel keeps what is not read at once (TCP), so that reads may be bundled."""
        return not self.paced and not self.hls and not self.datagrams and self.bridge is None

    def close(self) -> None:
        """Let go of the connection."""
        if self.bridge is not None:
            self.bridge.close()
        self.container.close()


def scheme_of(url: str) -> str:
    """Scheme of a source URL in lower case; ``file`` for a plain path."""
    scheme = urlsplit(url).scheme.lower()
    return scheme if len(scheme) > 1 else "file"  # one letter is a drive


def open_source(spec: RecorderSpec) -> Source:
    """Open ``spec.url``. Blocks until its streams are known or a timeout. Raises SourceFailed."""
    scheme = scheme_of(spec.url)
    url, options = open_options(spec, scheme)
    bridge = None
    try:
        if scheme == "srt":
            bridge = Bridge(spec)
            options["fd"] = str(bridge.output)
        container_format = "mpegts" if scheme in ("srt", "udp") else None
        container = av.open(url, format=container_format, options=options)
    except (averror.FFmpegError, OSError, ValueError) as exc:
        raise _failed(exc, spec, scheme, bridge) from None
    try:
        source = _described(container, spec, scheme)
    except SourceFailed:
        container.close()
        if bridge is not None:
            bridge.close()
        raise
    source.bridge = bridge
    source.datagrams = scheme == "udp" or options.get("rtsp_transport") == "udp"
    return source


def open_options(spec: RecorderSpec, scheme: str) -> tuple[str, dict[str, str]]:
    """The URL to hand to the codec library and its options (all durations in microseconds).

    ``rtstream_transport=udp`` in the query of an RTSP URL asks for RTP over UDP; it is ours and taken off.
    """
    stall = str(int(spec.stall_timeout_s * 1e6))
    url = spec.url
    options: dict[str, str] = {}
    if scheme in ("rtsp", "rtsps"):
        url, transport = _take_transport(url)
        inner = "rtp,udp,tcp" if transport == "udp" else "rtp,tcp"
        options = {
            "rtsp_transport": transport,
            "timeout": stall,
            "allowed_media_types": "video+audio",
            "protocol_whitelist": inner + (",tls,crypto" if scheme == "rtsps" else ""),
        }
    elif scheme in ("rtmp", "rtmps"):
        inner = "rtmp,rtmps,tcp,tls,crypto" if scheme == "rtmps" else "rtmp,tcp"
        options = {
            "rw_timeout": stall,
            "protocol_whitelist": inner,
            "format_whitelist": "flv,live_flv",
            "rtmp_live": "live",
        }
    elif scheme in ("http", "https"):
        options = {
            "rw_timeout": stall,
            "protocol_whitelist": "http,https,tls,tcp,crypto,data",
            "format_whitelist": HTTP_CONTAINERS,
            "max_redirects": "0",
            # An HLS playlist that gets no new segment is read this often (every half target duration), then it ended.
            "m3u8_hold_counters": str(max(3, round(spec.stall_timeout_s))),
            "live_start_index": "-1",
        }
    elif scheme == "tcp":
        options = {"rw_timeout": stall, "protocol_whitelist": "tcp", "format_whitelist": CONTAINERS}
    elif scheme == "udp":
        options = {
            "timeout": stall,
            "fifo_size": "50000",
            "overrun_nonfatal": "1",
            "protocol_whitelist": "udp",
            "format_whitelist": "mpegts",
        }
    elif scheme == "srt":
        url, options = "fd:", {"protocol_whitelist": "fd", "format_whitelist": "mpegts"}
    else:
        parts = urlsplit(url)
        path = url2pathname(parts.path) if parts.scheme.lower() == "file" else url
        url = f"file:{os.path.abspath(path)}"
        options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    if scheme in ("https", "rtsps", "rtmps", "http"):
        options["tls_verify"] = "1" if spec.tls_verify else "0"
        if bundle := certificates():
            options["ca_file"] = bundle
    return url, options


def _take_transport(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    asked = query.pop("rtstream_transport", None)
    if asked is None:
        return url, "tcp"  # the query stays as it was written: cameras are picky
    return urlunsplit(parts._replace(query=urlencode(query, doseq=True))), "udp" if asked[-1] == "udp" else "tcp"


def certificates() -> str | None:
    """File of trusted certificates: the environment's, the system's, else certifi's."""
    paths = ssl.get_default_verify_paths()
    for path in (os.environ.get("SSL_CERT_FILE"), paths.cafile, "/etc/ssl/certs/ca-certificates.crt"):
        if path and Path(path).is_file():
            return path
    try:
        import certifi
    except ImportError:
        return None
    return certifi.where()


def _described(container: Any, spec: RecorderSpec, scheme: str) -> Source:
    """Choose the streams to read and say what they are."""
    video = container.streams.best("video") if "video" in spec.media_types else None
    audio = container.streams.best("audio") if "audio" in spec.media_types else None
    if video is not None and (video.codec_context is None or video.disposition & Disposition.attached_pic):
        video = None
    if audio is not None and (audio.codec_context is None or not audio.codec_context.sample_rate):
        audio = None
    if video is None and audio is None:
        wanted = " or ".join(spec.media_types)
        raise SourceFailed(f"the source has no {wanted} in a format that can be read", True)
    for stream in container.streams:
        # Not only are they skipped: of an HLS source only the chosen variant is downloaded.
        if stream is not video and stream is not audio:
            stream.discard = Discard.all
    media: JsonObject = {}
    notes = []
    if video is not None:
        rate = video.average_rate or video.guessed_rate
        media |= {"video_codec": video.codec_context.name, "width": video.width, "height": video.height}
        media["fps"] = round(float(rate), 3) if rate else None
        if spec.record and video.codec_context.name not in RECORDABLE_VIDEO:
            notes.append(
                f"{video.codec_context.name} video cannot be stored in MP4: pictures are analysed, not recorded"
            )
    if audio is not None:
        media |= {"audio_codec": audio.codec_context.name, "audio_rate": audio.codec_context.sample_rate}
        if spec.record and audio.codec_context.name not in RECORDABLE_AUDIO:
            notes.append(f"{audio.codec_context.name} audio cannot be stored in MP4: sound is analysed, not recorded")
    hls = container.format.name == "hls"
    paced = scheme == "file" or (scheme in ("http", "https") and (container.duration or 0) > 0)
    return Source(container, video, audio, scheme, paced, hls, media, notes)


def _failed(exc: Exception, spec: RecorderSpec, scheme: str, bridge: Bridge | None) -> SourceFailed:
    if bridge is None:
        return explain(exc, spec, scheme)
    bridge.close()
    return SourceFailed(bridge.reason())


def explain(exc: Exception, spec: RecorderSpec, scheme: str) -> SourceFailed:
    """What an error of the codec library means. Its own text is not used: it contains the URL."""
    number = getattr(exc, "errno", None)
    if isinstance(exc, SourceFailed):
        return exc
    if isinstance(exc, averror.HTTPUnauthorizedError | averror.HTTPForbiddenError):
        return SourceFailed("the source wants a user name and password, or does not accept those in the URL", True)
    if isinstance(exc, averror.HTTPNotFoundError):
        return SourceFailed("there is no stream at this path (404): check the path, or the sender is not live yet")
    if isinstance(exc, averror.HTTPServerError):
        return SourceFailed("the server of the source reports an error of its own (5xx)")
    if isinstance(exc, averror.HTTPClientError):
        return SourceFailed("the server of the source refuses the request (4xx)")
    if isinstance(exc, TimeoutError) or number in (errno.ETIMEDOUT, errno.EAGAIN):
        return SourceFailed(f"the source sent nothing for {spec.stall_timeout_s:g} s")
    if isinstance(exc, FileNotFoundError):
        return SourceFailed(
            "there is no such file" if scheme == "file" else "there is no such stream", scheme == "file"
        )
    if isinstance(exc, IsADirectoryError):
        return SourceFailed("this is a folder: name a media file in it", True)
    if isinstance(exc, PermissionError):
        return SourceFailed(
            "the file may not be read" if scheme == "file" else "the connection was not permitted", True
        )
    if isinstance(exc, ConnectionRefusedError):
        return SourceFailed("the source refused the connection: is it running on that port?")
    if isinstance(exc, ConnectionError) or number in (errno.EPIPE, errno.ECONNRESET):
        return SourceFailed("the source closed the connection")
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return SourceFailed("the host cannot be reached from this machine")
    if isinstance(exc, averror.InvalidDataError):
        return SourceFailed("what the source sends is not a media stream that can be read", scheme == "file")
    if isinstance(exc, averror.ProtocolNotFoundError | averror.DemuxerNotFoundError | ValueError):
        return SourceFailed("this kind of source is not supported", True)
    if isinstance(exc, EOFError):
        return SourceFailed("the source ended before it sent a picture or sound")
    if number == errno.EIO:
        return SourceFailed(
            "the source cannot be reached or stopped answering: check the host name, and that it is live"
        )
    return SourceFailed(f"the source could not be read ({type(exc).__name__})", scheme == "file")
