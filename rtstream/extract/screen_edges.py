"""Finds the first picture of a new screen in recorded footage.

This code runs in an extraction process. Importing it does not import the codec library.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from rtstream.extract.segment_file import SegmentFile
from rtstream.mp4.recordings import StoredRecording
from rtstream.storage import LocalFiles

if TYPE_CHECKING:
    import av
    import numpy as np
    from numpy.typing import NDArray

    Grey: TypeAlias = NDArray[np.uint8]  # [height, width]
    Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.int16]  # [count]

LONG_SIDE = 320
"""Longest side of the pictures that are compared, in pixels."""
DIFFERENT = 16
"""Grey levels by which a pixel of the two screens differs."""
HALF_WAY = 0.5
"""Share of the difference between the two screens by which a picture of the new one may still differ from it."""
MAX_PICTURES = 900
HALF_TICK_S = 0.0005


def changed_at(files: LocalFiles, recordings: Sequence[StoredRecording], before: float, after: float) -> float | None:
    """Return the time of the first picture that shows the screen of ``after`` rather than that of ``before``.

    Only the pixels that differ between the two screens count, so a speaker's picture in a corner may move.

    Args:
        files: The storage of the recordings.
        recordings: The recordings of the range. Their segments are sorted by start.
        before: Unix time of a picture of the screen before.
        after: Unix time of a picture of the new screen.

    Returns:
        Unix seconds, or None if the screens do not differ or the range has too many pictures.

    Raises:
        ValueError: The footage cannot be decoded.
    """
    import numpy as np

    pictures: list[tuple[float, Grey]] = []
    for recording in recordings:
        for time, picture in _pictures(files, recording, after):
            if time <= before + HALF_TICK_S:
                pictures = [(time, picture)]
            else:
                pictures.append((time, picture))
            if len(pictures) > MAX_PICTURES:
                return None
    if len(pictures) < 2 or pictures[0][1].shape != pictures[-1][1].shape:
        return None
    old, new = pictures[0][1].astype(np.int16), pictures[-1][1].astype(np.int16)
    mask = np.abs(new - old) >= DIFFERENT
    if not mask.any():
        return None
    found = pictures[-1][0]
    for time, picture in reversed(pictures[:-1]):
        if picture.shape != mask.shape or not _is_new(picture[mask], old[mask], new[mask]):
            break
        found = time
    return found


def _is_new(shown: Pixels, old: Pixels, new: Pixels) -> bool:
    """Return whether pixels are those of the new screen rather than of the old one or of a third one between them."""
    import numpy as np

    now = shown.astype(np.int16)
    return float(np.abs(now - new).mean()) < HALF_WAY * float(np.abs(new - old).mean())


def _pictures(files: LocalFiles, recording: StoredRecording, end: float) -> Iterator[tuple[float, Grey]]:
    """Yield the pictures of a recording up to a time, each with its own, as small grey images."""
    import av
    from av.error import FFmpegError
    from av.video.reformatter import VideoReformatter

    from rtstream.rules.sample_grid import scaled_size

    if not recording.pieces:
        return
    scaler = VideoReformatter()
    try:
        with av.open(cast("BinaryIO", SegmentFile(files, recording)), "r", format="mp4") as container:
            if not container.streams.video:
                return
            stream = container.streams.video[0]
            stream.codec_context.thread_type, stream.codec_context.thread_count = "NONE", 1
            offset: float | None = None
            for packet in container.demux(stream):
                if offset is None and packet.pts is not None and packet.time_base is not None:
                    offset = recording.pieces[0].start - float(packet.pts * packet.time_base)
                for frame in _frames(packet, stream):
                    if frame.time is None or offset is None:
                        continue
                    if frame.time + offset > end + HALF_TICK_S:
                        return
                    width, height = scaled_size(frame.width, frame.height, LONG_SIDE, 1.0)
                    small = scaler.reformat(frame, width, height, "gray", threads=1)
                    yield frame.time + offset, cast("Grey", small.to_ndarray())
    except FFmpegError as exc:
        raise ValueError(f"the recording cannot be decoded ({exc.strerror})") from None
    except OSError:
        raise ValueError("the recording no longer exists on disk") from None


def _frames(packet: av.Packet, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    from av.error import FFmpegError

    try:
        yield from stream.decode(packet)
    except FFmpegError:
        return  # the pictures around a damaged one are still useful
