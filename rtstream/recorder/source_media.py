"""The media that a source carries now. Its formats can change at any time after the opening."""

from __future__ import annotations

import time
from typing import cast

from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from rtstream.json_types import JsonObject
from rtstream.recorder.audio_encoder import is_recordable
from rtstream.recorder.failures import FormatChanged
from rtstream.recorder.parameter_sets import (
    decoder_configuration,
    is_vp9_keyframe,
    known_at_opening,
    parameter_sets,
    video_format,
)
from rtstream.recorder.stream_listing import codec_names
from rtstream.recorder.writer import RECORDABLE_VIDEO, TrackFormats, codec_of
from rtstream.rules.audio_format import HEADER_BYTES, MASKS, AudioFormat, audio_format

QUICK_S = 10.0
"""Changes of the video's format that follow each other more quickly are spaced, by twice as much each time."""
STABLE_S = 2.0
LONGEST_STABLE_S = 600.0
PROVING = 2  # frames with the same new header, because one may be damaged
LOOK_S = 1.0
UNCERTAIN = "uncertain"
"""Result for a packet that seems to be of another format, but may be damaged."""


class SourceMedia:
    """Owns the description of the tracks of a connection: codecs, sizes, rates and decoder configurations.

    The description of the opening is only the beginning. ``video_changed`` and ``audio_changed`` compare it with the
    packets, and update it.
    """

    def __init__(self, video: VideoStream | None, audio: AudioStream | None, shown: JsonObject) -> None:
        """Describe the tracks as they were at opening. ``shown``: fields of MediaInfo, which are updated."""
        self.video, self.audio = video, audio
        self.still = False
        """Whether the source sends no video at present, so that the audio is recorded alone."""
        self.shown = shown
        self.video_codec = "" if video is None else codec_of(video)
        self.audio_codec = "" if audio is None else codec_of(audio)
        self.configuration = b""
        """Parameter sets of the video; empty for those that it had at opening."""
        self.size = (0, 0) if video is None else (video.width, video.height)
        self._parameters = known_at_opening(None if video is None else video.codec_context.extradata)
        self._changed_at, self._stable_s = float("-inf"), 0.0
        self.audio_format = _opened(audio)
        self.audio_configuration = b""
        """Decoder configuration of the audio; empty for that of the opening."""
        # AAC whose configuration comes apart from it has no headers to compare.
        bare = self.audio_codec == "aac" and audio is not None and bool(audio.codec_context.extradata)
        self._mask = 0 if bare else MASKS.get(self.audio_codec, 0)
        self._key = 0  # the masked header of the audio's frames
        self._header: AudioFormat | None = None
        self._seen = 0  # frames in a row with another header
        track = video or audio
        self._in_ts = track is not None and track.container.format.name == "mpegts"
        self._marks_vp9 = self.video_codec == "vp9" and track is not None and track.container.format.name == "rtsp"
        self._next_look = 0.0  # monotonic; at the codec of audio without headers
        self._in_flv = audio is not None and "flv" in audio.container.format.name

    @property
    def formats(self) -> TrackFormats:
        """The present formats, for a recording that is about to begin."""
        return TrackFormats(self.size, self.configuration, self.audio_format, self.audio_configuration)

    def video_context(self) -> VideoCodecContext:
        """Return a new decoder for the video as it is now."""
        assert self.video is not None
        context = cast(VideoCodecContext, VideoCodecContext.create(self.video.codec_context.name, "r"))
        extradata = self.configuration or self.video.codec_context.extradata
        if extradata:
            context.extradata = extradata
        return context

    def audio_context(self) -> AudioCodecContext:
        """Return a decoder for the audio as it is now."""
        assert self.audio is not None
        if not self.audio_configuration:
            return self.audio.codec_context
        context = cast(AudioCodecContext, AudioCodecContext.create(self.audio.codec_context.name, "r"))
        context.extradata = self.audio_configuration
        return context

    @property
    def recordable(self) -> tuple[VideoStream | None, AudioStream | None]:
        """The tracks that can be stored in a recording, as far as they are known."""
        video, audio = self.video, self.audio
        if self.still or self.video_codec not in RECORDABLE_VIDEO:
            video = None
        if not self.audio_format.rate or not is_recordable(self.audio_codec, self.audio_format.rate):
            audio = None
        return video, audio

    def mark_keyframe(self, packet: Packet) -> None:
        """Mark a packet of the video as a keyframe where the codec library does not (VP9 over RTSP)."""
        if self._marks_vp9 and is_vp9_keyframe(bytes(memoryview(packet)[:1])):
            packet.is_keyframe = True

    def video_changed(self, packet: Packet) -> str | None:
        """Compare a keyframe with the description of the video, and update it.

        Returns:
            The change as words for people; empty if the format became known only now. None without a change.

        Raises:
            FormatChanged: The codec is another one.
        """
        found = parameter_sets(packet, self.video_codec)
        if self._in_ts and self._parameters and not found and self.video is not None:
            self._check_codec(self.video, self.video_codec)
        differs = bool(found and self._parameters) and not found & self._parameters
        if not differs and self.size[0]:
            self._parameters = found or self._parameters
            return None
        if differs and self.size[0] and time.monotonic() - self._changed_at < self._stable_s:
            return None
        assert self.video is not None
        announced = self._announced(packet) or (b"" if differs else self.video.codec_context.extradata or b"")
        new = video_format(packet, self.video_codec, announced)
        if new is None:  # damaged; recording reports it
            return None
        self._parameters = found or self._parameters
        before, self.size = self.size, (new.width, new.height)
        self.configuration = new.configuration or self.configuration
        fps = self.shown.get("fps")
        if not fps and packet.duration:
            fps = round(float(1 / (packet.duration * packet.time_base)), 3)
        self._show(width=new.width, height=new.height, fps=fps)
        if not before[0]:
            return ""
        now = time.monotonic()
        quick = now - self._changed_at < max(QUICK_S, 2 * self._stable_s)
        self._stable_s = min(max(STABLE_S, 2 * self._stable_s), LONGEST_STABLE_S) if quick else 0.0
        self._changed_at = now
        if before == self.size:
            return "the video's parameters changed"
        return f"the video changed from {before[0]}x{before[1]} to {new.width}x{new.height}"

    def _check_codec(self, track: VideoStream | AudioStream, opened: str) -> None:
        """Raise FormatChanged if the tables name another codec, although the packets keep the name of the opening.

        Not called for every packet, because that costs more: only for a keyframe without parameter sets after others
        that had them, and for audio without the headers of its codec.
        """
        own = "video" if track is self.video else "audio"  # ``track.type`` follows the tables
        kind, name = codec_names(track.container).get(track.index, (own, opened))
        if kind != own:
            raise FormatChanged(f"the source sends another {own} track", own)
        if name != opened:
            raise FormatChanged(f"the {own} changed from {opened} to {name}", own)

    def _announced(self, packet: Packet) -> bytes:
        """Return the parameter sets in the packet, or in its side data."""
        if packet.has_sidedata("new_extradata"):
            return bytes(packet.get_sidedata("new_extradata"))
        return decoder_configuration(packet, self.video_codec)

    def audio_changes(self, packet: Packet) -> bool:
        """Return whether a packet of the audio seems to be of another format than the ones before. Cheap."""
        if self._mask:
            head = memoryview(packet)[:HEADER_BYTES]
            if int.from_bytes(head, "big") & self._mask != self._key and len(head) == HEADER_BYTES:
                return True
        if self._in_flv:
            for side in packet.iter_sidedata():  # ``has_sidedata`` takes four times as long, here for every packet
                if side.data_type == "new_extradata":
                    return True
        return False

    def audio_changed(self, packet: Packet) -> str | None:
        """Examine a packet for which ``audio_changes`` is true, and update the description of the audio.

        Returns:
            The change as words for people; empty if the description of the opening was wrong. ``UNCERTAIN`` for a
            packet that may be damaged. None if the format is the same.

        Raises:
            FormatChanged: The codec is another one.
        """
        if self._in_flv and packet.has_sidedata("new_extradata"):
            return self._audio_configured(packet, bytes(packet.get_sidedata("new_extradata")))
        head = bytes(memoryview(packet)[:HEADER_BYTES])
        found = audio_format(self.audio_codec, head)
        if found is None:  # AAC without headers, damaged, or of another codec
            now = time.monotonic()
            if self._in_ts and self.audio is not None and now >= self._next_look:
                self._next_look = now + LOOK_S
                self._check_codec(self.audio, self.audio_codec)
            return None
        if self._header is not None and found != self._header:
            self._seen += 1
            if self._seen < PROVING:
                return UNCERTAIN
        before, self._header, self._seen = self._header, found, 0
        self._key = int.from_bytes(head, "big") & self._mask
        if found == before or (before is None and found == self.audio_format):
            return None
        decoded = decoded_format(packet, self.audio_codec, b"")
        change = self._audio_described(decoded or found)
        return change if before is not None or change is None else ""

    def _audio_configured(self, packet: Packet, configuration: bytes) -> str | None:
        assert self.audio is not None
        if configuration == (self.audio_configuration or self.audio.codec_context.extradata):
            return None
        found = decoded_format(packet, self.audio_codec, configuration)
        if found is None:  # damaged
            return None
        self.audio_configuration = configuration
        return self._audio_described(found) or "the audio's parameters changed"

    def _audio_described(self, found: AudioFormat) -> str | None:
        before, self.audio_format = self.audio_format, found
        self._show(audio_rate=found.rate)
        if found == before:
            return None
        return f"the audio changed from {_words(before)} to {_words(found)}"

    def measured(self, fps: float) -> None:
        """Show the measured rate of the video, in pictures per second."""
        self._show(fps=round(fps, 1))

    def _show(self, **values: object) -> None:
        self.shown = self.shown | values


def decoded_format(packet: Packet, codec: str, configuration: bytes) -> AudioFormat | None:
    """Return the format of the audio in a packet by decoding it; None if it cannot be decoded."""
    try:
        context = cast(AudioCodecContext, AudioCodecContext.create(codec, "r"))
        if configuration:
            context.extradata = configuration
        for frame in [*context.decode(Packet(bytes(packet))), *context.decode(None)]:
            return AudioFormat(frame.sample_rate, frame.layout.nb_channels)
    except (FFmpegError, ValueError, MemoryError):
        pass
    return None


def _opened(audio: AudioStream | None) -> AudioFormat:
    if audio is None:
        return AudioFormat(0, 0)
    return AudioFormat(audio.codec_context.sample_rate, audio.codec_context.layout.nb_channels)


def _words(found: AudioFormat) -> str:
    layout = {1: "mono", 2: "stereo"}.get(found.channels, f"{found.channels} channels")
    return f"{found.rate / 1000:g} kHz {layout}"
