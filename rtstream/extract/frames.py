"""Extracts pictures from recorded segments.

This code runs in an extraction process. Importing it does not import the codec library. Errors are ValueErrors with one
plain sentence, and results are plain dataclasses, because both travel between processes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, cast

from rtstream.extract.segment_file import SegmentFile
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from rtstream.storage import LocalFiles

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from PIL import Image

JPEG_QUALITY = 85
MAX_SHEET_PICTURES = 64
GAP = 4
"""Pixels between the pictures of a row."""
MANY = 600
"""Packets; more than these are decoded by several threads."""
_HALF_TICK_S = 0.0005
"""Times come from stored floats, so a picture due within this tolerance is shown."""


@dataclass(frozen=True)
class ExtractedFrame:
    """A JPEG picture. ``time`` is the Unix time of the picture, ``width`` and ``height`` are in pixels."""

    time: float
    width: int
    height: int
    jpeg: bytes


@dataclass(frozen=True)
class ContactSheet:
    """Pictures in one JPEG, row by row. ``times`` are the Unix times of those that could be decoded."""

    times: list[float]
    width: int
    height: int
    jpeg: bytes


def frame_at(
    files: LocalFiles, init: bytes, pieces: Sequence[StoredSegment], at: float, max_side: int
) -> ExtractedFrame:
    """Return the picture shown at the Unix time ``at``: the last one that is not later, or else the first one.

    Args:
        files: The storage of the segments.
        init: The init segment of the recording.
        pieces: Segments of one recording, sorted by start.
        at: Unix seconds.
        max_side: Longest side of the picture in pixels. Pictures are never enlarged.

    Raises:
        ValueError: There is no picture, or it cannot be decoded.
    """
    from rtstream.recorder.frames import JpegEncoder

    time, frame, aspect = _decode(files, StoredRecording(init, pieces), at)
    jpeg, width, height = JpegEncoder().encode(frame, max_side, aspect)
    return ExtractedFrame(time, width, height, jpeg)


def contact_sheet(
    files: LocalFiles, recordings: Sequence[StoredRecording], times: Sequence[float], max_side: int
) -> ContactSheet:
    """Return the pictures shown at several times in one image, each above its time (UTC).

    Pictures that cannot be decoded are omitted.

    Args:
        files: The storage of the recordings.
        recordings: The recordings, sorted.
        times: 1 to 64 Unix times.
        max_side: Longest side of the image in pixels.

    Raises:
        ValueError: No picture can be decoded.
    """
    from rtstream.rules.sample_grid import scaled_size

    if not 1 <= len(times) <= MAX_SHEET_PICTURES:
        raise ValueError(f"a contact sheet contains 1 to {MAX_SHEET_PICTURES} pictures, not {len(times)}")
    columns = math.ceil(math.sqrt(len(times)))
    tiles: list[tuple[float, Image.Image]] = []
    for at in times:
        try:
            time, frame, aspect = _decode(files, _recording_at(recordings, at), at)
        except ValueError:
            continue
        side = (max_side - GAP * (columns - 1)) // columns
        width, height = scaled_size(frame.width, frame.height, side, aspect)
        tiles.append((time, frame.to_image(width=width, height=height)))
    if not tiles:
        raise ValueError("none of the pictures can be decoded")
    sheet = _sheet(tiles, columns)
    sheet.thumbnail((max_side, max_side))
    encoded = io.BytesIO()
    sheet.save(encoded, "JPEG", quality=JPEG_QUALITY)
    return ContactSheet([time for time, _ in tiles], sheet.width, sheet.height, encoded.getvalue())


def _sheet(tiles: Sequence[tuple[float, Image.Image]], columns: int) -> Image.Image:
    """Return pictures in one image, row by row, each above its time (UTC)."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = max(tile.width for _, tile in tiles), max(tile.height for _, tile in tiles)
    size = max(10, min(height // 14, width // 14))
    font, label = ImageFont.load_default(size), size + size // 2
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", ((width + GAP) * min(columns, len(tiles)) - GAP, (height + label) * rows))
    draw = ImageDraw.Draw(sheet)
    for index, (time, tile) in enumerate(tiles):
        left, top = index % columns * (width + GAP), index // columns * (height + label)
        sheet.paste(tile, (left, top))
        stamp = datetime.fromtimestamp(time, UTC)
        clock = f"{stamp:%H:%M:%S}.{stamp.microsecond // 100_000}"
        text = f"{stamp:%Y-%m-%d} {clock} UTC"
        if draw.textlength(text, font=font) > width - 4:
            text = clock
        draw.text((left + 4, top + height + label // 2), text, font=font, fill="white", anchor="lm")
    return sheet


def _recording_at(recordings: Sequence[StoredRecording], at: float) -> StoredRecording:
    """Return the last recording that began by then, else the first."""
    begun = [one for one in recordings if one.pieces and one.pieces[0].start <= at + _HALF_TICK_S]
    if not begun and not recordings:
        raise ValueError("nothing is recorded in this window")
    return begun[-1] if begun else recordings[0]


def _decode(files: LocalFiles, recording: StoredRecording, at: float) -> tuple[float, av.VideoFrame, float]:
    """Return the picture shown at ``at``, with its own time before it and its pixel aspect after it."""
    import av
    from av.error import FFmpegError

    if not recording.pieces:
        raise ValueError("nothing is recorded in this window")
    piece = next((p for p in reversed(recording.pieces) if p.start <= at + _HALF_TICK_S), recording.pieces[0])
    try:
        media = cast("BinaryIO", SegmentFile(files, StoredRecording(recording.init, [piece])))
        with av.open(media, "r", format="mp4") as container:
            return _find(container, piece.start, at)
    except FFmpegError as exc:
        raise ValueError(f"the recording cannot be decoded ({exc.strerror})") from None
    except OSError:
        raise ValueError("the recording no longer exists on disk") from None


def _find(container: InputContainer, start: float, at: float) -> tuple[float, av.VideoFrame, float]:
    """Decode from the last keyframe before the picture up to the picture itself."""
    from rtstream.recorder.frames import pixel_aspect

    if not container.streams.video:
        raise ValueError("the recording has no video")
    stream = container.streams.video[0]
    packets, first, wanted = _needed(container, stream, start, at)
    base = stream.time_base
    assert base is not None
    if len(packets) <= MANY:
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.thread_count = 1
    best: av.VideoFrame | None = None
    for frame in _decoded(packets, stream):
        if frame.pts is None:
            continue
        if best is None or frame.pts <= wanted:
            best = frame
        if frame.pts >= wanted:
            break
    if best is None:
        raise ValueError("the recording has no decodable picture at this time")
    return start + float(((best.pts or 0) - first) * base), best, pixel_aspect(stream.codec_context)


def _needed(
    container: InputContainer, stream: av.VideoStream, start: float, at: float
) -> tuple[list[av.Packet], int, int]:
    """Return the packets from the last keyframe before the picture on, and the times of the first picture and of it.

    The start of a segment is the presentation of its keyframe. Pictures presented earlier may follow it in the file.
    """
    packets: list[av.Packet] = []
    first: int | None = None
    due = wanted = 0.0
    base = stream.time_base
    for packet in container.demux(stream):
        pts = packet.pts
        if pts is None or not packet.size or base is None:
            continue
        if first is None:
            first = pts
            due, wanted = first + (at - start + _HALF_TICK_S) / float(base), first
        if pts <= due:
            wanted = max(wanted, pts)
            if packet.is_keyframe:
                packets = []
        packets.append(packet)
        if packet.dts is not None and packet.dts > due:
            break
    if first is None:
        raise ValueError("the recording has no video")
    return packets, first, round(wanted)


def _decoded(packets: Sequence[av.Packet], stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    from av.error import FFmpegError

    for packet in [*packets, None]:
        try:
            yield from stream.decode(packet)
        except FFmpegError:
            continue  # the pictures around a damaged one are still useful
