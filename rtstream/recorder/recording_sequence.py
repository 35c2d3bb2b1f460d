"""The recordings of one connection. Each begins at a keyframe, and another follows after a failure."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from av.error import FFmpegError
from av.packet import Packet

from rtstream.messages import RecorderSpec
from rtstream.recorder.disk_sync import DiskSync
from rtstream.recorder.failures import failure_code
from rtstream.recorder.outbox import Outbox
from rtstream.recorder.parameter_sets import usable_configuration
from rtstream.recorder.recording_wait import RecordingWait, WaitingPacket
from rtstream.recorder.source_health import SourceHealth
from rtstream.recorder.source_media import SourceMedia
from rtstream.recorder.writer import DamagedMedia, RecordingWriter
from rtstream.rules.redaction import show_url
from rtstream.rules.timestamps import Placed
from rtstream.rules.track_flow import Lack, TrackFlow
from rtstream.rules.wall_clock import WallClock
from rtstream.states import HealthCode

log = logging.getLogger(__name__)

RETRY_S = 10.0
DAMAGED_RETRY_S = 0.5  # then, the next decodable keyframe begins a recording
MOST_UNDECODABLE = 3
MOST_REFUSED = 200
SILENT = "the source declares an audio track but sends no audio, so the video is recorded alone"


class RecordingSequence:
    """Writes the packets of a connection to one recording after another, with the tracks that send something."""

    def __init__(
        self,
        spec: RecorderSpec,
        media: SourceMedia,
        outbox: Outbox,
        sync: DiskSync,
        clock: WallClock,
        health: SourceHealth,
        flows: Mapping[bool, TrackFlow],
    ) -> None:
        """Create an empty sequence. ``flows`` counts the packets of the video (True) and the audio (False)."""
        self.clock = clock
        """The clock of the timeline. Another one is set only after ``finish``."""
        self._spec, self._media, self._outbox, self._sync, self._health = spec, media, outbox, sync, health
        self._flows = flows
        self._recording: RecordingWriter | None = None
        self._formats = media.formats  # of the recording that is open or about to begin
        self._ends = False  # the recording ends before the next keyframe, because a format has changed
        self._wait = RecordingWait(self._audio_rate)
        self._unstored = False  # health shows a reason until a segment is stored
        self._undecodable = 0  # keyframes that could not begin a recording
        self._refused = 0  # consecutive packets that the muxer refused
        self._paused_until = 0.0  # monotonic; end of the pause after a failed recording

    def adjust(self, spec: RecorderSpec) -> None:
        """Apply new limits. The length of segments changes with the next recording."""
        self._spec = spec
        if self._recording is not None:
            self._recording.min_free_bytes = spec.min_free_bytes

    @property
    def _audio_rate(self) -> int:
        """Ticks per second of the audio to wait for; 0 if none is recorded together with video."""
        return 0 if None in self._media.recordable else self._media.audio_format.rate

    def format_changed(self) -> None:
        """End the recording at the next keyframe, or now if there is no video. The next one has the new format."""
        if self._media.recordable[0] is None:
            self.finish()
        self._ends = True

    def note_audio(self) -> None:
        """Note that the audio track sent a packet that can be recorded."""
        if not self._wait.has_audio:
            self._wait.note_audio()

    @property
    def audio_is_silent(self) -> bool:
        """Whether the video is recorded alone because the declared audio track sends nothing."""
        video, audio = self._media.recordable
        return video is not None and audio is not None and not self._wait.has_audio

    def add(self, packet: Packet, is_video: bool, placed: Placed, at: float) -> None:
        """Record a packet.

        Args:
            packet: A packet of the video or audio, with the times of ``placed``.
            is_video: Whether it belongs to the video track.
            placed: Its times in ticks of its track on the timeline.
            at: Its decode time in seconds on the timeline.
        """
        if self._ends and not self._belongs(packet, is_video):
            self._flows[is_video].drop("before_keyframe")
            return
        if self._recording is not None:
            if not (is_video and packet.is_keyframe and self._wait.joins()):
                self._store(packet, is_video, placed.dts, placed.pts)
                return
            log.info("new recording: the audio track sends")
            self._close_recording()
        if time.monotonic() < self._paused_until or self._media.recordable == (None, None):
            self._flows[is_video].drop("not_recording")
            return
        if self._wait.configuration is None:
            configuration = self._configuration(packet, is_video)
            if configuration is None:
                self._flows[is_video].drop("before_keyframe")
                return
            self._formats = self._media.formats
            self._wait.audio_rate = self._audio_rate
            self._wait.begin(configuration, at)
        self._wait.add(WaitingPacket(packet, is_video, placed.dts, placed.pts), at)
        if self._wait.is_over:
            self._begin_recording()

    def _belongs(self, packet: Packet, is_video: bool) -> bool:
        """Return whether a packet after a change of format is recorded: with video, no audio until a keyframe."""
        if self._media.recordable[0] is not None and not (is_video and packet.is_keyframe):
            return is_video
        self.finish()
        self._ends = False
        self._wait.audio_rate = self._audio_rate
        return True

    def _begin_recording(self) -> None:
        """Open a recording with the tracks that have sent something, and store the packets that waited."""
        try:
            self._recording = self._new_recording(self._wait.configuration or b"")
        except (OSError, ValueError) as exc:
            self._recording_failed(exc, RETRY_S)
        else:
            self._show_silent_audio()
        for ready in self._wait.take():
            self._store(*ready)

    def _show_silent_audio(self) -> None:
        """Say in health that the recording has no audio, and no longer once it has."""
        if self._media.recordable[1] is not None:
            self._health.problem("audio", Lack(HealthCode.TRACK_SILENT, SILENT) if self.audio_is_silent else None)

    def _store(self, packet: Packet, is_video: bool, dts: int, pts: int) -> None:
        if self._recording is None:
            return
        try:
            self._recording.add(packet, is_video, dts, pts)
            self._refused = 0
            self._flows[is_video].stored += 1
            if self._unstored and self._recording.closed_segments:
                self._unstored = False
                self._health.resume()
        except FFmpegError as exc:  # first, because some of them are also OSErrors
            self._refused += 1
            self._outbox.count("packets_unstorable")
            self._flows[is_video].drop("unstorable")
            if self._refused > MOST_REFUSED:
                self._recording_failed(exc, RETRY_S)
        except DamagedMedia as exc:
            self._undecodable = 0
            self._recording_failed(exc, DAMAGED_RETRY_S)
        except (OSError, ValueError) as exc:
            self._recording_failed(exc, RETRY_S)

    def _configuration(self, packet: Packet, is_video: bool) -> bytes | None:
        """Return the parameter sets with which a recording can begin at this packet.

        The result is empty for those that the source had when it was opened, and None if the recording cannot begin.
        """
        video, _ = self._media.recordable
        if video is None:
            return b""
        if not (is_video and packet.is_keyframe):
            return None
        if self._undecodable >= MOST_UNDECODABLE:
            return b""  # other decoders may be able to decode it
        own = self._media.configuration or video.codec_context.extradata or b""
        found = usable_configuration(packet, self._media.video_codec, own)
        if found is None:
            self._undecodable += 1
            self._outbox.count("keyframes_undecodable")
            if not self._unstored:
                self._recording_failed(DamagedMedia("a keyframe cannot be decoded"), 0.0)
        return found

    def _new_recording(self, configuration: bytes) -> RecordingWriter:
        spec, formats, (video, audio) = self._spec, self._formats, self._media.recordable
        if video is not None and not self._wait.has_audio:
            audio = None
        return RecordingWriter(
            Path(spec.folder),
            spec.segment_s,
            self.clock,
            self._outbox.send,
            video,
            audio,
            min_free_bytes=spec.min_free_bytes,
            name=spec.stream_name,
            url=show_url(spec.url),
            sync=self._sync,
            on_written=self._note_written,
            formats=formats._replace(configuration=configuration or formats.configuration),
        )

    def _note_written(self, is_video: bool) -> None:
        self._flows[is_video].note_fragment(time.monotonic())

    def _recording_failed(self, exc: Exception, retry_s: float) -> None:
        recording, self._recording = self._recording, None
        self._wait.take()
        if recording is not None:
            recording.abandon()
        self._paused_until = time.monotonic() + retry_s
        self._refused, self._unstored = 0, True
        log.warning("recording failed: %s", type(exc).__name__)
        reason = f"recording is paused: {exc.strerror}" if isinstance(exc, OSError) and exc.strerror else ""
        if isinstance(exc, DamagedMedia) or self._undecodable:
            reason = "recording is paused: the source sends damaged parameter sets (VPS, SPS or PPS)"
        reason = reason or "recording is paused: the stream could not be stored"
        self._health.pause(reason, failure_code(exc))

    def finish(self) -> None:
        """Close the recording, if one is open, with the packets that waited for it."""
        if self._wait.configuration is not None:
            self._begin_recording()
        self._close_recording()

    def _close_recording(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            try:
                recording.finish()
            except (OSError, ValueError, FFmpegError) as exc:
                log.warning("the last segment could not be finished: %s", type(exc).__name__)
