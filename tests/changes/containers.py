"""Muxes the units of a group of pictures into a transport stream, FLV tags, or a segment of HLS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import av

from rtstream.mp4.fragments import delay, track_runs, track_scales
from tests.changes.clips import Clips, Unit

PACKET = 188
TAG_AUDIO, TAG_VIDEO = 8, 9
CLOCK = 90000


@dataclass(frozen=True)
class Format:
    """Everything that a source sends at present.

    Attributes:
        video: Name of the video clip.
        audio: Name of the audio clip that is declared; empty for none.
        silent: Whether nothing is sent of the declared audio.
        still: Whether no pictures are sent.
        base_s: Seconds by which the timestamps differ from the time since the beginning.
        pid: First PID of a transport stream.
        program: Number of its program.
    """

    video: str
    audio: str = ""
    silent: bool = False
    still: bool = False
    base_s: float = 10.0
    pid: int = 0x100
    program: int = 1

    @property
    def tables(self) -> tuple[object, ...]:
        """The part that the tables of a transport stream describe."""
        return self.video, self.audio, self.pid, self.program

    def sounding(self) -> str:
        """Name of the audio clip of which packets are sent, or empty."""
        return "" if self.silent else self.audio

    def shown(self) -> str:
        """Name of the video clip of which pictures are sent, or empty."""
        return "" if self.still else self.video


class Sink:
    """Collects the output of a muxer."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        """Accept output from the muxer."""
        self.data += data
        return len(data)

    def take(self) -> bytes:
        """Return the output since the last call."""
        data = bytes(self.data)
        self.data.clear()
        return data


def mux(
    clips: Clips, form: Format, units: Sequence[Unit], kind: str, options: dict[str, str], base_s: float
) -> list[tuple[Unit | None, bytes]]:
    """Return the bytes that a muxer writes after each unit, and those at its end."""
    sink, pieces = Sink(), []
    options = {"flush_packets": "1", "max_delay": "0", "max_interleave_delta": "1", **options}
    with av.open(sink, "w", format=kind, options=options) as container:
        streams: dict[str, Any] = {"video": container.add_stream_from_template(clips.videos[form.video].template)}
        if form.audio:
            streams["audio"] = container.add_stream_from_template(clips.audios[form.audio].template)
        container.start_encoding()
        for unit in units:
            packet = av.Packet(unit.data)
            packet.stream, packet.time_base = streams[unit.kind], Fraction(1, CLOCK)
            packet.dts = packet.pts = round((unit.at + base_s) * CLOCK)
            packet.is_keyframe = unit.keyframe
            container.mux(packet)
            pieces.append((unit, sink.take()))
    return [*pieces, (None, sink.take())]


@dataclass
class TransportStream:
    """A transport stream whose counters continue from group to group, as those of an encoder do."""

    counters: dict[int, int] = field(default_factory=dict)
    version: int = 0
    tables: tuple[object, ...] = ()

    def group(self, clips: Clips, form: Format, units: Sequence[Unit]) -> list[tuple[float, bytes]]:
        """Return the bytes of a group with the times at which they are due."""
        if form.tables != self.tables:
            self.version, self.tables = (self.version + 1) % 32, form.tables
        options = {
            "mpegts_flags": "resend_headers",
            "tables_version": str(self.version),
            "mpegts_start_pid": str(form.pid),
            "mpegts_pmt_start_pid": str(0x1000 + form.program),
            "mpegts_service_id": str(form.program),
            "pes_payload_size": "0",
        }
        at, found = units[0].at if units else 0.0, []
        for unit, data in mux(clips, form, units, "mpegts", options, form.base_s):
            at = unit.at if unit else at
            found.append((at, self._counted(data)))
        return found

    def _counted(self, data: bytes) -> bytes:
        packets = bytearray(data)
        for at in range(0, len(packets), PACKET):
            pid = int.from_bytes(packets[at + 1 : at + 3], "big") & 0x1FFF
            has_payload = packets[at + 3] >> 4 & 1
            count = self.counters[pid] = (self.counters.get(pid, 15) + has_payload) & 15
            packets[at + 3] = packets[at + 3] & 0xF0 | count
        return bytes(packets)


@dataclass(frozen=True)
class Tag:
    """An FLV tag, which is also a message of RTMP. ``header``: it contains the parameters of its codec."""

    kind: int
    at_ms: int
    body: bytes
    header: bool

    def flv(self) -> bytes:
        """Return it as in a file."""
        size, at = len(self.body), self.at_ms & 0xFFFFFFFF
        head = bytes([self.kind]) + size.to_bytes(3, "big") + (at & 0xFFFFFF).to_bytes(3, "big") + bytes([at >> 24])
        return head + bytes(3) + self.body + (size + 11).to_bytes(4, "big")


@dataclass
class FlvStream:
    """FLV tags in which the parameters of a codec are repeated only if they change."""

    headers: dict[int, Tag] = field(default_factory=dict)

    def group(self, clips: Clips, form: Format, units: Sequence[Unit]) -> list[tuple[float, Tag]]:
        """Return the tags of a group with the times at which they are due."""
        began = units[0].at if units else 0.0
        at, found = began, []
        options = {"flvflags": "no_duration_filesize+no_sequence_end"}
        for unit, data in mux(clips, form, units, "flv", options, -began):
            at = unit.at if unit else at
            for tag in _tags(data, began + form.base_s):
                if tag.header and (known := self.headers.get(tag.kind)) and known.body == tag.body:
                    continue
                if tag.header:
                    self.headers[tag.kind] = tag
                found.append((at, tag))
        if not form.audio:
            self.headers.pop(TAG_AUDIO, None)
        return found

    def opening(self, at_ms: int) -> list[Tag]:
        """Return the tags that a new client needs first."""
        return [replace(tag, at_ms=at_ms) for tag in self.headers.values()]


def _tags(data: bytes, base_s: float) -> list[Tag]:
    at, found = 13 if data.startswith(b"FLV") else 0, []
    while at + 11 <= len(data):
        kind, size = data[at] & 0x1F, int.from_bytes(data[at + 1 : at + 4], "big")
        body = data[at + 11 : at + 11 + size]
        at_ms = round(base_s * 1000) + int.from_bytes(data[at + 4 : at + 7], "big")
        at += size + 15
        if kind in (TAG_AUDIO, TAG_VIDEO) and body:
            found.append(Tag(kind, at_ms, body, _is_header(kind, body)))
    return found


def _is_header(kind: int, body: bytes) -> bool:
    if kind == TAG_AUDIO:
        return body[0] >> 4 == 10 and body[1] == 0
    if body[0] & 0x80:  # enhanced RTMP
        return body[0] & 0x0F == 0
    return body[1] == 0


def ts_segment(clips: Clips, form: Format, units: Sequence[Unit]) -> bytes:
    """Return a segment of HLS as a transport stream."""
    return b"".join(data for _, data in TransportStream().group(clips, form, units))


def mp4_segment(clips: Clips, form: Format, units: Sequence[Unit]) -> tuple[bytes, bytes]:
    """Return the init segment and the segment of HLS as fragmented MP4, which is one fragment."""
    flags = "empty_moov+delay_moov+default_base_moof+frag_custom+skip_trailer"
    options = {"movflags": flags, "use_editlist": "0"}
    data = b"".join(data for _, data in mux(clips, form, units, "mp4", options, form.base_s))
    at = 0
    while data[at + 4 : at + 8] not in (b"moof", b""):
        at += int.from_bytes(data[at : at + 4], "big")
    init, fragment = data[:at], bytearray(data[at:])
    # The muxer begins at zero for each track.
    begun = [next((unit.at for unit in units if unit.kind == kind), 0.0) for kind in ("video", "audio")]
    scales = track_scales(init)
    later = {track: round((begun[track - 1] + form.base_s) * scale) for track, (_, scale) in scales.items()}
    delay(fragment, track_runs(fragment), later)
    return init, bytes(fragment)
