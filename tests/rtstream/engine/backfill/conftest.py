"""An engine with recorded footage of a stopped stream, and a loopback model that describes it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rtstream.engine.engine import Engine
from rtstream.models import CreateIndex, JobInfo, JobState, Page, Scene, SceneIndex
from rtstream.store.journal import Filter
from tests.modelserver import Answer, Call, ModelServer, chat_completion
from tests.rtstream.engine.recordings.test_exports import STREAM, add_recording, add_stream
from tests.rtstream.engine.vision_engine import seeing
from tests.waiting import eventually

LENGTH_S = 6.0
"""Length of the clip."""
TOKENS = (800, 40)
"""Tokens that the model bills for a window."""
PRICE = "openai:eye-1=2.5/10"
PER_WINDOW = 800 * 2.5e-6 + 40 * 1e-5
"""Dollars for a window, by this price and these tokens."""


class Past:
    """An engine with two recordings of 6 s, from ``start`` and 20 s later, of a stream that is stopped."""

    def __init__(self, engine: Engine, start: float) -> None:
        self.engine, self.start = engine, start

    async def describe(self, start: float = 0.0, end: float | None = 30.0, **wanted: Any) -> SceneIndex:
        """An index over a range, in seconds after ``start``, with windows of half a second."""
        fields: dict[str, Any] = {
            "prompt": "What is seen?",
            "extraction_config": {"time": 0.5, "frame_count": 1},
            "start": self.start + start,
            "end": None if end is None else self.start + end,
            "confirm": True,
            "model_config": {"skip_unchanged": False},  # so that each window is a call
        }
        return await self.engine.backfills.create_index(STREAM, CreateIndex.model_validate(fields | wanted))

    async def ended(self, job_id: str | None) -> JobInfo:
        """A job, once it has ended."""
        assert job_id is not None
        job = self.engine.jobs.get(job_id)
        await eventually(lambda: not job.running, what="the end of the job")
        return job.info()

    async def done(self, index: SceneIndex) -> JobInfo:
        """The job of an index over a range, once it is done."""
        assert index.backfill is not None
        job = await self.ended(index.backfill.job_id)
        assert job.state is JobState.DONE, job
        return job

    async def scenes(self, index: SceneIndex) -> list[Scene]:
        """All scenes of an index, oldest first."""
        page = Page(page_size=1000)
        found, _ = await self.engine.indexes.list_scenes(STREAM, index.rtstream_index_id, page)
        return found[::-1]

    async def starts(self, index: SceneIndex) -> list[float]:
        """The starts of all scenes of an index, in seconds after ``start``."""
        return [round(scene.start - self.start, 3) for scene in await self.scenes(index)]

    async def entries(self, channel: str) -> list[dict[str, Any]]:
        """The data of the journal entries of a channel."""
        page = await self.engine.journal.read(0, Filter(channels=[channel]), limit=500)
        return [entry.data for entry in page.entries]


RECORDED = [number * 0.5 for number in range(12)] + [20 + number * 0.5 for number in range(12)]
"""Starts of all recorded windows of half a second, in seconds after the start."""


def once(starts: list[float]) -> bool:
    """Whether no window is there twice."""
    return all(later > one for one, later in pairwise(starts))


@asynccontextmanager
async def past_of(folder: Path, server: ModelServer, clip: Path, **settings: Any) -> AsyncIterator[Past]:
    """An engine with footage that is new."""
    start = float(int(time.time()) - 300)
    async with seeing(folder, server, model_prices=PRICE, local_vision=False, **settings) as engine:
        await add_stream(engine)
        await add_recording(engine, clip, 1, start, seconds=LENGTH_S)
        await add_recording(engine, clip, 2, start + 20, seconds=LENGTH_S)
        yield Past(engine, start)


@pytest.fixture
async def past(tmp_path: Path, vision_server: ModelServer, clip: Path) -> AsyncIterator[Past]:
    vision_server.reply = billed
    async with past_of(tmp_path, vision_server, clip) as found:
        yield found


def billed(call: Call) -> Answer:
    """A description, for which the tokens of a window are billed."""
    return Answer(chat_completion("seen", tokens=TOKENS))


def slow(seconds: float) -> Callable[[Call], Answer]:
    """Descriptions that take some time."""
    return lambda call: Answer(chat_completion("seen", tokens=TOKENS), delay_s=seconds)
