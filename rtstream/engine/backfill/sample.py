"""Looks at samples of recorded footage, without any model, to forecast the work of paid ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.to_thread

from rtstream.engine.backfill.gaps import MissingParts
from rtstream.engine.recordings import FootageReader
from rtstream.errors import RTStreamError
from rtstream.perception.protocols import Picture
from rtstream.rules.playlist import Range
from rtstream.rules.sample_grid import grid_cell
from rtstream.rules.windows import Window, Windows
from rtstream.store.recording_clock import EVERY_RECORDING

if TYPE_CHECKING:  # its libraries are slow to import
    from rtstream.perception.vision.screen_watch import ScreenWatch

PIECES, PIECE_S = 6, 20.0
"""Number and length in seconds of the samples of audio."""
STRETCH = 12
"""Consecutive windows of a sample of pictures."""
MOST_WINDOWS = 240
"""Windows that are looked at. Of fewer windows, all are."""
LIMIT_S = 8.0
"""Longest look at pictures, in seconds."""
KEPT_S = 300.0
"""Time for which a result is used again, because a forecast is shown before the request is carried out."""
STRIDE = 7
"""Distance between the samples that are looked at one after the other, so that a limit leaves them evenly spread."""


@dataclass(frozen=True)
class SampledWindows:
    """The windows of an index, as a sample sees them. ``length`` is in seconds, ``max_side`` in pixels."""

    stream_id: str
    length: float
    frame_count: int
    max_side: int


class FootageSamples:
    """Looks at samples of footage."""

    def __init__(self, footage: FootageReader) -> None:
        self._footage = footage
        self._known: dict[tuple[SampledWindows, float], tuple[float, float]] = {}

    async def speech_share(self, stream_id: str, parts: MissingParts) -> float:
        """Return the share of speech in the audio of some parts, or 1.0 if it cannot be read."""
        pieces: list[bytes] = []
        for start, end in parts.samples(PIECES, PIECE_S):
            with suppress(RTStreamError):
                blocks = await self._footage.audio(stream_id, start, end, EVERY_RECORDING)
                pieces.append(b"".join(block.samples for block in blocks))
        return await anyio.to_thread.run_sync(_share, pieces) if any(pieces) else 1.0

    async def changed_share(self, windows: SampledWindows, parts: MissingParts) -> float:
        """Return the share of windows in some parts that show something new, or 1.0 if they cannot be read."""
        key = windows, parts.ranges[0][0] if parts.ranges else parts.open_from or 0.0
        now = time.monotonic()
        self._known = {one: found for one, found in self._known.items() if found[1] > now - KEPT_S}
        if key not in self._known:
            self._known[key] = await self._changed_share(windows, parts), now
        return self._known[key][0]

    async def _changed_share(self, wanted: SampledWindows, parts: MissingParts) -> float:
        from rtstream.perception.vision.screen_watch import ScreenWatch  # here, because its libraries are slow

        whole = parts.windows <= MOST_WINDOWS
        stretches = _all(parts, STRETCH * wanted.length) if whole else _some(parts, STRETCH * wanted.length)
        watch, changed, seen = ScreenWatch(), 0, 0
        deadline = time.monotonic() + LIMIT_S
        for start, end in stretches:
            if time.monotonic() > deadline:
                break
            if not whole:
                watch = ScreenWatch()
            found = await self._windows(wanted, start, end)
            fresh = await anyio.to_thread.run_sync(_changed, watch, found)
            first = 0 if whole else 1  # which a sample has no window before it to compare with
            changed, seen = changed + sum(fresh[first:]), seen + len(fresh[first:])
        return changed / seen if seen else 1.0

    async def _windows(self, wanted: SampledWindows, start: float, end: float) -> list[Window[Picture]]:
        first = grid_cell(start, wanted.length) * wanted.length
        interval_s = wanted.length / wanted.frame_count
        try:
            pictures = await self._footage.pictures(
                wanted.stream_id, first, end, interval_s, wanted.max_side, EVERY_RECORDING
            )
        except RTStreamError:
            return []
        cut: Windows[Picture] = Windows(wanted.length, wanted.frame_count)
        return [window for picture in pictures for window in cut.add(picture)] + cut.flush()


def _all(parts: MissingParts, length: float) -> list[Range]:
    """Return all parts in stretches of a length in seconds, in order."""
    found: list[Range] = []
    for begin, end in parts.every:
        start = begin
        while start < end:
            found.append((start, min(end, start + length)))
            start += length
    return found


def _some(parts: MissingParts, length: float) -> list[Range]:
    """Return evenly spread stretches of parts, in an order in which the first ones are evenly spread as well."""
    found = parts.samples(MOST_WINDOWS // STRETCH, length)
    return [found[place] for place in sorted(range(len(found)), key=lambda place: place * STRIDE % len(found))]


def _share(pieces: list[bytes]) -> float:
    from rtstream.perception.speech.segments import speech_share  # here, in a thread, because it loads numpy

    return speech_share(pieces)


def _changed(watch: ScreenWatch, windows: Sequence[Window[Picture]]) -> list[bool]:
    """Return for each window whether it shows something new, as ``indexes.visual`` decides it."""
    from rtstream.perception.vision import features

    fresh: list[bool] = []
    for window in windows:
        try:
            seen = [features.thumbnail(picture.jpeg) for picture in window.pictures]
        except features.BadPicture:
            fresh.append(True)
            continue
        at = window.pictures[-1].time
        fresh.append(not watch.is_unchanged(seen, at))
        if fresh[-1]:
            watch.describe(seen[-1], at)
    return fresh
