"""Reads a range of recorded footage as the live taps would have sent it: sampled pictures, and audio in blocks.

This code runs in an extraction process. Importing it does not import the codec library. Errors are ValueErrors with one
plain sentence, and results are plain dataclasses, because both travel between processes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from rtstream.extract.frames import ExtractedFrame
from rtstream.extract.segment_file import SegmentFile
from rtstream.mp4.recordings import StoredRecording
from rtstream.rules.sample_grid import SLACK_S
from rtstream.storage import LocalFiles

if TYPE_CHECKING:
    import av
    from av.audio.codeccontext import AudioCodecContext
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext

    from rtstream.messages import Message

LATER_S = 1.0
"""Seconds read after a range, because pictures are not stored in the order in which they are shown."""
LOWEST_PRIORITY = 19
TAP = "footage"


@dataclass(frozen=True)
class AudioBlock:
    """Audio as 16 kHz mono, 16-bit little-endian samples. ``time`` is the Unix time of the first one."""

    time: float
    samples: bytes


def sampled_pictures(
    files: LocalFiles,
    recordings: Sequence[StoredRecording],
    start: float,
    end: float,
    interval_s: float,
    max_side: int,
) -> list[ExtractedFrame]:
    """Return the pictures that a tap would have received in [start, end), oldest first.

    Where nothing was recorded, there are none. Parts that cannot be decoded are left out.

    Args:
        files: The storage of the recordings.
        recordings: The recordings of the range. Their segments are sorted by start. Those without video are ignored.
        start: Start of the range in Unix seconds, at which a cell of the sampling grid begins.
        end: End of the range in Unix seconds.
        interval_s: Seconds between pictures, as in ``rules.sample_grid``.
        max_side: Longest side of a picture in pixels. Pictures are never enlarged.

    Raises:
        ValueError: None of the recordings can be read.
    """
    from rtstream.messages import FrameTaken
    from rtstream.recorder.frames import Sampler

    def sample(container: InputContainer, starts_at: float, send: list[Message]) -> None:
        if not container.streams.video:
            return
        stream = container.streams.video[0]
        rate = round(1 / stream.time_base) if stream.time_base else 0
        context = cast("VideoCodecContext", stream.codec_context)
        sampler = Sampler(context, rate, send.append, lambda what: None)
        sampler.set_taps({TAP: {"interval_s": interval_s, "max_side": float(max_side)}})
        offset: float | None = None
        for packet in _packets(container, stream.index):
            assert packet.pts is not None
            if offset is None:
                offset = starts_at - packet.pts / rate
            if packet.pts / rate + offset > end + LATER_S:
                break
            sampler.add(packet, packet.pts / rate, offset, behind=False)
        if offset is not None:
            sampler.finish(offset)

    taken = _from_each(files, recordings, sample)
    return [
        ExtractedFrame(one.time, one.width, one.height, one.payload)
        for one in taken
        if isinstance(one, FrameTaken) and start - SLACK_S <= one.time < end - SLACK_S
    ]


def recorded_audio(
    files: LocalFiles, recordings: Sequence[StoredRecording], start: float, end: float
) -> list[AudioBlock]:
    """Return the audio of [start, end) in blocks of about 0.1 s, oldest first.

    Where nothing was recorded, there is none.

    Args:
        files: The storage of the recordings.
        recordings: The recordings of the range. Their segments are sorted by start. Those without audio are ignored.
        start: Start of the range in Unix seconds.
        end: End of the range in Unix seconds.

    Raises:
        ValueError: None of the recordings can be read.
    """
    from rtstream.messages import AudioTaken
    from rtstream.recorder.audio import RATE, AudioTap

    def listen(container: InputContainer, starts_at: float, send: list[Message]) -> None:
        if not container.streams.audio:
            return
        stream = container.streams.audio[0]
        rate = round(1 / stream.time_base) if stream.time_base else RATE
        tap = AudioTap(cast("AudioCodecContext", stream.codec_context), rate, send.append, lambda what: None)
        tap.set_on(True)
        lead = container.streams.video[0] if container.streams.video else stream
        offset: float | None = None
        early: list[av.Packet] = []  # audio stored before the first picture, whose time is not known yet
        for packet in _packets(container, *{lead.index, stream.index}):
            if packet.stream_index == lead.index and offset is None:
                assert packet.pts is not None
                assert packet.time_base is not None
                offset = starts_at - float(packet.pts * packet.time_base)
            if packet.stream_index == stream.index:
                early.append(packet)
            if offset is None:
                continue
            for heard in early:
                tap.add(heard, offset)
            early.clear()
            assert packet.pts is not None
            assert packet.time_base is not None
            if float(packet.pts * packet.time_base) + offset > end + LATER_S:
                break
        tap.finish()

    taken = _from_each(files, recordings, listen)
    cut = [_cut(one.time, one.payload, start, end, RATE) for one in taken if isinstance(one, AudioTaken)]
    return [block for block in cut if block.samples]


def _cut(time: float, samples: bytes, start: float, end: float, rate: int) -> AudioBlock:
    """Return the part of a block that lies in [start, end)."""
    first = min(len(samples) // 2, max(0, round((start - time) * rate)))
    last = max(first, min(len(samples) // 2, round((end - time) * rate)))
    return AudioBlock(time + first / rate, samples[2 * first : 2 * last])


def _from_each(
    files: LocalFiles,
    recordings: Sequence[StoredRecording],
    read: Callable[[InputContainer, float, list[Message]], None],
) -> list[Message]:
    """Collect the messages that ``read(container, start, messages)`` adds for each recording that can be opened."""
    import av
    from av.error import FFmpegError

    _yield_to_live_work()
    found: list[Message] = []
    opened, problem = False, "nothing is recorded in this range"
    for recording in recordings:
        if not recording.pieces:
            continue
        media = cast("BinaryIO", SegmentFile(files, recording))
        try:
            with av.open(media, "r", format="mp4") as container:
                read(container, recording.pieces[0].start, found)
                opened = True
        except FFmpegError as exc:
            problem = f"the recording cannot be decoded ({exc.strerror})"
        except OSError:
            problem = "the recording no longer exists on disk"
    if not opened:
        raise ValueError(problem)
    return found


def _packets(container: InputContainer, *streams: int) -> Iterator[av.Packet]:
    """Yield the packets of some streams in the order of the file. Ends at media that cannot be read."""
    from av.error import FFmpegError

    with contextlib.suppress(FFmpegError):
        for packet in container.demux(*(container.streams[index] for index in streams)):
            if packet.pts is not None and packet.size:
                yield packet


def _yield_to_live_work() -> None:
    """Run this process only when nothing else wants the processor, where the system supports that."""
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)
