"""Records packets without re-encoding, as fragmented MP4 segments in files."""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import shutil
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream

from rtstream.ids import recording_id
from rtstream.messages import Message, RecordingEnded, RecordingStarted, SegmentClosed
from rtstream.mp4.edit_list import with_edit_list
from rtstream.mp4.fragments import FragmentSplitter, codecs, delay, track_runs, track_scales
from rtstream.recorder.audio_encoder import ENCODED_AUDIO, AudioEncoder
from rtstream.recorder.disk_sync import DiskSync
from rtstream.recorder.log import RecordingLog
from rtstream.rules.audio_format import AudioFormat
from rtstream.rules.recording_log import RecordingClosed, RecordingOpened, SegmentWritten
from rtstream.rules.wall_clock import WallClock

log = logging.getLogger(__name__)

VIDEO_RATE = 90_000  # ticks per second of recorded video

# The video codecs that MP4 supports and this muxer writes. Everything else is analysed but not recorded.
RECORDABLE_VIDEO = {"h264", "hevc", "av1", "vp9", "mpeg4", "mjpeg", "mpeg2video"}

# One fragment per GOP. GOPs under half a second are joined, longer ones are split after ``LONGEST_FRAGMENT_S``.
# Decode times are absolute (frag_discont, no edit lists): a fragment's times are those of the recording.
MUXER_OPTIONS = {
    "movflags": "empty_moov+delay_moov+default_base_moof+frag_keyframe+skip_trailer+frag_discont",
    "use_editlist": "0",
    "min_frag_duration": "500000",
    "max_interleave_delta": "1000000",
    "flush_packets": "1",
}
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
LONGEST_FRAGMENT_S = 2.0
"""A killed recorder loses at most this much, however far apart the keyframes are."""
STILL_S = 2.0  # audio that continues for longer than the video belongs to the recording: its picture stands still
LONGEST_SEGMENT_S = 60.0  # cut even without a keyframe
FILE_SPAN_S = 60.0
FILE_DATE = "%Y-%m-%dT%H-%M-%SZ"
"""Date in the name of a file, behind its number, which keeps the order where the clock goes back."""


def codec_of(stream: VideoStream | AudioStream) -> str:
    """Return the codec of a stream, such as ``mp3``. Its decoder may have another name, such as ``mp3float``."""
    return stream.codec_context.codec.canonical_name


class DamagedMedia(ValueError):
    """The muxer produced something that cannot be stored, because the source's parameter sets are damaged."""


class TrackFormats(NamedTuple):
    """The formats with which a recording begins."""

    size: tuple[int, int]  # of the video in pixels, zero if unknown
    configuration: bytes  # of the video, empty for that of the opening
    audio_format: AudioFormat
    audio_configuration: bytes


def _describe_video(stream: VideoStream, formats: TrackFormats) -> None:
    """Set the format of a video stream that was described otherwise when its source was opened."""
    context, (width, height) = stream.codec_context, formats.size
    if formats.configuration:
        context.extradata = formats.configuration
    if width and (context.width, context.height) != formats.size:
        context.width, context.height = width, height


def _describe_audio(stream: AudioStream, formats: TrackFormats) -> None:
    context, found = stream.codec_context, formats.audio_format
    if formats.audio_configuration:
        context.extradata = formats.audio_configuration
    if found.rate and (context.sample_rate, context.layout.nb_channels) != found:
        context.sample_rate = found.rate
        context.layout = LAYOUTS.get(found.channels, f"{found.channels} channels")


def _format_of(audio: AudioStream) -> AudioFormat:
    return AudioFormat(audio.codec_context.sample_rate, audio.codec_context.layout.nb_channels)


@dataclass
class _OpenSegment:
    start: float  # seconds on the time line of the recording
    path: str
    offset: int
    length: int = 0


def _require_room(folder: Path, min_free_bytes: int) -> None:
    """Raise OSError if less than ``min_free_bytes`` are free on the disk."""
    if min_free_bytes and shutil.disk_usage(folder).free < min_free_bytes:
        raise OSError(errno.ENOSPC, f"less than {min_free_bytes / 1e9:.3g} GB are free on the disk")


def _reached(folder: Path) -> float:
    """Return the media time in seconds at which the recordings in a stream's folder end, or 0 if there are none.

    It is stored as the folder's modification time, which is correct by itself if the clock never goes back.
    """
    with os.scandir(folder) as entries:
        if not any(entry.is_dir() for entry in entries):
            return 0.0
    return folder.stat().st_mtime


class RecordingWriter:
    """One continuous recording with one muxer, one init segment and files ``<recording_id>/<counter>_<date>.m4s``.

    Times passed to :meth:`add` are ticks on the connection's time line (video 90 kHz, audio its sample rate). The
    recording's own time starts at 0 with its first keyframe, or with the first audio packet if there is no video.

    The times inside the files are media times. These are Unix seconds, but later where the clock went back, so that no
    recording begins before all earlier ones in ``folder`` have ended. Players that ignore discontinuities (such as
    ffmpeg's) need increasing times. Nothing is written before the clock has settled.

    Raises:
        OSError: Less than ``min_free_bytes`` of the disk are free. :meth:`add` raises it before a new segment.
    """

    def __init__(
        self,
        folder: Path,
        segment_s: float,
        clock: WallClock,
        send: Callable[[Message], None],
        video: VideoStream | None,
        audio: AudioStream | None,
        min_free_bytes: int = 0,
        *,
        name: str = "",
        url: str = "",
        sync: DiskSync | None = None,
        formats: TrackFormats | None = None,
        on_written: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Create a recording.

        ``formats`` are those of the tracks now; by default, those at opening. ``on_written(is_video)`` is called when
        a fragment of a track has been written.
        """
        self.min_free_bytes = min_free_bytes
        self._name, self._url = name, url  # of the stream, for its log; the URL contains no credentials
        _require_room(folder, min_free_bytes)
        self.id = recording_id()
        self._sync = sync or DiskSync()
        self._on_written = on_written
        self._log = RecordingLog(folder / self.id, self._sync)
        self._folder, self._segment_s, self._clock, self._send = folder, segment_s, clock, send
        self._origin: float | None = None  # seconds on the time line
        self._bases = 0, 0  # the origin in ticks of audio and video
        self._sink = FragmentSplitter()
        fragment_s = LONGEST_FRAGMENT_S if video is not None else segment_s
        options = MUXER_OPTIONS | {"frag_duration": str(int(fragment_s * 1e6))}
        self._muxer = av.open(self._sink, "w", format="mp4", options=options)
        self._video = self._audio = self._unwrap_adts = None
        self._audio_rate, self._audio_base = 0, Fraction(0)
        if video is not None:
            self._video = self._muxer.add_stream_from_template(video, opaque=True)
            self._video.time_base = Fraction(1, VIDEO_RATE)
            if formats is not None:
                _describe_video(self._video, formats)
            if codec_of(video) == "hevc":
                self._video.codec_context.codec_tag = "hvc1"  # hev1, the default, does not play in Safari
        self._encoder: AudioEncoder | None = None
        if audio is not None:
            if codec_of(audio) in ENCODED_AUDIO:
                self._encoder = AudioEncoder(self._muxer, audio, formats.audio_format if formats else _format_of(audio))
                self._audio = self._encoder.stream
            else:
                self._audio = self._muxer.add_stream_from_template(audio)
                if formats is not None:
                    _describe_audio(self._audio, formats)
            self._audio_rate = self._audio.codec_context.sample_rate
            self._audio.time_base = self._audio_base = Fraction(1, self._audio_rate)
            if codec_of(audio) == "aac" and not self._audio.codec_context.extradata:
                self._unwrap_adts = BitStreamFilterContext("aac_adtstoasc", audio)
        self._lead_id = 0  # track id of the video, else of the audio
        self._lead_rate = VIDEO_RATE if video is not None else self._audio_rate
        # Decode and presentation ticks of muxed keyframes whose fragment has not been output yet.
        self._keyframes: deque[tuple[int, int]] = deque()
        self._zero = 0.0  # Unix seconds at the recording's time 0, once there is a fragment
        self._delays: dict[int, int] = {}  # from the recording's time to media time, in ticks of each track
        self._scales: dict[int, int] = {}
        self._media_end = self._media_zero = 0.0
        self._segment: _OpenSegment | None = None
        self._cut_gop = False  # the last segment was closed in the middle of a GOP
        self._next_start: float | None = None  # consecutive segments of a recording leave no hole
        self._end = 0.0
        self._still = False  # only audio arrives
        self.closed_segments = 0
        self._file: int | None = None
        self._file_name, self._file_count, self._file_start, self._file_size = "", 0, 0.0, 0

    def add(self, packet: av.Packet, is_video: bool, dts: int, pts: int) -> None:
        """Record a packet, whose time base must be that of its ticks.

        Args:
            packet: The packet.
            is_video: Whether it belongs to the video track.
            dts: Decode time in ticks.
            pts: Presentation time in ticks.

        Raises:
            av.error.FFmpegError: The packet is too damaged to be stored. The recording continues.
            DamagedMedia: Nothing more can be stored in this recording.
            OSError: The disk rejects the data.
        """
        if self._origin is None:
            if self._video is not None and not (is_video and packet.is_keyframe):
                return
            self._origin = dts / (VIDEO_RATE if is_video else self._audio_rate)
            self._bases = round(self._origin * self._audio_rate), round(self._origin * VIDEO_RATE)
        base, stream = self._bases[is_video], self._video if is_video else self._audio
        if dts < base or stream is None:
            return
        if self._encoder is not None and not is_video:
            self._mux_encoded(self._encoder.encode(packet, base))
        else:
            packets = (packet,) if is_video or self._unwrap_adts is None else self._unwrap_adts.filter(packet)
            for ready in packets:
                if ready is not packet:
                    ready.time_base = self._audio_base
                ready.dts, ready.pts, ready.stream = dts - base, pts - base, stream
                self._muxer.mux_one(ready)
        if is_video and packet.is_keyframe:
            self._keyframes.append((dts - base, pts - base))
        if self._sink.fragments and self._clock.offset is not None:
            self._write_fragments()

    def _mux_encoded(self, packets: Iterable[av.Packet]) -> None:
        for ready in packets:
            if ready.dts is not None and ready.dts >= 0:  # the first one only starts the decoder
                self._muxer.mux_one(ready)

    def finish(self) -> None:
        """Write what the muxer still holds, then close the last segment and the recording."""
        try:
            if self._encoder is not None and self._origin is not None:
                self._mux_encoded(self._encoder.finish())
            self._muxer.close()
            if self._clock.offset is None:
                self._clock.offset = self._clock.estimate()
            self._write_fragments()
            if self._segment is not None:
                self._close_segment(self._end)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """End the recording without what the muxer still holds. Whole fragments already written remain."""
        try:
            if self._file is not None and self._segment is not None:
                os.ftruncate(self._file, self._segment.offset + self._segment.length)  # a part of a fragment
                if self._segment.length:
                    self._close_segment(self._end)
            if self._lead_id:
                self._log.append(RecordingClosed(self._zero + self._end))
        except OSError as exc:  # a reader of a log without an end looks for fragments that the log does not list
            log.warning("the recording could not be closed: %s", exc.strerror)
        finally:
            self._segment = None
            if self._file is not None:
                os.close(self._file)
                self._file = None
            self._log.close()
            if self._lead_id:
                self._send(RecordingEnded(self.id, self._zero + self._end))

    def _write_fragments(self) -> None:
        if not self._sink.fragments or self._clock.offset is None:
            return
        fragments, self._sink.fragments = self._sink.fragments, []
        try:
            if not self._lead_id:
                self._codecs()  # a recording that no player can open is not begun
                self._place_in_time(self._clock.offset)
            for fragment in fragments:
                self._write_fragment(fragment)
        except (ValueError, LookupError, ArithmeticError, StopIteration, struct.error) as exc:
            raise DamagedMedia(f"the media of the source is damaged: {exc}") from exc

    def _place_in_time(self, clock_offset: float) -> None:
        """Determine the Unix time and the media time of the recording's time 0."""
        assert self._origin is not None
        handler = b"vide" if self._video is not None else b"soun"
        tracks = track_scales(self._sink.init)
        self._lead_id, self._lead_rate = next((k, scale) for k, (kind, scale) in tracks.items() if kind == handler)
        self._scales = {track: scale for track, (_, scale) in tracks.items()}
        self._zero = clock_offset + self._origin
        # A moment that is a whole number of ticks of every track, so that audio and video move by exactly the same.
        common = math.gcd(*self._scales.values())
        moment = math.ceil(max(self._zero, _reached(self._folder)) * common)
        self._media_end = self._media_zero = moment / common
        self._delays = {track: moment * (scale // common) for track, scale in self._scales.items()}

    def _write_fragment(self, fragment: bytearray) -> None:
        """Append a fragment to the open segment, which is closed once it is long enough and a keyframe follows."""
        runs = track_runs(fragment)
        delay(fragment, runs, self._delays)
        for run in runs:
            end = (max(run.end_dts, run.end_pts) + self._delays[run.track_id]) / self._scales[run.track_id]
            self._media_end = max(self._media_end, end)
            self._on_written(self._video is not None and run.track_id == self._lead_id)
        times = next((run for run in runs if run.track_id == self._lead_id), None)
        if times is None:
            # Audio alone at the end of a recording belongs to the current segment.
            if self._segment is not None:
                self._append(fragment)
                reached = max(run.end_dts / self._scales[run.track_id] for run in runs)
                if reached > self._end + STILL_S or self._still:
                    self._end, self._still = reached, True
            return
        first_pts, self._still = times.first_dts, False
        while self._keyframes and self._keyframes[0][0] <= times.last_dts:
            dts, pts = self._keyframes.popleft()
            if dts <= times.first_dts:
                first_pts = pts
        if self._segment is None:
            start = first_pts / self._lead_rate if self._next_start is None else self._next_start
            if self._next_start is None:
                self._open(start)
            self._segment = _OpenSegment(start, *self._place(start))
        self._append(fragment)
        # The muxer output the fragment because the next keyframe arrived. Its presentation time ends this fragment.
        cut = self._keyframes[0][1] if self._keyframes else None
        if self._video is None:
            cut = times.end_dts
        self._end = (times.end_pts if cut is None else cut) / self._lead_rate
        length_s = self._end - self._segment.start
        if (cut is not None and length_s >= self._segment_s - 0.05) or length_s >= LONGEST_SEGMENT_S:
            self._cut_gop = cut is None
            self._close_segment(self._end)

    def _open(self, start: float) -> None:
        """Write the first line of the log, then announce the recording."""
        init, started_at = self._sink.init, self._zero + start
        media_start = self._media_zero + start
        (self._folder / self.id).mkdir(exist_ok=True)
        self._sync.soon_folder(self._folder)
        names = self._codecs()
        self._log.append(
            RecordingOpened(self.id, self._folder.name, started_at, names, init, self._name, self._url, media_start)
        )
        self._send(RecordingStarted(self.id, started_at, names, init))

    def _codecs(self) -> str:
        return codecs(self._sink.init, layer_2=self._audio is not None and codec_of(self._audio) == "mp2")

    def _place(self, start: float) -> tuple[str, int]:
        """Return the file and offset for a segment that starts at ``start`` seconds.

        A file spans about a minute, but no GOP extends over two. Readers rely on that (``rules.playlist.whole_gops``).
        """
        _require_room(self._folder, self.min_free_bytes)
        if self._file is None or (start - self._file_start >= FILE_SPAN_S and not self._cut_gop):
            if self._file is not None:
                os.close(self._file)
                self._file = None
            at = time.strftime(FILE_DATE, time.gmtime(max(0.0, self._zero + start)))
            name = f"{self.id}/{self._file_count:06d}_{at}.m4s"
            self._file_name, self._file_start, self._file_size = name, start, 0
            self._file_count += 1
            path = self._folder / self._file_name
            path.parent.mkdir(exist_ok=True)
            self._note_reached()
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
            self._sync.soon_folder(path.parent)
            self._write(self._header(start))
        return self._file_name, self._file_size

    def _header(self, start: float) -> bytes:
        """Return the header with which a file that starts at ``start`` seconds opens by itself, and is shown from 0."""
        starts = {track: self._delays[track] + round(start * scale) for track, scale in self._scales.items()}
        return with_edit_list(self._sink.init, starts)

    def _note_reached(self) -> None:
        """Store the value of :func:`_reached`. Repeat after creating a folder in it, which also changes that time."""
        with contextlib.suppress(OSError):  # only the owner of the folder may do this
            os.utime(self._folder, (self._media_end, self._media_end))

    def _append(self, fragment: bytes | bytearray) -> None:
        """Add a fragment to the current segment."""
        assert self._segment is not None
        self._write(fragment)
        self._segment.length += len(fragment)

    def _write(self, data: bytes | bytearray) -> None:
        """Pass the bytes to the operating system. From here on, a killed process loses nothing."""
        assert self._file is not None
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._file_size += len(data)

    def _close_segment(self, end: float) -> None:
        """Log the current segment, then announce it."""
        segment = self._segment
        assert segment is not None
        assert self._file is not None
        self.closed_segments += 1
        self._segment, self._next_start = None, end
        self._note_reached()
        start, duration = self._zero + segment.start, end - segment.start
        self._sync.soon(self._file)
        self._log.append(SegmentWritten(start, duration, segment.path, segment.offset, segment.length))
        self._send(SegmentClosed(self.id, start, duration, segment.path, segment.offset, segment.length))
