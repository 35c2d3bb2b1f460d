"""Converts recorded audio that browsers do not play to AAC, while it is played. The stored bytes remain as they are."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from rtstream.engine.recordings.extractor import Extractor
from rtstream.errors import NotFound, RTStreamError, Unavailable
from rtstream.extract.playback_audio import aac_frames
from rtstream.mp4.aac_track import (
    SILENCE,
    Part,
    audio_fragment,
    audio_track,
    init_with_aac,
    media_start,
    segment_with_aac,
)
from rtstream.mp4.fragment_reader import MediaRange
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from rtstream.rules.playback_audio import frames_of, unplayable_audio
from rtstream.storage import LocalFiles, Storage, StoredFile

log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

WAITING = 8
"""Maximum number of segments that are being converted or wait for it."""
PATIENCE_S = 3.0
"""Longest wait of a request in seconds. The conversion then continues for later requests, for at most 20 seconds."""
COLD_PATIENCE_S = 9.0
"""The same while the media process starts, which takes seconds on a busy machine. Players wait for about 10 seconds."""
PAUSE_S = 60.0
"""Seconds for which a recording is silent after a conversion was late or failed, unless a late one succeeds."""
CACHED_BYTES = 32 * 1024 * 1024
PAUSES = 256
BUSY = "Too much audio is being converted at the moment. Try again in a few seconds."
FAILED = "The audio of this part cannot be converted to AAC. Download the recording to play it in another player."


@dataclass(frozen=True)
class AudioSource:
    """A segment to be played, with the footage around it.

    Attributes:
        storage: The storage of its file.
        id: Id of its recording or video.
        init: Its init segment.
        codecs: Its codecs parameter (RFC 6381).
        segment: The segment, cut to what the link shows.
        duration: Its duration in seconds.
        around: Whole segments from about a second before it to a second after it, sorted, itself included.
        following: The segment that begins where this one ends, if there is one.
        begins: Whether nothing is played before it without a gap. No earlier audio is then included.
        ends: Whether nothing is played after it. No later audio is then included.
    """

    storage: Storage
    id: str
    init: bytes
    codecs: str
    segment: StoredSegment
    duration: float
    around: Sequence[StoredSegment]
    following: StoredSegment | None
    begins: bool
    ends: bool


@dataclass(frozen=True)
class _Span:
    """AAC frames [first, last) of a segment, and the times beyond which audio is left out."""

    first: int
    last: int
    limits: tuple[float, float]


_Key = tuple[str, int, int, int, _Span]


class PlaybackAudio:
    """Converts one segment at a time, in a process of its own. Results are cached up to ``CACHED_BYTES``."""

    def __init__(self) -> None:
        self._extractor = Extractor(1, 1)
        self._turn = anyio.Semaphore(1)
        self._cache: OrderedDict[_Key, list[bytes]] = OrderedDict()
        self._cached_bytes = 0
        self._under_way: dict[_Key, asyncio.Task[list[bytes] | None]] = {}
        self._paused: OrderedDict[str, float] = OrderedDict()

    async def audio(self, source: AudioSource) -> bytes:
        """Return the audio of a segment as a fragment of AAC.

        Raises:
            NotFound: The segment cannot be read.
            Unavailable: The audio cannot be converted, or the engine is too busy.
        """
        async with source.storage.lease({piece.key for piece in source.around}) as files:
            span = await _read(_span, source, files)
        frames = await self._frames(source, span)
        return audio_fragment(audio_track(source.init), span.first, frames)

    async def segment(self, source: AudioSource) -> StoredFile:
        """Return a segment with AAC in place of its audio, or with silence if the audio cannot be converted.

        Raises:
            NotFound: The segment cannot be read.
        """
        file = await source.storage.get(source.segment.key)
        async with source.storage.lease({piece.key for piece in source.around}) as files:
            span = await _read(_span, source, files)
            try:
                frames = await self._frames(source, span)
            except RTStreamError as exc:
                log.info("a part of %s is played without its audio: %s", source.id, exc)
                frames = [SILENCE] * (span.last - span.first)
            parts = await _read(_composed, source, files, span, frames)
        size = sum(len(part) if isinstance(part, bytes) else part.length for part in parts)

        def open_range(offset: int, length: int) -> AsyncGenerator[bytes]:
            return _content(source.storage, parts, offset, length)

        return StoredFile(source.segment.key, size, file.modified, open_range)

    async def _frames(self, source: AudioSource, span: _Span) -> list[bytes]:
        key = (source.id, source.segment.offset, source.segment.length, len(source.around), span)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        if time.monotonic() < self._paused.get(source.id, 0.0):
            raise Unavailable(FAILED)
        task = self._under_way.get(key)
        if task is None:
            if len(self._under_way) >= WAITING:
                raise Unavailable(BUSY)
            task = self._under_way[key] = asyncio.create_task(self._convert(source, span, key))
        found: list[bytes] | None = None
        with anyio.move_on_after(PATIENCE_S if self._extractor.is_warm else COLD_PATIENCE_S) as waited:
            found = await asyncio.shield(task)
        if waited.cancelled_caught:
            self._pause(source.id)  # until it succeeds
            raise Unavailable(BUSY)
        if found is None:
            raise Unavailable(FAILED)
        return found

    async def _convert(self, source: AudioSource, span: _Span, key: _Key) -> list[bytes] | None:
        """Convert and cache the audio of a segment, for all requests that wait for it. Returns None if that fails."""
        codec = unplayable_audio(source.codecs) or ""
        recording = StoredRecording(source.init, source.around)
        try:
            async with self._turn, source.storage.lease({piece.key for piece in source.around}) as files:
                found = await self._extractor.run(
                    aac_frames, files, recording, codec, span.first, span.last, span.limits
                )
        except NotFound as exc:  # other parts of the recording may be intact
            log.warning("a part of the audio of %s cannot be converted: %s", source.id, exc.__cause__ or exc)
            return None
        except (RTStreamError, OSError) as exc:
            log.warning("the audio of %s cannot be converted for playback: %s", source.id, exc)
            self._pause(source.id)
            return None
        finally:
            del self._under_way[key]
        self._paused.pop(source.id, None)
        self._remember(key, found)
        return found

    def _pause(self, recording_id: str) -> None:
        self._paused[recording_id] = time.monotonic() + PAUSE_S
        if len(self._paused) > PAUSES:
            self._paused.popitem(last=False)

    def _remember(self, key: _Key, frames: list[bytes]) -> None:
        if key not in self._cache:
            self._cache[key] = frames
            self._cached_bytes += sum(map(len, frames))
        while self._cached_bytes > CACHED_BYTES and len(self._cache) > 1:
            _, old = self._cache.popitem(last=False)
            self._cached_bytes -= sum(map(len, old))

    async def aclose(self) -> None:
        """End the conversions and the media process."""
        for task in list(self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self._extractor.aclose()


def playback_init(init: bytes) -> bytes:
    """Return an init segment with AAC in place of the audio. Raises NotFound if AAC cannot replace it."""
    try:
        return init_with_aac(init)
    except ValueError as exc:
        raise NotFound(f"The recording cannot be played with AAC: {exc}.") from None


def is_converted(init: bytes, codecs: str) -> bool:
    """Return whether the audio of a recording is converted for playback."""
    if unplayable_audio(codecs) is None:
        return False
    try:
        audio_track(init)
    except ValueError:
        return False
    return True


async def _read(fn: Callable[[*Ts], T], *args: *Ts) -> T:
    try:
        return await anyio.to_thread.run_sync(fn, *args)
    except (OSError, ValueError) as exc:
        raise NotFound(f"This part of the recording cannot be read: {exc}.") from None


def _span(source: AudioSource, files: LocalFiles) -> _Span:
    """Return the frames of a segment, which meet those of the following one."""
    start = media_start(source.init, source.segment, files.open)
    end = start + source.duration
    if source.following is not None:
        end = media_start(source.init, source.following, files.open)
    first, last = frames_of(start, end, audio_track(source.init).timescale)
    # A decoder needs the frame before the first one to decode that one.
    first = max(0, first - int(source.begins))
    return _Span(first, max(last, first + 1), (start if source.begins else 0.0, end if source.ends else float("inf")))


def _composed(source: AudioSource, files: LocalFiles, span: _Span, frames: Sequence[bytes]) -> list[Part]:
    return segment_with_aac(source.init, source.segment, span.first, frames, files.open)


async def _content(storage: Storage, parts: Sequence[Part], offset: int, length: int) -> AsyncGenerator[bytes]:
    """Yield ``length`` bytes from ``offset`` of consecutive parts."""
    at, end = 0, offset + length
    for part in parts:
        size = len(part) if isinstance(part, bytes) else part.length
        begin, stop = max(0, offset - at), min(size, end - at)
        at += size
        if stop <= begin:
            continue
        if isinstance(part, MediaRange):
            async with aclosing(storage.open_range(part.key, part.offset + begin, stop - begin)) as chunks:
                async for chunk in chunks:
                    yield chunk
        else:
            yield part[begin:stop]
