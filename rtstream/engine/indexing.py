"""Running indexes: windows of pictures or words wait for their model, and become stored scenes.

Nothing falls behind live: at most ``MAX_WAITING`` windows wait; one more, and the oldest is skipped and counted.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream.engine.journal import Journal
from rtstream.engine.modelcalls import Capped, ModelCalls
from rtstream.perception.protocols import LanguageProvider, ProviderError, VisionAnswer, VisionProvider
from rtstream.rules.untrusted import clean
from rtstream.store import indexes as rows
from rtstream.store import journal as journal_rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry

log = logging.getLogger(__name__)

MAX_WAITING = 2
MAX_TEXT = 20_000
"""Characters of a model's answer that are kept."""
MAX_LINES = 500


@dataclass
class Job:
    """One window that waits for its model. ``detail`` is kept with the scene (frame times, number of words)."""

    start: float
    end: float
    ask: Callable[[], Awaitable[VisionAnswer]] | None
    detail: dict[str, Any]
    text: str = ""
    """The scene's text when nobody needs to be asked (``ask`` is None)."""


@dataclass
class RunningIndex:
    """One index at work."""

    id: str
    stream_id: str
    stream_name: str
    name: str
    channel: str
    """Where its scenes go: ``scene_index`` or ``audio_index``."""
    provider: VisionProvider | LanguageProvider
    waiting: deque[Job] = field(default_factory=deque)
    arrived: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Indexing:
    """All indexes at work. ``on_scene(index_id)`` is called after each stored scene."""

    def __init__(
        self, tasks: TaskGroup, db: Database, journal: Journal, calls: ModelCalls, on_scene: Callable[[str], None]
    ) -> None:
        self._tasks = tasks
        self._db = db
        self._journal = journal
        self._calls = calls
        self._on_scene = on_scene

    def start(self, index: RunningIndex) -> None:
        """Work through what ``put`` brings until ``index.scope`` is cancelled."""
        self._tasks.start_soon(self._work, index)

    async def put(self, index: RunningIndex, job: Job) -> None:
        """A window is complete."""
        index.waiting.append(job)
        index.arrived.set()
        if len(index.waiting) > MAX_WAITING:
            index.waiting.popleft()
            await self._count(index, skipped=1)

    async def _count(self, index: RunningIndex, **add: float) -> None:
        await self._db.write(lambda conn: rows.count(conn, index.id, **add))

    async def _work(self, index: RunningIndex) -> None:
        with index.scope:
            while True:
                while not index.waiting:
                    index.arrived = anyio.Event()
                    await index.arrived.wait()
                job = index.waiting.popleft()
                try:
                    await self._scene(index, job)
                except Capped as exc:
                    await self._pause(index, exc)
                except Exception:
                    log.exception("a window of index %s could not be indexed", index.id)
                    await self._count(index, failed=1)

    async def _pause(self, index: RunningIndex, capped: Capped) -> None:
        """The cap of model calls is reached: say so, skip and count what comes, go on when there is room."""
        await self._state(index, "paused", str(capped))
        await self._count(index, capped=1)
        await anyio.sleep(max(1.0, capped.until - time.time()))
        await self._state(index, "running", "")

    async def _state(self, index: RunningIndex, status: str, reason: str) -> None:
        await self._db.write(lambda conn: rows.change(conn, index.id, status=status, status_reason=reason))

    async def _scene(self, index: RunningIndex, job: Job) -> None:
        began = time.monotonic()
        failure = ""
        answer = VisionAnswer(text=job.text, model=index.provider.name)
        if job.ask is not None:
            try:
                answer = await self._calls.call(index.provider, job.ask)
            except Capped:
                raise
            except ProviderError as exc:
                failure = str(exc)
        detail = {
            **job.detail,
            "latency_s": round(time.monotonic() - began, 3),
            "lines": [clean(line.text, 1000) for line in answer.lines[:MAX_LINES]],
            "changes": answer.changes,
            "tokens_in": answer.tokens_in,
            "tokens_out": answer.tokens_out,
        }
        if failure:
            detail["failure"] = failure
        if answer.data_error:
            detail["data_error"] = answer.data_error
        values = {
            "index_id": index.id,
            "stream_id": index.stream_id,
            "start": job.start,
            "end": job.end,
            "text": "" if failure else clean(answer.text, MAX_TEXT),
            "status": "failed" if failure else "ok",
            "model": answer.model,
            "data": answer.data,
            "detail": detail,
            "created_at": time.time(),
        }
        await self._db.write(self._store, index, values, job.ask is None)
        self._journal.wake()
        self._on_scene(index.id)

    @staticmethod
    def _store(conn: Connection, index: RunningIndex, values: dict[str, Any], unasked: bool) -> None:
        """The scene, its journal entry and the index's counters, in one transaction."""
        scene_id = rows.add_scene(conn, **values)
        detail = values["detail"]
        if values["status"] == "failed":
            rows.count(conn, index.id, failed=1, calls=1)
        elif unasked:
            rows.count(conn, index.id, done=1, unchanged=1)
        else:
            tokens = {"tokens_in": detail["tokens_in"], "tokens_out": detail["tokens_out"]}
            rows.count(conn, index.id, done=1, calls=1, **tokens)
        data = {
            "text": values["text"],
            "start": values["start"],
            "end": values["end"],
            "rtstream_index_id": index.id,
            "index_name": index.name,
            "scene_id": scene_id,
            "model": values["model"],
            "status": values["status"],
            **{key: detail[key] for key in ("failure", "data_error", "unchanged") if detail.get(key)},
        }
        if values["data"] is not None:
            data["data"] = values["data"]
        entry = Entry(index.channel, data, index.stream_id, index.stream_name, index.id)
        journal_rows.append(conn, entry)
