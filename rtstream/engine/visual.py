"""Visual indexes: sampled pictures of a stream become windows for the vision model."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
import numpy as np
import simplejpeg
from sqlalchemy import Row

from rtstream.engine.indexing import Indexing, Job, RunningIndex
from rtstream.media import messages as m
from rtstream.perception.protocols import Picture, VisionAnswer, VisionProvider, VisionRequest
from rtstream.rules.windows import Window, Windows

UNCHANGED = 2.0
"""Mean difference of brightness (0 to 255) in every tile of a picture up to which it counts as unchanged."""
TILES = (9, 16)


@dataclass
class VisualIndex(RunningIndex):
    """A running visual index."""

    prompt: str = ""
    length: float = 2.0
    frame_count: int = 5
    json_schema: dict[str, Any] | None = None
    skip_unchanged: bool = False
    last_tiles: Any = None
    last_text: str = ""
    windows: Windows[Picture] = field(init=False)

    def __post_init__(self) -> None:
        self.windows = Windows(self.length, self.frame_count)


class VisualIndexes:
    """All running visual indexes."""

    def __init__(
        self, indexing: Indexing, set_taps: Callable[[str, dict[str, dict[str, float]]], Awaitable[None]], max_side: int
    ) -> None:
        self._indexing = indexing
        self._set_taps = set_taps
        self._max_side = max_side
        self._running: dict[str, VisualIndex] = {}

    async def start(self, index: VisualIndex) -> None:
        """Begin (or begin anew, with a changed prompt)."""
        await self.stop(index.id)
        self._running[index.id] = index
        self._indexing.start(index)
        await self.retap(index.stream_id)

    async def stop(self, index_id: str) -> None:
        """End an index; the window under way is dropped."""
        index = self._running.pop(index_id, None)
        if index is not None:
            index.scope.cancel()
            await self.retap(index.stream_id)

    def of_stream(self, stream_id: str) -> list[VisualIndex]:
        """The running visual indexes of a stream."""
        return [index for index in self._running.values() if index.stream_id == stream_id]

    async def retap(self, stream_id: str) -> None:
        """Tell the stream's worker which pictures are wanted now."""
        taps = {
            index.id: {"interval_s": index.length / index.frame_count, "max_side": float(self._max_side)}
            for index in self.of_stream(stream_id)
        }
        await self._set_taps(stream_id, taps)

    async def frame(self, stream_id: str, frame: m.FrameTaken) -> None:
        """A sampled picture arrived."""
        picture = Picture(frame.time, frame.payload, frame.width, frame.height)
        for index_id in frame.taps:
            index = self._running.get(index_id)
            if index is not None and index.stream_id == stream_id:
                await self._complete(index, index.windows.add(picture))

    async def clock(self, stream_id: str, reached: float) -> None:
        """The stream was sampled up to this time."""
        for index in self.of_stream(stream_id):
            await self._complete(index, index.windows.reach(reached))

    async def run_ended(self, stream_id: str) -> None:
        """The stream was cut: what was collected is a (shorter) window."""
        for index in self.of_stream(stream_id):
            await self._complete(index, index.windows.flush())

    async def _complete(self, index: VisualIndex, windows: list[Window[Picture]]) -> None:
        for window in windows:
            detail: dict[str, Any] = {"frame_times": [round(picture.time, 3) for picture in window.pictures]}
            if index.skip_unchanged and await self._unchanged(index, window):
                detail["unchanged"] = True
                await self._indexing.put(index, Job(window.start, window.end, None, detail, index.last_text))
            else:
                await self._indexing.put(index, Job(window.start, window.end, _question(index, window), detail))

    async def _unchanged(self, index: VisualIndex, window: Window[Picture]) -> bool:
        """Whether every picture of the window looks like the last one a model was asked about."""
        seen = await anyio.to_thread.run_sync(lambda: [_tiles(picture.jpeg) for picture in window.pictures])
        before, index.last_tiles = index.last_tiles, seen[-1]
        return bool(index.last_text) and before is not None and all(_alike(before, tiles) for tiles in seen)


def _question(index: VisualIndex, window: Window[Picture]) -> Callable[[], Awaitable[VisionAnswer]]:
    request = VisionRequest(index.prompt, window.pictures, session=index.id, json_schema=index.json_schema)
    provider: Any = index.provider

    async def ask() -> VisionAnswer:
        answer: VisionAnswer = await provider.describe(request)
        index.last_text = answer.text
        return answer

    return ask


def _tiles(jpeg: bytes) -> Any:
    """Mean brightness of 9 x 16 tiles: float32 [9, 16]."""
    grey = simplejpeg.decode_jpeg(jpeg, "GRAY", min_height=72, min_width=128, min_factor=1)[:, :, 0]
    rows, columns = TILES
    high, wide = grey.shape[0] // rows, grey.shape[1] // columns
    if not high or not wide:
        return grey.astype(np.float32)
    return grey[: high * rows, : wide * columns].reshape(rows, high, columns, wide).mean((1, 3), dtype=np.float32)


def _alike(a: Any, b: Any) -> bool:
    return a.shape == b.shape and float(np.abs(a - b).max()) <= UNCHANGED


def extraction_config(given: dict[str, Any] | None) -> dict[str, Any]:
    """A visual index's ``{"time", "frame_count"}`` with defaults filled in. Raises ValueError with a sentence."""
    given = given or {}
    length, count = given.get("time"), given.get("frame_count")
    length = 2 if length is None else _number(length, "The window (time, in seconds)")
    count = 5 if count is None else _number(count, "frame_count")
    if not 0.5 <= length <= 3600:
        raise ValueError("The window (time) must be between 0.5 and 3600 seconds.")
    if count != int(count) or not 1 <= count <= 60:
        raise ValueError("frame_count must be a whole number from 1 to 60.")
    if count / length > 30:
        raise ValueError("That is more than 30 pictures a second. Take a longer window or fewer frames.")
    return {"time": int(length) if length == int(length) else length, "frame_count": int(count)}


def _number(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{what} must be a number.") from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"{what} must be a number.")
    return number


def visual_index(row: Row[Any], stream_name: str, provider: VisionProvider) -> VisualIndex:
    """A running index of a stored one."""
    config, options = row.extraction_config, row.model_config or {}
    return VisualIndex(
        id=row.id,
        stream_id=row.stream_id,
        stream_name=stream_name,
        name=row.name or "",
        channel="scene_index",
        provider=provider,
        prompt=row.prompt or "Describe the scene",
        length=float(config["time"]),
        frame_count=int(config["frame_count"]),
        json_schema=options.get("json_schema"),
        skip_unchanged=bool(options.get("skip_unchanged")),
    )
