"""Opens each protocol through connections to checked addresses, with options for the codec library.

The codec library resolves no name, follows no redirect and uses no proxy. HTTP, HLS and TCP are read by our own code.
RTMP is opened by its checked address. RTSP, and RTMP over TLS, go through a relay in this process.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import url2pathname

import av
from av import error as averror

from rtstream.errors import InvalidRequest
from rtstream.messages import RecorderSpec
from rtstream.recorder.bridge import Bridge
from rtstream.recorder.dialer import Dialer
from rtstream.recorder.failures import SourceFailed, explain
from rtstream.recorder.picture_parts import PictureParts
from rtstream.recorder.publisher import publishers
from rtstream.recorder.relay import TlsRelay
from rtstream.recorder.rtsp_relay import RtspRelay
from rtstream.recorder.stream_buffer import StreamBuffer
from rtstream.recorder.web import WebClient
from rtstream.recorder.web_input import WebFile, WebInput
from rtstream.rules.addresses import parse_allowed
from rtstream.rules.hls_variants import choose_variant
from rtstream.rules.rtmp import tc_url
from rtstream.rules.rtp_payload import LEAST_BYTES as LEAST_RTP
from rtstream.rules.rtp_payload import RtpPayload, is_rtp
from rtstream.rules.source_options import (
    LEAST_BEGINNING,
    PROBE_BYTES,
    PROBING_PICTURES,
    check_listening,
    invents_times,
    parse_ports,
    probing,
    rtsp_transport,
    sends_pictures,
)
from rtstream.rules.source_urls import ANY_ADDRESS, SourceUrl, parse_source
from rtstream.rules.track_choice import parse_tracks

# Containers a source may be in. Not among them: playlists of local files, SDP, concat scripts.
CONTAINERS = "mpegts,mov,flv,live_flv,matroska,webm,avi,mp3,aac,ac3,eac3,ogg,wav,flac,h264,hevc,mpjpeg,mjpeg"
HTTP_CONTAINERS = f"hls,webvtt,{CONTAINERS}"
RTMP_BYTES = 1 << 18  # the longest read, which is larger than most keyframes
FEW_BYTES = 1 << 15
DATAGRAM_BYTES = 1 << 16  # the longest datagram
RTMP_ANALYSED = "500000"  # microseconds, because a track that is found later is read as a new one
NO_PROTOCOL = "none"  # for a protocol whitelist: the codec library opens nothing itself


@dataclass
class Input:
    """The arguments of ``av.open`` for a source, and the objects that belong to it."""

    file: str | StreamBuffer
    options: dict[str, str]
    format: str | None = None
    io_open: WebInput | None = None
    content_type: str = ""
    """The content type that an HTTP server states, in lower case."""
    datagrams: bool = False
    """Whether datagrams are lost unless they are read at once."""
    bridge: Bridge | None = None
    buffer: StreamBuffer | None = None
    """The newest bytes, of a source that is read here as one stream of bytes."""
    failure: Callable[[], SourceFailed | None] = lambda: None
    """Return the reason of a failed read if it is known here in more detail than in the codec library."""
    silent_s: Callable[[], float] = lambda: 0.0
    """Return the seconds since the source last sent anything, or 0 if that is not known."""
    resources: ExitStack = field(default_factory=ExitStack)

    def begin_again(self, container: str) -> None:
        """Prepare another opening of a container, such as ``mpegts``."""
        if self.buffer is not None:
            # The new tracks are among the bytes that are read again, so there is no wait for more.
            self.options |= {"analyzeduration": "30000000", "probesize": str(max(4096, self.buffer.waiting))}
            if container == "mpegts" and self.buffer.waiting < FEW_BYTES:  # those since the change
                self.options |= {"analyzeduration": "1000000", "probesize": str(PROBE_BYTES)}
            if isinstance(self.io_open, WebInput):
                self.io_open.first = self.buffer
        elif self.format == "hls":
            self.options["live_start_index"] = "0"  # of the period

    def close(self) -> None:
        """Close connections, relays and helper programs."""
        self.resources.close()


def dialer_of(spec: RecorderSpec, timeout_s: float | None = None) -> Dialer:
    """Return the dialer for the source of ``spec``."""
    return Dialer(parse_allowed(spec.allow_networks), timeout_s or spec.stall_timeout_s, spec.tls_verify)


def prepare(spec: RecorderSpec, in_bytes: bool = False) -> Input:
    """Check the addresses of the source, and connect unless the codec library does.

    Args:
        spec: The stream.
        in_bytes: Whether to read RTMP as one stream of bytes. This costs more per packet, and a track that the source
            adds can then be read without another connection.

    Raises:
        SourceFailed: The source cannot be read.
    """
    if spec.url.startswith("file:"):
        return _file(spec.url)
    try:
        source = parse_source(spec.url)
        if source.listens:
            check_listening(source.port, parse_ports(spec.listen_ports))
    except InvalidRequest as exc:
        raise SourceFailed(exc.message[:1].lower() + exc.message[1:].removesuffix("."), True) from None
    if source.scheme == "file":
        return _file(source.file)
    openers = {"http": _web, "rtsp": _rtsp, "rtmp": _rtmp, "tcp": _tcp, "udp": _udp, "srt": _srt, "push": _push}
    name = source.scheme if source.scheme in openers else source.scheme.removesuffix("s")
    opened = openers[name](spec, source)
    opened.options |= probing(name)
    try:
        if in_bytes and name == "rtmp":
            _read_as_bytes(opened, spec, "rtmp", RTMP_BYTES)
            opened.format, opened.options["analyzeduration"] = "flv", RTMP_ANALYSED
        if name == "udp":
            _read_as_bytes(opened, spec, "udp", DATAGRAM_BYTES)
            assert opened.buffer is not None
            if is_rtp(opened.buffer.peek(LEAST_RTP)):
                _read_payload(opened, opened.buffer)
        if opened.buffer is not None and opened.format is None:
            beginning = opened.buffer.peek(LEAST_BEGINNING)
            pictures = sends_pictures(beginning, opened.content_type)
            if pictures or invents_times(beginning):
                opened.options |= PROBING_PICTURES
            if pictures:
                _read_pictures(opened, opened.buffer)
    except BaseException:
        opened.close()
        raise
    return opened


def _file(url: str) -> Input:
    path = url2pathname(urlsplit(url).path) if url.startswith("file:") else url
    return Input(f"file:{os.path.abspath(path)}", {"protocol_whitelist": "file", "format_whitelist": CONTAINERS})


def _web(spec: RecorderSpec, source: SourceUrl) -> Input:
    client = WebClient(source, dialer_of(spec))
    wish = parse_tracks(spec.tracks, spec.max_height, spec.language)
    try:
        opener = WebInput(
            client, source.bare, lambda text, failed: choose_variant(text, wish, spec.media_types, failed)
        )
    except BaseException:
        client.close()
        raise
    options = {
        "protocol_whitelist": NO_PROTOCOL,
        "format_whitelist": HTTP_CONTAINERS,
        "http_persistent": "0",  # the client reuses connections, and the demuxer would open its own
        "http_multiple": "0",
        # Segments may have any name, because their content decides: the formats are limited above.
        "extension_picky": "0",
        "allowed_extensions": "ALL",
        # An HLS playlist counts as ended after this many reloads without a new segment (one per half target duration).
        "m3u8_hold_counters": str(max(3, round(spec.stall_timeout_s))),
        "live_start_index": "-1",
    }
    name = "hls" if opener.is_hls else None
    result = Input(source.bare, options, name, opener, failure=lambda: opener.failure)
    result.resources.callback(client.close)
    if isinstance(opener.first, WebFile) and not opener.first.seekable():
        result.content_type = opener.first.content_type
        opener.first = result.buffer = StreamBuffer(opener.first.read)
    return result


def _rtsp(spec: RecorderSpec, source: SourceUrl) -> Input:
    query, transport = rtsp_transport(source.query)
    relay = RtspRelay(source, query, transport, dialer_of(spec))
    options = {
        "rtsp_transport": transport,
        # After a timeout, the codec library first returns the last picture and waits once more. Over TCP, the relay
        # knows how long the source is silent.
        "timeout": _microseconds(spec, 0.5 if transport == "udp" else 1.0),
        "allowed_media_types": "video+audio",
        "protocol_whitelist": "rtp,udp,tcp" if transport == "udp" else "rtp,tcp",
    }
    result = Input(relay.url, options, datagrams=transport == "udp", failure=lambda: relay.failure)
    if transport == "tcp":
        result.silent_s = relay.silent_s
    result.resources.callback(relay.close)
    return result


def _rtmp(spec: RecorderSpec, source: SourceUrl) -> Input:
    dialer = dialer_of(spec)
    options = {
        "rw_timeout": _microseconds(spec),
        "protocol_whitelist": "rtmp,tcp",
        "format_whitelist": "flv,live_flv",
        "rtmp_live": "live",
        "rtmp_tcurl": tc_url(source),
    }
    if source.scheme == "rtmps":
        relay = TlsRelay(source, dialer)
        result = Input(f"rtmp://{source.login}127.0.0.1:{relay.port}{source.target}", options)
        result.failure = lambda: relay.failure
        result.resources.callback(relay.close)
        return result
    address = dialer.addresses(source.host, source.port)[0]
    return Input(f"rtmp://{source.login}{_place(address, source.port)}{source.target}", options)


def _read_as_bytes(opened: Input, spec: RecorderSpec, scheme: str, longest: int) -> None:
    """Let the codec library receive the bytes of a source for our own buffer.

    Those of RTMP are an FLV file. The library passes on no packet of a track that appears later, and does not return
    while there are only such packets. A reader of bytes can end then, and begin again.

    Args:
        opened: The source, with the URL in ``file``.
        spec: The stream.
        scheme: Scheme of the URL.
        longest: Size in bytes of the longest read.
    """
    assert isinstance(opened.file, str)
    own = {"format_whitelist": "data", "raw_packet_size": str(longest)}
    try:
        raw = av.open(opened.file, format="data", options=opened.options | own)
    except (averror.FFmpegError, OSError) as exc:
        raise opened.failure() or explain(exc, spec.stall_timeout_s, scheme) from None
    opened.resources.callback(raw.close)
    packets = raw.demux()

    def read(_size: int) -> bytes:
        return bytes(next(packets, b""))

    opened.file = opened.buffer = StreamBuffer(read)


def _read_payload(opened: Input, buffer: StreamBuffer) -> None:
    """Pass on the transport stream in the RTP packets of a source."""
    read, payload = buffer.detach(), RtpPayload()

    def stripped(size: int) -> bytes:
        while data := read(size):
            if found := payload.strip(data):
                return found
        return b""

    opened.file = opened.buffer = StreamBuffer(stripped)


def _read_pictures(opened: Input, buffer: StreamBuffer) -> None:
    """Pass the JPEG pictures of a source to the codec library as parts of a multipart message without faults."""
    opened.buffer = StreamBuffer(PictureParts(buffer.detach()).read)
    opened.format = "mpjpeg"
    if opened.io_open is not None:
        opened.io_open.first = opened.buffer
    else:
        opened.file = opened.buffer


def _tcp(spec: RecorderSpec, source: SourceUrl) -> Input:
    dialer = dialer_of(spec)
    if source.listens:
        asked = parse_qs(source.query).get("listen_timeout", [""])[-1]
        wait_s = min(spec.open_timeout_s, int(asked) / 1000) if asked else spec.open_timeout_s
        connection = _accepted(dialer, source, wait_s)
    else:
        connection = dialer.connect(source.host, source.port)
    connection.settimeout(spec.stall_timeout_s)
    buffer = StreamBuffer(connection.recv)
    result = Input(buffer, {"protocol_whitelist": NO_PROTOCOL, "format_whitelist": CONTAINERS}, buffer=buffer)
    result.resources.callback(connection.close)
    return result


def _accepted(dialer: Dialer, source: SourceUrl, wait_s: float) -> socket.socket:
    address = source.host if source.host == ANY_ADDRESS else dialer.addresses(source.host, source.port)[0]
    try:
        with socket.create_server(
            (address, source.port), family=socket.AF_INET6 if ":" in address else socket.AF_INET, backlog=1
        ) as server:
            server.settimeout(wait_s)
            connection, _ = server.accept()
            return connection
    except TimeoutError:
        raise SourceFailed(f"no sender connected to port {source.port} within {wait_s:g} s") from None
    except OSError:
        raise SourceFailed(f"the engine cannot listen on port {source.port} of that address") from None


def _push(spec: RecorderSpec, source: SourceUrl) -> Input:
    """Read a publisher that the engine has accepted."""
    if not spec.run_folder:
        raise SourceFailed("publishers are accepted on Linux only", True)
    publisher = publishers(spec.run_folder, spec.stream_id).wait(spec.open_timeout_s / 2)
    publisher.set_patience(spec.stall_timeout_s)
    with ExitStack() as opening:
        opening.callback(publisher.close)
        publisher.open()
        opening.pop_all()
    buffer = StreamBuffer(publisher.read)
    options = {"protocol_whitelist": NO_PROTOCOL, "format_whitelist": publisher.container}
    result = Input(buffer, options, publisher.container, buffer=buffer)
    result.resources.callback(publisher.close)
    return result


def _udp(spec: RecorderSpec, source: SourceUrl) -> Input:
    options = {
        "timeout": _microseconds(spec),
        "fifo_size": "50000",  # packets of 188 bytes, 9.4 MB, which a thread of the codec library fills
        "overrun_nonfatal": "1",
        "protocol_whitelist": "udp",
        "format_whitelist": "mpegts",
    }
    address, query = source.host, source.query
    if address != ANY_ADDRESS:
        address = dialer_of(spec).addresses(address, source.port)[0]
        if not ip_address(address).is_multicast and "localaddr=" not in query:
            # An address of this machine. Without it, FFmpeg receives on all addresses.
            query = "&".join(filter(None, (query, f"localaddr={address}")))
    url = f"udp://{_place(address, source.port)}" + (f"?{query}" if query else "")
    return Input(url, options, "mpegts")


def _srt(spec: RecorderSpec, source: SourceUrl) -> Input:
    address = source.host
    if address != ANY_ADDRESS:
        address = dialer_of(spec).addresses(address, source.port)[0]
    url = f"srt://{_place(address, source.port)}" + (f"?{source.query}" if source.query else "")
    bridge = Bridge(url, spec.stall_timeout_s)
    options = {"protocol_whitelist": "fd", "format_whitelist": "mpegts"}
    result = Input("fd:", options, "mpegts", bridge=bridge, failure=bridge.failure)
    if bridge.in_bytes:
        result.file = result.buffer = StreamBuffer(bridge.read)
    else:
        options["fd"] = str(bridge.output)
    result.resources.callback(bridge.close)
    return result


def _place(address: str, port: int) -> str:
    return f"[{quote(address, safe=':')}]:{port}" if ":" in address else f"{address}:{port}"


def _microseconds(spec: RecorderSpec, share: float = 1.0) -> str:
    return str(int(share * spec.stall_timeout_s * 1e6))
