"""Visual indexes: pictures become windows, windows become scenes, without ever falling behind live."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection, Row
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from rtstream.engine.journal import Journal
from rtstream.media import messages as m
from rtstream.perception.protocols import Picture, ProviderError, VisionAnswer, VisionProvider, VisionRequest
from rtstream.rules.untrusted import clean
from rtstream.rules.windows import Window, Windows
from rtstream.store import indexes as rows
from rtstream.store import journal as journal_rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry

log = logging.getLogger(__name__)

MAX_WAITING = 2
"""Windows that may wait for the model; one more, and the oldest is skipped and counted."""
ATTEMPTS = 3
MODEL_TIMEOUT_S = 60.0
MAX_TEXT = 20_000
"""Characters of a model's answer that are kept."""


@dataclass
class VisualIndex:
    """One running index: what it collects and what waits for its model."""

    id: str
    stream_id: str
    stream_name: str
    name: str
    prompt: str
    length: float
    frame_count: int
    provider: VisionProvider
    json_schema: dict[str, Any] | None = None
    windows: Windows[Picture] = field(init=False)
    waiting: deque[Window[Picture]] = field(default_factory=deque)
    arrived: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    skipped: int = 0

    def __post_init__(self) -> None:
        self.windows = Windows(self.length, self.frame_count)

    @property
    def tap(self) -> dict[str, float]:
        """What the media worker should sample."""
        return {"interval_s": self.length / self.frame_count}


class Indexers:
    """All running visual indexes. ``on_scene(index_id)`` is called after each stored scene."""

    def __init__(
        self,
        tasks: TaskGroup,
        db: Database,
        journal: Journal,
        on_scene: Callable[[str], None],
        set_taps: Callable[[str, m.SetTaps], Awaitable[None]],
        max_side: int,
    ) -> None:
        self._tasks = tasks
        self._db = db
        self._journal = journal
        self._on_scene = on_scene
        self._set_taps = set_taps
        self._max_side = max_side
        self._running: dict[str, VisualIndex] = {}

    async def start(self, index: VisualIndex) -> None:
        """Begin (or begin anew, with a changed prompt)."""
        await self.stop(index.id)
        self._running[index.id] = index
        self._tasks.start_soon(self._work, index)
        await self.retap(index.stream_id)

    async def stop(self, index_id: str) -> None:
        """End an index; the window under way is dropped."""
        index = self._running.pop(index_id, None)
        if index is not None:
            index.scope.cancel()
            await self.retap(index.stream_id)

    def of_stream(self, stream_id: str) -> list[VisualIndex]:
        """The running indexes of a stream."""
        return [index for index in self._running.values() if index.stream_id == stream_id]

    async def retap(self, stream_id: str) -> None:
        """Tell the stream's worker which pictures are wanted now."""
        taps = {index.id: {**index.tap, "max_side": float(self._max_side)} for index in self.of_stream(stream_id)}
        await self._set_taps(stream_id, m.SetTaps(taps))

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
            index.waiting.append(window)
            if len(index.waiting) > MAX_WAITING:
                index.waiting.popleft()
                index.skipped += 1
                await self._db.write(lambda conn: rows.count(conn, index.id, skipped=1))
            index.arrived.set()

    async def _work(self, index: VisualIndex) -> None:
        """One window after the other, newest at most ``MAX_WAITING`` windows behind."""
        with index.scope:
            while True:
                while not index.waiting:
                    index.arrived = anyio.Event()
                    await index.arrived.wait()
                window = index.waiting.popleft()
                try:
                    await self._scene(index, window)
                except Exception:
                    log.exception("a window of index %s could not be indexed", index.id)
                    await self._db.write(lambda conn: rows.count(conn, index.id, failed=1))

    async def _scene(self, index: VisualIndex, window: Window[Picture]) -> None:
        began = time.monotonic()
        request = VisionRequest(index.prompt, window.pictures, session=index.id, json_schema=index.json_schema)
        failure = ""
        try:
            answer = await self._ask(index.provider, request)
        except (ProviderError, TimeoutError) as exc:
            failure = (
                str(exc)
                if isinstance(exc, ProviderError)
                else f"The model did not answer within {MODEL_TIMEOUT_S:.0f} s."
            )
            answer = VisionAnswer(text="", model=index.provider.name)
        latency = time.monotonic() - began
        lines = [clean(line.text, 1000) for line in answer.lines]
        values: dict[str, Any] = {
            "index_id": index.id,
            "stream_id": index.stream_id,
            "start": window.start,
            "end": window.end,
            "text": clean(answer.text, MAX_TEXT) if not failure else "",
            "status": "failed" if failure else "ok",
            "model": answer.model,
            "data": answer.data,
            "detail": {
                "frame_times": [round(picture.time, 3) for picture in window.pictures],
                "latency_s": round(latency, 3),
                "lines": lines[:500],
                "changes": answer.changes,
                "tokens_in": answer.tokens_in,
                "tokens_out": answer.tokens_out,
                **({"failure": failure} if failure else {}),
            },
            "created_at": time.time(),
        }
        await self._db.write(self._store, index, values, failure)
        self._journal.wake()
        self._on_scene(index.id)

    @staticmethod
    def _store(conn: Connection, index: VisualIndex, values: dict[str, Any], failure: str) -> None:
        """The scene, its journal entry and the index's counters, in one transaction."""
        scene_id = rows.add_scene(conn, **values)
        detail = values["detail"]
        if failure:
            rows.count(conn, index.id, failed=1)
        else:
            rows.count(conn, index.id, done=1, tokens_in=detail["tokens_in"], tokens_out=detail["tokens_out"])
        data = {
            "text": values["text"],
            "start": values["start"],
            "end": values["end"],
            "rtstream_index_id": index.id,
            "index_name": index.name,
            "scene_id": scene_id,
            "model": values["model"],
            "status": values["status"],
        }
        if failure:
            data["failure"] = failure
        if values["data"] is not None:
            data["data"] = values["data"]
        journal_rows.append(
            conn,
            Entry("scene_index", data, stream_id=index.stream_id, stream_name=index.stream_name, index_id=index.id),
        )

    @staticmethod
    async def _ask(provider: VisionProvider, request: VisionRequest) -> VisionAnswer:
        def worth_another(exc: BaseException) -> bool:
            return isinstance(exc, TimeoutError) or (isinstance(exc, ProviderError) and not exc.permanent)

        async for attempt in AsyncRetrying(
            retry=retry_if_exception(worth_another),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential_jitter(initial=0.5, max=8.0),
            sleep=anyio.sleep,
            reraise=True,
        ):
            with attempt, anyio.fail_after(MODEL_TIMEOUT_S):
                return await provider.describe(request)
        raise AssertionError("unreachable")


def extraction_config(given: dict[str, Any] | None) -> dict[str, Any]:
    """A visual index's ``{"time", "frame_count"}`` with defaults filled in. Raises ValueError with a sentence."""
    given = given or {}
    length = given.get("time")
    count = given.get("frame_count")
    length = 2 if length is None else _number(length, "the window (time, in seconds)")
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
        raise ValueError(f"{what[0].upper()}{what[1:]} must be a number.") from None
    if not math.isfinite(number):
        raise ValueError(f"{what[0].upper()}{what[1:]} must be a finite number.")
    return number


def visual_index(row: Row[Any], stream_name: str, provider: VisionProvider) -> VisualIndex:
    """A running index of a stored one."""
    config = row.extraction_config
    return VisualIndex(
        id=row.id,
        stream_id=row.stream_id,
        stream_name=stream_name,
        name=row.name or "",
        prompt=row.prompt or "Describe the scene",
        length=float(config["time"]),
        frame_count=int(config["frame_count"]),
        provider=provider,
        json_schema=(row.model_config or {}).get("json_schema"),
    )
