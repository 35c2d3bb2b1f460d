"""Opening a live source with the codec library: options per protocol, and failures in plain words."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from urllib.parse import urlsplit

import av
from av import error as averror
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from rtstream.json_types import JsonObject
from rtstream.messages import RecorderSpec
from rtstream.recorder.audio_encoder import is_recordable
from rtstream.recorder.failures import SourceFailed, explain
from rtstream.recorder.inputs import Input, prepare
from rtstream.recorder.stream_buffer import MOST_BYTES
from rtstream.recorder.stream_listing import programs
from rtstream.recorder.web_input import WebInput
from rtstream.recorder.writer import RECORDABLE_VIDEO, codec_of
from rtstream.rules.hls_variants import ChosenVariant
from rtstream.rules.interleaver import Interleaver
from rtstream.rules.mpegts_tables import described_tracks
from rtstream.rules.track_choice import OfferedTrack, TrackWish, choose_audio, choose_video, parse_tracks
from rtstream.states import HealthCode

CLOCKLESS = {"mpjpeg", "mjpeg", "h264", "hevc"}
"""Formats without timestamps."""
NOT_RECORDABLE = "cannot be stored in MP4, so the {} is analysed but not recorded"
SPARSE = {"max_ts_probe": "0", "fpsprobesize": "0"}
"""Options with which the opening waits neither for times nor for the frame rate."""
LEAST_PROBED = 2048  # bytes; the smallest value that the codec library accepts is 32
FRAGMENT_S = 12.0  # longest fragment of MP4 that is sent as one stream


@dataclass
class Source:
    """An open source with the properties that the recorder uses."""

    container: InputContainer
    video: VideoStream | None
    audio: AudioStream | None
    scheme: str
    paced: bool  # a file or finished recording, which is read at real-time pace and ends
    hls: bool
    media: JsonObject
    clockless: bool = False  # the demuxer invents the times, so the pictures are timed by their arrival
    unrecordable: dict[str, str] = field(default_factory=dict)
    """Reasons for which tracks are not recorded although that is wanted, by their kind."""
    input: Input | None = None
    unknown: list[Stream] = field(default_factory=list)
    """Tracks of which nothing was known at opening, because they sent nothing yet."""

    resumes_at: float = 0.0
    """Unix seconds at which the media that was read before ended."""
    positions: dict[str, int] = field(default_factory=dict)
    """Position of the newest packet of each kind that was processed before the demuxer was opened again."""
    counts: dict[str, int] = field(default_factory=dict)
    """Packets that were processed from that position on, of which only the first has a position."""
    carried: frozenset[str] = frozenset()
    """Kinds of tracks that were read until the demuxer was opened again, just now."""
    connected_at: float = field(default_factory=time.monotonic)
    """Monotonic time at which the connection was opened."""

    @property
    def rereadable(self) -> bool:
        """Whether the demuxer can be opened again on the same connection."""
        in_bytes = self.container.format.name in ("mpegts", "flv", "live_flv")
        return self.hls or (in_bytes and self.input is not None and self.input.buffer is not None)

    @property
    def buffered(self) -> bool:
        """Whether the kernel (TCP) or the codec library (UDP) buffers unread data, so that reads may be bundled."""
        bridged = self.input is not None and (self.input.datagrams or self.input.bridge is not None)
        return not self.paced and not self.hls and not bridged and not self.clockless

    @property
    def fragment_s(self) -> float:
        """Longest time in seconds by which one track may come later than the other; 0 if they come interleaved."""
        if self.hls:
            opener = self.input.io_open if self.input is not None else None
            return opener.fragment_s + 1.0 if isinstance(opener, WebInput) and opener.fragment_s else 0.0
        return FRAGMENT_S if "mp4" in self.container.format.name and self.scheme != "file" else 0.0

    @property
    def silent_s(self) -> float:
        """Seconds since the source last sent anything, where that is known, else 0."""
        return self.input.silent_s() if self.input is not None else 0.0

    def packets(self, streams: Sequence[Stream]) -> Iterator[Packet]:
        """Return the packets of tracks as they are read, in the order of their times."""
        demuxed = self.container.demux(*streams)
        longest_s = self.fragment_s if len(streams) > 1 else 0.0
        return _interleaved(demuxed, streams, longest_s) if longest_s else demuxed

    def failed(self, exc: Exception, stall_timeout_s: float) -> SourceFailed:
        """Return the failure of a read that raised ``exc``, with a reason for people."""
        known = self.input.failure() if self.input is not None else None
        return known or explain(exc, stall_timeout_s, self.scheme)

    def close(self) -> None:
        """Close the connection."""
        if self.input is not None and self.input.bridge is not None:
            self.input.close()  # first, because the end of the pipe ends a read that waits
        self.container.close()
        if self.input is not None:
            self.input.close()


def scheme_of(url: str) -> str:
    """Scheme of a source URL in lower case; ``file`` for a plain path."""
    scheme = urlsplit(url).scheme.lower()
    return scheme if len(scheme) > 1 else "file"  # one letter is a drive


def open_source(spec: RecorderSpec, *, in_bytes: bool = False) -> Source:
    """Open ``spec.url``. Blocks until its streams are known or a timeout.

    Args:
        spec: The stream.
        in_bytes: Whether to read RTMP as bytes, because its tracks change. See ``prepare``.

    Raises:
        SourceFailed: The source cannot be opened.
    """
    source = _open(spec, in_bytes=in_bytes)
    lacks_video = source.video is None and "video" in spec.media_types
    if lacks_video and not in_bytes and source.scheme in ("rtmp", "rtmps"):
        # A server sends video from a keyframe on, which a demuxer that knows only the audio would lose.
        source.close()
        source = _open(spec, in_bytes=True)
    return source


def _open(spec: RecorderSpec, *, in_bytes: bool = False) -> Source:
    scheme = scheme_of(spec.url)
    opened, container = _prepared(spec, scheme, in_bytes), None
    until = time.monotonic() + spec.open_timeout_s / 2
    try:
        while True:
            container = None
            try:
                opened, container = _container(spec, scheme, opened)
                source = _described(container, spec, scheme, opened)
            except (SourceFailed, averror.FFmpegError, OSError, ValueError):
                if time.monotonic() > until or not _other_variant(opened):
                    raise
            else:
                height = source.video.height if source.video is not None else 0
                if not (0 < spec.max_height < height) or _variant(opened).has_size or not _other_variant(opened):
                    break
            if container is not None:
                container.close()
    except SourceFailed as failed:
        _close(container, opened)
        # A playlist whose variants were all refused can be opened, but is empty.
        raise (opened.failure() if opened.io_open is not None else None) or failed from None
    except (averror.FFmpegError, OSError, ValueError) as exc:
        _close(container, opened)
        raise opened.failure() or explain(exc, spec.stall_timeout_s, scheme) from None
    source.input = opened
    if opened.buffer is not None and not source.rereadable:
        opened.buffer.keep_nothing()
    return source


def _prepared(spec: RecorderSpec, scheme: str, in_bytes: bool) -> Input:
    try:
        return prepare(spec, in_bytes)
    except OSError as exc:
        raise explain(exc, spec.stall_timeout_s, scheme) from None


def _container(spec: RecorderSpec, scheme: str, opened: Input) -> tuple[Input, InputContainer]:
    """Open an input, or another one of the same source. Raises SourceFailed, FFmpegError, OSError or ValueError.

    The codec library examines a number of pictures. If they are seconds apart, it is interrupted, and opened again
    without waiting for them. Else, the first pictures would have no times.
    """
    limit_s = None if scheme == "file" or opened.format == "hls" else spec.open_timeout_s / 2
    arguments: JsonObject = {"io_open": opened.io_open, "timeout": (limit_s, None)}
    began = time.monotonic()
    container = av.open(opened.file, "r", format=opened.format, options=opened.options, **arguments)
    if limit_s is None or time.monotonic() - began < limit_s:
        return opened, container
    form = container.format.name
    container.close()
    if opened.buffer is None:
        opened.close()
        opened = prepare(spec, scheme.startswith("rtmp"))
    opened.options |= SPARSE
    if opened.buffer is not None:
        opened.buffer.rewind(b"", 0)
        opened.begin_again("")
        opened.options["probesize"] = str(max(LEAST_PROBED, opened.buffer.waiting // 2))
    return opened, av.open(opened.file, "r", format=form, options=opened.options, **arguments)


def _variant(opened: Input) -> ChosenVariant:
    return opened.io_open.variant if opened.io_open is not None else ChosenVariant("")


def _other_variant(opened: Input) -> bool:
    """Go to another variant of an HLS source. Returns whether there is one."""
    return opened.io_open is not None and opened.io_open.next_variant()


def reopen(source: Source, spec: RecorderSpec) -> Source:
    """Open another demuxer on the connection of a source. Raises SourceFailed, and the source is closed then."""
    opened, form = source.input, source.container.format.name
    assert opened is not None
    read = frozenset(track.type for track in (source.video, source.audio) if track is not None)
    source.container.close()
    container = None
    try:
        opened.begin_again(form)
        container = av.open(opened.file, "r", format=form, options=opened.options, io_open=opened.io_open)
        again = _described(container, spec, source.scheme, opened)
    except (SourceFailed, averror.FFmpegError, OSError, ValueError) as exc:
        _close(container, opened)
        raise opened.failure() or explain(exc, spec.stall_timeout_s, source.scheme) from None
    again.input, again.paced = opened, source.paced
    again.positions, again.counts = source.positions, source.counts
    again.resumes_at, again.connected_at, again.carried = source.resumes_at, source.connected_at, read
    return again


def _close(container: InputContainer | None, opened: Input) -> None:
    if container is not None:
        container.close()
    opened.close()


def _interleaved(demuxed: Iterator[Packet], streams: Sequence[Stream], longest_s: float) -> Iterator[Packet]:
    order: Interleaver[Packet] = Interleaver((stream.index for stream in streams), longest_s)
    try:
        for packet in demuxed:
            if packet.size:
                at = None if packet.dts is None else float(packet.dts * packet.time_base)
                yield from order.add(packet.stream_index, at, packet.size, packet)
    except (averror.FFmpegError, OSError, IndexError):
        yield from order.rest()
        raise
    yield from order.rest()


def _offered(kind: str, number: int, track: VideoStream | AudioStream) -> OfferedTrack:
    rate = track.metadata.get("variant_bitrate", "")
    picture = isinstance(track, VideoStream)
    return OfferedTrack(
        f"{kind[0]}{number}",
        kind,
        codec="" if track.codec_context is None else codec_of(track),
        width=track.width if picture else 0,
        height=track.height if picture else 0,
        bit_rate=int(rate) if rate.isascii() and rate.isdigit() and len(rate) < 12 else 0,
        language=track.metadata.get("language", "")[:20],
        name=track.metadata.get("title", "")[:100],
        is_default=bool(track.disposition & Disposition.default),
    )


def _sent(container: InputContainer, opened: Input) -> list[Stream]:
    """Return the tracks that the source can still send.

    A demuxer also has those that other ones have replaced, if both were among the bytes that it read so far.
    """
    tracks = list(container.streams)
    kinds = [track.type for track in tracks]
    if opened.buffer is None or container.format.name != "mpegts" or max(map(kinds.count, kinds), default=0) < 2:
        return tracks
    pids = {pid for pid, _ in described_tracks(opened.buffer.kept(opened.buffer.base, MOST_BYTES))}
    sent = [track for track in tracks if track.id in pids]
    return sent if any(track.type in ("video", "audio") for track in sent) else tracks


def _chosen(
    container: InputContainer, spec: RecorderSpec, variant: ChosenVariant, sent: Sequence[Stream]
) -> tuple[VideoStream | None, AudioStream | None, list[OfferedTrack]]:
    """Choose a video and an audio track among ``sent``. Also returns all tracks, for people to choose from."""
    wish = parse_tracks(spec.tracks, spec.max_height, spec.language)
    if variant.url:  # the choice was made in the playlist
        wish = replace(wish, video=0)
        if any(track.kind == "audio" for track in variant.tracks):
            wish = TrackWish(language=variant.language)
    pictures = [
        stream
        for stream in container.streams.video
        if stream in sent and stream.codec_context is not None and not stream.disposition & Disposition.attached_pic
    ]
    sounds = [stream for stream in container.streams.audio if stream in sent]
    offered = {stream.index: _offered("video", number, stream) for number, stream in enumerate(pictures, 1)}
    offered |= {stream.index: _offered("audio", number, stream) for number, stream in enumerate(sounds, 1)}
    video = audio = None
    if "video" in spec.media_types:
        video = choose_video(pictures, wish, lambda stream: offered[stream.index])
    if "audio" in spec.media_types:
        usual = _usual_audio(container, video, sounds)
        audio = choose_audio(sounds, wish, lambda stream: offered[stream.index], usual)
    taken = [stream.index for stream in (video, audio) if stream is not None]
    tracks = [replace(track, chosen=index in taken) for index, track in offered.items()]
    for kind in {track.kind for track in variant.tracks}:
        tracks = [track for track in tracks if track.kind != kind]
    return video, audio, [*variant.tracks, *tracks]


def _usual_audio(
    container: InputContainer, video: VideoStream | None, sounds: Sequence[AudioStream]
) -> AudioStream | None:
    """Return the default or else the first audio track of the program of the video.

    A program is a channel of a transport stream, or a variant of an HLS source.
    """
    own = next((each for each in programs(container) if video is not None and video.index in each), None)

    def rank(track: AudioStream) -> tuple[bool, bool, bool]:
        marks = track.disposition
        impaired = marks & (Disposition.visual_impaired | Disposition.hearing_impaired)
        known = track.codec_context is not None and track.codec_context.sample_rate > 0
        return known, not impaired, bool(marks & Disposition.default)

    tracks = [track for track in sounds if own is None or track.index in own]
    return max(tracks, key=rank, default=None)


def _listed(tracks: Sequence[OfferedTrack]) -> list[JsonObject]:
    """Return the kinds of tracks of which there is a choice, in the form of ``MediaInfo.tracks``."""
    kinds = [track.kind for track in tracks]
    several = [track for track in tracks if kinds.count(track.kind) > 1]
    return [{name: value or None for name, value in asdict(track).items() if name != "is_default"} for track in several]


def _unknown(
    sent: Sequence[Stream], spec: RecorderSpec, video: VideoStream | None, audio: AudioStream | None
) -> list[Stream]:
    """Return the tracks of a wanted kind of which there is none that can be read yet."""
    missing = [kind for kind, found in (("video", video), ("audio", audio)) if found is None]
    return [
        stream
        for stream in sent
        if stream.type in missing
        and stream.type in spec.media_types
        and stream.codec_context is not None
        and not stream.disposition & Disposition.attached_pic
    ]


def _described(container: InputContainer, spec: RecorderSpec, scheme: str, opened: Input) -> Source:
    """Choose the streams to read and describe them."""
    sent = _sent(container, opened)
    video, audio, tracks = _chosen(container, spec, _variant(opened), sent)
    if audio is not None and (audio.codec_context is None or not audio.codec_context.sample_rate):
        audio = None
    if video is None and audio is None:
        wanted = " or ".join(spec.media_types)
        raise SourceFailed(f"the source has no {wanted} in a format that can be read", True, HealthCode.NOT_MEDIA)
    unknown = [] if scheme == "file" or container.format.name == "hls" else _unknown(sent, spec, video, audio)
    for stream in container.streams:
        # For an HLS source, this also prevents the download of the other variants.
        if stream is not video and stream is not audio and stream not in unknown:
            stream.discard = Discard.all
    media: JsonObject = {"tracks": _listed(tracks)}
    unrecordable: dict[str, str] = {}
    if video is not None:
        rate = video.average_rate or video.guessed_rate
        # A transport stream may announce its size only with the next keyframe.
        size = (video.width, video.height) if video.width else (None, None)
        media |= {"video_codec": codec_of(video), "width": size[0], "height": size[1]}
        media["fps"] = round(float(rate), 3) if rate else None
        if spec.record and codec_of(video) not in RECORDABLE_VIDEO:
            unrecordable["video"] = f"{codec_of(video)} video {NOT_RECORDABLE.format('video')}"
    if audio is not None:
        media |= {"audio_codec": codec_of(audio), "audio_rate": audio.codec_context.sample_rate}
        if spec.record and not is_recordable(codec_of(audio), audio.codec_context.sample_rate):
            unrecordable["audio"] = f"{codec_of(audio)} audio {NOT_RECORDABLE.format('audio')}"
    hls = container.format.name == "hls"
    paced = scheme == "file" or (scheme in ("http", "https") and (container.duration or 0) > 0)
    clockless = container.format.name in CLOCKLESS and not paced
    media["timing"] = "arrival" if clockless else "source"
    if clockless:
        media["fps"] = None  # measured later
    return Source(container, video, audio, scheme, paced, hls, media, clockless, unrecordable, unknown=unknown)
