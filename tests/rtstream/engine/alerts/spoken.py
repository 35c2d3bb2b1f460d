"""An engine with a stream whose transcript the test writes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from rtstream.config import EngineConfig
from rtstream.engine.alerts.transcripts import AlertTranscripts
from rtstream.engine.engine import Engine
from rtstream.models import CreateAlertGroup, Decision, Page
from rtstream.states import GapReason
from rtstream.store import gaps, transcripts
from rtstream.store import journal as journal_rows
from rtstream.store import streams as stream_rows
from rtstream.store.journal import Entry, Filter
from tests.waiting import eventually

STREAM = "rts-1"


class Spoken:
    """The engine. Times are seconds after ``start``, a minute ago."""

    def __init__(self, engine: Engine, start: float | None = None) -> None:
        self.engine = engine
        self.start = time.time() - 60 if start is None else start

    async def watch(self, prompt: str, **options: Any) -> str:
        """Create an alert on the stream, with the event. Returns its id."""
        request = CreateAlertGroup(streams=[STREAM], event_prompt=prompt, label="x", **options)
        return (await self.engine.alert_groups.create(request)).alert_id

    async def say(self, text: str, at: float, engine: str = "fake", **detail: Any) -> None:
        """Store a sentence of a second with its journal entry, as a transcript does."""
        place = {"start": self.start + at, "end": self.start + at + 1}
        more = {"kind": "speech", "detail": detail, "created_at": time.time()}
        data = {"text": text, "is_final": True, "engine": engine, "kind": "speech", **place, **detail}

        def write(conn: Connection) -> None:
            journal_rows.append(conn, Entry("transcript", data, STREAM, "s"))
            transcripts.add(conn, stream_id=STREAM, engine=engine, text=text, **place, **more)

        await self.engine.db.write(write)
        self.engine.journal.wake()

    async def decisions(self, alert_id: str, number: int = 0) -> list[Decision]:
        """The decisions of an alert, oldest first, once there are ``number``."""

        async def read() -> list[Decision]:
            return (await self.engine.alerts.list_decisions(STREAM, "", alert_id, Page()))[0]

        return (await eventually(read, lambda found: len(found) >= number))[::-1]

    async def outcomes(self, alert_id: str, number: int = 0) -> list[str]:
        return [one.outcome for one in await self.decisions(alert_id, number)]

    async def fired(self) -> list[dict[str, Any]]:
        page = await self.engine.journal.read(0, Filter(channels=["alert"]), limit=100)
        return [one.data for one in page.entries]

    async def transcribe_gap(self, start: float, end: float, *said: tuple[str, float]) -> None:
        """Transcribe a gap afterwards, in which these sentences were said."""
        values = {"reason": GapReason.ENGINE_ENDED, "now": time.time(), "engine": "fake"}
        at = {"start": self.start + start, "end": self.start + end}
        gap_id = await self.engine.db.write(lambda conn: gaps.insert(conn, stream_id=STREAM, **at, **values))
        for text, when in said:
            await self.say(text, when, late=True)
        listener = self.engine.evaluator.speech_gaps
        await self.engine.db.write(lambda conn: gaps.finish_until(conn, gap_id, at["end"], listener.evaluate))
        listener.announce()


@asynccontextmanager
async def speaking(
    folder: Path, monkeypatch: pytest.MonkeyPatch, start: float | None = None, **settings: Any
) -> AsyncIterator[Spoken]:
    """Run an engine whose alerts read the transcript of an engine that does not run."""

    async def choose(self: AlertTranscripts, stream_id: str) -> str:
        return "fake"

    monkeypatch.setattr(AlertTranscripts, "choose", choose)
    config = EngineConfig(data_dir=folder, local_vision=False, embedding_model="none", **settings)
    now = time.time()
    stream = {"id": STREAM, "name": "s", "url": "u", "collection_id": "default", "created_at": now, "health": {}}
    media = {"media_types": ["audio"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
    async with Engine(config) as engine:
        if start is None:
            await engine.db.write(lambda conn: stream_rows.insert(conn, **stream, **media, desired="stopped"))
        yield Spoken(engine, start)
