"""Visual indexes, in which the vision model describes windows of sampled pictures."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import anyio.to_thread

from rtstream import messages as m
from rtstream.engine.indexes.gaps import GapLog
from rtstream.engine.indexes.runner import IndexRunner, RunningIndex, WindowJob
from rtstream.engine.model_calls import ModelCalls
from rtstream.json_types import JsonObject, JsonValue
from rtstream.perception.protocols import Picture, VisionAnswer, VisionProvider, VisionRequest
from rtstream.rules.gaps import Arrivals, RegularWindows, first_whole_window
from rtstream.rules.playlist import Range
from rtstream.rules.sample_grid import grid_cell
from rtstream.rules.scene_detail import SceneDetail
from rtstream.rules.windows import Window, Windows
from rtstream.store.indexes import IndexRow
from rtstream.store.streams import StreamRow

if TYPE_CHECKING:  # its libraries are slow to import
    from rtstream.perception.vision.features import Grey
    from rtstream.perception.vision.screen_watch import ScreenWatch


@dataclass
class RunningVisualIndex(RunningIndex):
    """A running visual index."""

    prompt: str = ""
    length: float = 2.0
    frame_count: int = 5
    json_schema: JsonObject | None = None
    skip_unchanged: bool = False
    described: VisionAnswer | None = None
    """Answer to the last window that was described. Set only with ``skip_unchanged``, as is ``watch``."""
    watch: ScreenWatch | None = None
    resuming: bool = False
    """Whether a gap before the first window is still open. That window is then a whole one."""
    arrivals: Arrivals = field(default_factory=Arrivals)
    live_from: float | None = None
    """Start of its first live window in Unix seconds, or None until its first picture."""
    regular: RegularWindows = field(default_factory=RegularWindows)
    session: str = ""
    """Session of the vision provider, if it is not that of the live windows."""
    windows: Windows[Picture] = field(init=False)

    def __post_init__(self) -> None:
        self.windows = Windows(self.length, self.frame_count)


class VisualIndexes:
    """The running visual indexes.

    Args:
        runner: Runs the indexes.
        gaps: Stores the gaps of the indexes.
        set_taps: Sets the pictures that the recorder of a stream sends, as the interval in seconds and the largest
            side in pixels per index.
        max_side: Largest side of the pictures in pixels.
    """

    def __init__(
        self,
        runner: IndexRunner,
        gaps: GapLog,
        set_taps: Callable[[str, dict[str, dict[str, float]]], Awaitable[None]],
        max_side: int,
    ) -> None:
        self._runner = runner
        self._gaps = gaps
        self._set_taps = set_taps
        self.max_side = max_side
        self._running: dict[str, RunningVisualIndex] = {}
        self._past: dict[str, RunningVisualIndex] = {}

    async def start(self, index: RunningVisualIndex) -> None:
        """Start an index, or restart it with a changed prompt."""
        before = self._running.get(index.id)
        index.resuming |= before is not None and before.resuming
        await self.stop(index.id)
        self._running[index.id] = index
        self._runner.start(index)
        await self.retap(index.stream_id)

    async def stop(self, index_id: str) -> None:
        """Stop an index. The current window is dropped."""
        index = self._running.pop(index_id, None)
        if index is not None:
            index.scope.cancel()
            await self.retap(index.stream_id)

    @property
    def running(self) -> list[RunningVisualIndex]:
        """All running visual indexes."""
        return list(self._running.values())

    def of_stream(self, stream_id: str) -> list[RunningVisualIndex]:
        """Return the running visual indexes of a stream."""
        return [index for index in self._running.values() if index.stream_id == stream_id]

    def get(self, index_id: str) -> RunningVisualIndex | None:
        """Return a running visual index, or None if it is not running."""
        return self._running.get(index_id)

    def find(self, index_id: str) -> RunningVisualIndex | None:
        """Return an index that is running, or that looks at the past only. None if it is neither."""
        return self._running.get(index_id) or self._past.get(index_id)

    def open_past(self, index: RunningVisualIndex) -> None:
        """Let an index that is not running look at the past, until ``close_past``."""
        self._past[index.id] = index

    def close_past(self, index_id: str) -> None:
        """End ``open_past``."""
        self._past.pop(index_id, None)

    def resume_at(self, index: RunningVisualIndex, time: float) -> None:
        """Begin with the first whole window after the Unix time ``time``. The gap before it ends there."""
        index.resuming = False
        number = first_whole_window(time, index.length, index.frame_count)
        index.windows.begin_with(number)
        index.live_from = number * index.length
        self._gaps.end(index.stream_id, index.id, number * index.length)

    async def retap(self, stream_id: str) -> None:
        """Send the stream's recorder the pictures that its indexes need now."""
        taps = {
            index.id: {"interval_s": index.length / index.frame_count, "max_side": float(self.max_side)}
            for index in self.of_stream(stream_id)
        }
        await self._set_taps(stream_id, taps)

    async def frame(self, stream_id: str, frame: m.FrameTaken) -> None:
        """Add a sampled picture to the windows."""
        picture = Picture(frame.time, frame.payload, frame.width, frame.height)
        for index_id in frame.taps:
            index = self._running.get(index_id)
            if index is not None and index.stream_id == stream_id:
                if index.resuming:
                    self.resume_at(index, picture.time)
                elif index.live_from is None:
                    index.live_from = grid_cell(picture.time, index.length) * index.length
                self._note_missing(index, picture.time)
                await self._complete(index, index.windows.add(picture))

    def _note_missing(self, index: RunningVisualIndex, time: float) -> None:
        """Begin a gap for what did not arrive before a picture at the Unix time ``time``."""
        hole = index.arrivals.add(time, time)
        left_out = index.regular.add(grid_cell(time, index.length))
        if hole is not None and index.recorded:
            self._note_hole(index, hole)
        elif left_out is not None and index.recorded:
            start, end = left_out.start * index.length, left_out.stop * index.length
            self._gaps.add_hole(index.stream_id, index.id, start, end)

    def _note_hole(self, index: RunningVisualIndex, hole: Range) -> None:
        """Begin a gap for the whole windows of which no picture has arrived."""
        start = math.ceil(hole[0] / index.length) * index.length
        end = grid_cell(hole[1], index.length) * index.length
        if start < end or hole[1] < hole[0]:
            self._gaps.add_hole(index.stream_id, index.id, start, end)

    async def clock(self, stream_id: str, reached: float) -> None:
        """Complete the windows that end before the Unix time ``reached``, up to which the stream was sampled."""
        for index in self.of_stream(stream_id):
            index.arrivals.reach(reached)
            await self._complete(index, index.windows.reach(reached))

    async def recording_ended(self, stream_id: str) -> None:
        """Complete the current windows early, because the recording has ended."""
        for index in self.of_stream(stream_id):
            index.arrivals.cut()
            index.regular.cut()
            await self._complete(index, index.windows.flush())

    async def _complete(self, index: RunningVisualIndex, windows: list[Window[Picture]]) -> None:
        for window in windows:
            await self._runner.put(index, await job_of(index, window))


async def job_of(index: RunningVisualIndex, window: Window[Picture]) -> WindowJob:
    """Return the job of looking at a window."""
    detail = SceneDetail(frame_times=[round(picture.time, 3) for picture in window.pictures])
    last = None
    if index.skip_unchanged:
        unchanged, last = await anyio.to_thread.run_sync(_compare, index, window.pictures)
        if unchanged and index.described is not None:
            return WindowJob(window.start, window.end, None, replace(detail, unchanged=True), index.described)
    return WindowJob(window.start, window.end, _description_call(index, window, last), detail)


def _description_call(
    index: RunningVisualIndex, window: Window[Picture], last: Grey | None
) -> Callable[[], Awaitable[VisionAnswer]]:
    """Return the model call for a window. ``last`` is the thumbnail of its last picture with ``skip_unchanged``."""
    request = VisionRequest(
        index.prompt, window.pictures, session=index.session or index.id, json_schema=index.json_schema
    )
    provider = cast("VisionProvider", index.provider)

    async def ask() -> VisionAnswer:
        answer: VisionAnswer = await provider.describe(request)
        if last is not None and index.watch is not None:
            index.described = answer
            index.watch.describe(last, window.pictures[-1].time)
        return answer

    return ask


def _compare(index: RunningVisualIndex, pictures: Sequence[Picture]) -> tuple[bool, Grey | None]:
    """Return whether pictures show nothing that the last described window did not, and the thumbnail of the last one.

    The thumbnail is None if a picture cannot be decoded.
    """
    # Here, in a thread, because their libraries are slow to import.
    from rtstream.perception.vision import features
    from rtstream.perception.vision.screen_watch import ScreenWatch

    try:
        seen = [features.thumbnail(picture.jpeg) for picture in pictures]
    except features.BadPicture:
        return False, None
    index.watch = index.watch or ScreenWatch()
    return index.watch.is_unchanged(seen, pictures[-1].time), seen[-1]


def extraction_config(given: JsonObject | None) -> JsonObject:
    """Return the checked ``{"time", "frame_count"}`` of a visual index with its defaults.

    Raises:
        ValueError: A value is out of range. The message can be shown to the user.
    """
    given = given or {}
    length, count = given.get("time"), given.get("frame_count")
    length = 2 if length is None else _number(length, "The window (time, in seconds)")
    count = 5 if count is None else _number(count, "frame_count")
    if not 0.5 <= length <= 3600:
        raise ValueError("The window (time) must be between 0.5 and 3600 seconds.")
    if count != int(count) or not 1 <= count <= 60:
        raise ValueError("frame_count must be a whole number from 1 to 60.")
    if count / length > 30:
        raise ValueError("This is more than 30 pictures per second. Use a longer window or fewer frames.")
    return {"time": int(length) if length == int(length) else length, "frame_count": int(count)}


def _number(value: JsonValue, name: str) -> float:
    try:
        number = float(value)  # pyright: ignore[reportArgumentType] - refused below
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number.") from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"{name} must be a number.")
    return number


def past_of(index: RunningVisualIndex, gap_id: int) -> RunningVisualIndex:
    """Return a copy of a running index that looks at a gap, with a state of its own."""
    state = {"described": None, "watch": None, "waiting": deque[WindowJob](), "uncounted": {}}
    return replace(index, session=f"{index.id} gap {gap_id}", **state)


def frames_per_window(config: JsonObject, sample_rate: float) -> int:
    """Return how many frames of each window are looked at: at least one, and no more than the stream's sample rate."""
    return max(1, min(int(config["frame_count"]), int(sample_rate * float(config["time"]))))


def visual_index(row: IndexRow, stream: StreamRow, provider: VisionProvider) -> RunningVisualIndex:
    """Return a running index for a stored one."""
    config, options = row.extraction_config, row.model_config or {}
    return RunningVisualIndex(
        id=row.id,
        stream_id=row.stream_id,
        stream_name=stream.name,
        name=row.name or "",
        channel="scene_index",
        provider=provider,
        prompt=row.prompt or "Describe the scene",
        length=float(config["time"]),
        frame_count=frames_per_window(config, stream.sample_rate),
        json_schema=options.get("json_schema"),
        # The built-in model is always called, because it is free and reads only changed parts again.
        skip_unchanged=options.get("skip_unchanged") is not False and not ModelCalls.free(provider),
    )
