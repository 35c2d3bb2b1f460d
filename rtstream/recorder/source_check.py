"""Opens a source for some seconds without recording it, and describes the media that it carries."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field

from av.error import FFmpegError
from av.packet import Packet

from rtstream.json_types import JsonObject
from rtstream.messages import RecorderSpec
from rtstream.recorder.audio_encoder import ENCODED_AUDIO, is_recordable
from rtstream.recorder.source import open_source


@dataclass
class TrackTraffic:
    """The packets of a track that were read."""

    packets: int = 0
    size: int = 0
    """Bytes."""
    first_s: float | None = None
    last_s: float = 0.0
    """Times of the source in seconds, from the first packet to the end of the last one."""
    keyframes: list[float] = field(default_factory=list)
    """Times of the keyframes in seconds."""

    @property
    def span_s(self) -> float:
        """Seconds from the first packet to the end of the last one."""
        return 0.0 if self.first_s is None else max(0.0, self.last_s - self.first_s)

    @property
    def bit_rate(self) -> int | None:
        """Average bits per second, or None if there was too little to tell."""
        return round(8 * self.size / self.span_s) if self.span_s > 0.5 else None

    @property
    def keyframe_s(self) -> float | None:
        """Longest time between two keyframes in seconds, or None if fewer than two were read."""
        pairs = zip(self.keyframes, self.keyframes[1:], strict=False)
        return max((after - before for before, after in pairs), default=None)

    def add(self, packet: Packet) -> None:
        """Count a packet."""
        self.packets += 1
        self.size += packet.size
        if packet.dts is None:
            return
        at = float(packet.dts * packet.time_base)
        self.first_s = at if self.first_s is None else self.first_s
        self.last_s = at + float((packet.duration or 0) * packet.time_base)
        if packet.is_keyframe:
            self.keyframes.append(at)


@dataclass
class CheckedSource:
    """A source that could be opened."""

    media: JsonObject
    """In the form of ``MediaInfo``."""
    opened_s: float
    """Seconds until it was open."""
    traffic: dict[str, TrackTraffic]
    """By kind of track, "video" and "audio"."""
    audio_stored_as: str
    """Codec of the audio in a recording, empty if there is none."""
    unrecordable: list[str]
    """Sentences about tracks that cannot be recorded."""


def check_source(spec: RecorderSpec, seconds: float) -> CheckedSource:
    """Read the source of ``spec`` for some seconds. Blocks. Raises SourceFailed."""
    began = time.monotonic()
    source = open_source(spec)
    opened = time.monotonic()
    tracks = {kind: track for kind, track in (("video", source.video), ("audio", source.audio)) if track is not None}
    traffic = {kind: TrackTraffic() for kind in tracks}
    kinds = {track.index: kind for kind, track in tracks.items()}
    try:
        with suppress(StopIteration, IndexError):
            for packet in source.packets(list(tracks.values())):
                if packet.size and packet.stream_index in kinds:
                    traffic[kinds[packet.stream_index]].add(packet)
                longest = max(each.span_s for each in traffic.values())
                if time.monotonic() - opened > seconds or (source.paced and longest > seconds):
                    break
    except (FFmpegError, OSError) as exc:
        raise source.failed(exc, spec.stall_timeout_s) from None
    finally:
        source.close()
    codec = str(source.media.get("audio_codec") or "")
    stored = ""
    if codec and is_recordable(codec, int(source.media["audio_rate"])):
        stored = "aac" if codec in ENCODED_AUDIO else codec
    return CheckedSource(source.media, opened - began, traffic, stored, list(source.unrecordable.values()))
