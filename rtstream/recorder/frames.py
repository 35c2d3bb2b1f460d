"""Decodes frames from compressed video, sampled for taps or on request, and encodes them as JPEG."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import av
import numpy as np
import simplejpeg
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from rtstream.messages import ClockReached, FrameTaken, Message, SetTaps
from rtstream.rules.sample_grid import grid_cell, keyframes_suffice, scaled_size

# Reads of a buffered source are bundled, because each wake-up is expensive. Results that are needed soon get shorter
# bundles.
RECORDED_PACE_S = 0.5  # only recording
PACE_S = 0.2  # occasional pictures, or audio
WATCHED_PACE_S = 0.05  # more than one picture per second
JPEG_QUALITY = 80
GOP_BYTES = 16 << 20
CLOCK_EVERY_S = 1.0
REORDER_S = 0.5  # longest time for which a decoder holds back a picture
MISSING_GOPS, MISSING_S = 5, 10.0
LONGEST_GOP_S = 300.0


def pixel_aspect(context: VideoCodecContext) -> float:
    """Return the width of a pixel divided by its height, as the decoder knows it. Frames of PyAV do not have it."""
    return float(context.sample_aspect_ratio or 1)


class JpegEncoder:
    """Encodes decoded frames as JPEG. It must not be used from two threads at the same time."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def encode(self, frame: av.VideoFrame, max_side: int, aspect: float) -> tuple[bytes, int, int]:
        """Return the JPEG of ``frame``, in square pixels, with its width and height.

        Args:
            frame: The frame.
            max_side: Longest side of the JPEG in pixels.
            aspect: The pixel aspect of the frame, see ``pixel_aspect``.
        """
        width, height = scaled_size(frame.width, frame.height, max_side, aspect)
        # A single thread, because more only add cost on small pictures.
        scaled = self._reformatter.reformat(frame, width, height, "yuvj420p", threads=1)
        return simplejpeg.encode_jpeg_yuv_planes(*map(_plane, scaled.planes), quality=JPEG_QUALITY), width, height


def _plane(plane: VideoPlane) -> NDArray[np.uint8]:
    """Return one plane as uint8 [height, width], without the padding of its lines."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return np.ascontiguousarray(lines[: plane.height, : plane.width])


class Sampler:
    """Decodes video only as far as the taps need it, and sends them the frames that are due.

    Packets must carry ticks of the time line (``rate`` per second). Decoding starts at a keyframe. If keyframes alone
    serve every tap, nothing else is decoded.
    """

    def __init__(
        self,
        context: VideoCodecContext,
        rate: int,
        send: Callable[[Message], None],
        count: Callable[[str], None],
    ) -> None:
        context.thread_type, context.thread_count = "NONE", 1
        self._context, self._rate, self._send, self._count = context, rate, send, count
        self._encoder = JpegEncoder()
        self._taps: dict[str, dict[str, float]] = {}
        self._cells: dict[str, int] = {}
        self._synced = False  # a keyframe and everything since has been decoded
        self._skipping = False  # until decoding has caught up
        self._last_keyframe: float | None = None
        self._gop_s: float | None = None
        self._clock = 0.0
        self.newest: tuple[av.VideoFrame, float] | None = None  # latest decoded frame and its Unix time

    def replace(self, context: VideoCodecContext) -> None:
        """Decode with another decoder from the next keyframe on."""
        self._reset()
        context.thread_type, context.thread_count = "NONE", 1
        self._context = context

    @property
    def aspect(self) -> float:
        """The pixel aspect of the decoded frames."""
        return pixel_aspect(self._context)

    def set_taps(self, taps: dict[str, dict[str, float]]) -> None:
        """Set the taps to serve from now on."""
        if not taps:
            self._reset()
        self._taps = taps
        self._cells = {tap: cell for tap, cell in self._cells.items() if tap in taps}

    def restart(self) -> None:
        """Reset the state, because the time line starts over."""
        self._reset()
        self._last_keyframe = None
        self._clock = 0.0

    def add(self, packet: av.Packet, at: float, offset: float | None, behind: bool) -> None:
        """Add a packet.

        Args:
            packet: The packet.
            at: Its decode time in seconds on the time line.
            offset: Unix time at the start of the time line, or None while unknown.
            behind: Whether decoding is slower than the source. If so, only keyframes are decoded until it has caught
            up.
        """
        if packet.is_keyframe:
            if self._last_keyframe is not None:
                self._gop_s = at - self._last_keyframe
            self._last_keyframe = at
        if not self._taps or offset is None:
            return
        keyframes_only = keyframes_suffice((tap["interval_s"] for tap in self._taps.values()), self._gop_s)
        if keyframes_only and not self._any_due(packet, offset):
            self._synced = False
            self._tell_clock(at + offset)
            return
        if behind or self._skipping:
            self._skipping = behind or not packet.is_keyframe
            keyframes_only = self._skipping
            if keyframes_only and not packet.is_keyframe:
                self._count("pictures_behind")
        self._decode(packet, offset, keyframes_only)
        # Reordered pictures may still be in the decoder.
        self._tell_clock(at + offset - (0.0 if keyframes_only else REORDER_S))

    def finish(self, offset: float) -> None:
        """Take the pictures that the decoder still holds, because no more packets follow."""
        if self._synced:
            try:
                frames = self._context.decode(None)
            except FFmpegError:
                frames = []
            for frame in frames:
                self._take(frame, offset)
        self._reset()

    def keyframes_missing(self, at: float) -> str:
        """Return the reason to open the source again if no keyframe has come for too long, else nothing.

        Where they were regular, the stream is now coded differently. Elsewhere, each picture would have to be decoded
        from ever further back, while most sources send a keyframe to a new connection.
        """
        since = at - (self._last_keyframe or 0.0)
        if self._gop_s is not None and since > MISSING_GOPS * self._gop_s + MISSING_S:
            return "the format of the stream changed"
        if since > max(LONGEST_GOP_S, 2 * (self._gop_s or 0.0)):
            return f"the source sent no keyframe for {since / 60:.0f} minutes"
        return ""

    def _any_due(self, packet: av.Packet, offset: float) -> bool:
        """Return whether a tap needs the picture in this packet."""
        if not packet.is_keyframe:
            return False
        assert packet.pts is not None
        time = packet.pts / self._rate + offset
        return any(self._cells.get(tap) != grid_cell(time, wanted["interval_s"]) for tap, wanted in self._taps.items())

    def _tell_clock(self, reached: float) -> None:
        if reached - self._clock >= CLOCK_EVERY_S or reached < self._clock - CLOCK_EVERY_S:
            self._clock = reached
            self._send(ClockReached(reached))

    def _decode(self, packet: av.Packet, offset: float, keyframes_only: bool) -> None:
        if packet.is_keyframe and not self._synced:
            self._synced = True
        elif not packet.is_keyframe and (keyframes_only or not self._synced):
            self._synced = False
            return
        try:
            frames = self._context.decode(packet)
            if keyframes_only:
                # The next packet to arrive is a keyframe seconds later, so flush this picture out now.
                frames += self._context.decode(None)
                self._context.flush_buffers()
                self._synced = False
        except FFmpegError:
            self._count("pictures_corrupt")
            self._context.flush_buffers()
            self._synced = False
            return
        for frame in frames:
            self._take(frame, offset)

    def _take(self, frame: av.VideoFrame, offset: float) -> None:
        if frame.is_corrupt or frame.pts is None:
            self._count("pictures_corrupt")
            return
        time = frame.pts / self._rate + offset
        self.newest = frame, time
        due: dict[int, list[str]] = {}
        for tap, wanted in self._taps.items():
            cell = grid_cell(time, wanted["interval_s"])
            if self._cells.get(tap) != cell:
                self._cells[tap] = cell
                due.setdefault(int(wanted["max_side"]), []).append(tap)
        by_size: dict[tuple[int, int], FrameTaken] = {}
        for max_side, taps in due.items():
            size = scaled_size(frame.width, frame.height, max_side, self.aspect)
            if size in by_size:
                by_size[size].taps.extend(taps)
                continue
            try:
                jpeg, width, height = self._encoder.encode(frame, max_side, self.aspect)
            except (FFmpegError, ValueError, MemoryError):  # of an absurd size, or in a format without planes
                self._count("pictures_corrupt")
                return
            by_size[size] = FrameTaken(time, taps, width, height, jpeg)
        for taken in by_size.values():
            self._send(taken)

    def _reset(self) -> None:
        if self._context.is_open:
            self._context.flush_buffers()
        self._synced, self._skipping, self.newest = False, False, None


class CurrentGop:
    """The packets since the last keyframe, bounded, from which the current picture can be decoded on request.

    One thread adds packets and another may read them.
    """

    def __init__(self, context: VideoCodecContext) -> None:
        self._codec = context.name
        self._extradata = context.extradata
        self._packets: list[tuple[av.Packet, float]] = []
        self._bytes = 0
        self._full = False
        self.aspect = 1.0  # pixel aspect of the picture that ``newest`` returned last

    def replace(self, context: VideoCodecContext) -> None:
        """Decode as this decoder does from the next keyframe on."""
        self._packets, self._bytes = [], 0
        self._extradata = context.extradata

    def add(self, packet: av.Packet, shown_at: float) -> None:
        """Add a packet that is presented at ``shown_at`` seconds on the time line."""
        if packet.is_keyframe:
            self._packets, self._bytes, self._full = [(packet, shown_at)], packet.size, False
        elif self._packets and not self._full:
            self._bytes += packet.size
            if self._bytes > GOP_BYTES:
                # Packets after a missing one cannot be decoded, so only the keyframe remains useful.
                self._packets, self._full = self._packets[:1], True
            else:
                self._packets.append((packet, shown_at))

    def clear(self) -> None:
        """Discard the collected packets."""
        self._packets, self._bytes = [], 0

    def newest(self) -> tuple[av.VideoFrame, float] | None:
        """Return the newest picture, decoded, and its time on the time line. None if there is none yet."""
        packets = list(self._packets)
        context = cast(VideoCodecContext, av.CodecContext.create(self._codec, "r"))
        context.thread_type, context.thread_count = "NONE", 1
        if self._extradata:
            context.extradata = self._extradata
        newest, frames = None, 0
        for packet in [*(packet for packet, _ in packets), None]:
            try:
                for frame in context.decode(packet):
                    newest, frames = frame, frames + 1
            except FFmpegError:
                continue
        if newest is None:
            return None
        self.aspect = pixel_aspect(context)
        # Pictures leave the decoder in presentation order.
        return newest, sorted(at for _, at in packets)[min(frames, len(packets)) - 1]


def current_picture(
    sampler: Sampler, gop: CurrentGop, offset: float, lead_at: float
) -> tuple[av.VideoFrame, float, float] | None:
    """Return the newest picture, its Unix time and its pixel aspect, or None before the first one.

    Args:
        sampler: Its last picture is used if it is at most a second old.
        gop: Decoded otherwise.
        offset: Unix seconds at the start of the timeline.
        lead_at: Seconds on the timeline that the video has reached.
    """
    found = sampler.newest
    if found is not None and found[1] >= offset + lead_at - 1.0:
        return found[0], found[1], sampler.aspect
    newest = gop.newest()
    return None if newest is None else (newest[0], newest[1] + offset, gop.aspect)


def bundle_s(taps: SetTaps) -> float:
    """Return the seconds of a buffered source that are read at once."""
    if any(tap["interval_s"] < 1 for tap in taps.taps.values()):
        return WATCHED_PACE_S
    return PACE_S if taps.taps or taps.audio else RECORDED_PACE_S
