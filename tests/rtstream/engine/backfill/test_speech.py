"""Recorded speech is transcribed and summarised on request, each sentence once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.engine.indexes import audio_backfill
from rtstream.engine.transcripts import backfill as transcript_backfill
from rtstream.errors import ConfirmationNeeded
from rtstream.models import CreateIndex, JobInfo, JobState, Page, TranscriptSegment, TranscriptStatus
from tests.rtstream.engine.recordings.test_exports import STREAM, add_recording, add_stream
from tests.rtstream.perception.speech.test_server import Server, serving, verbose
from tests.waiting import eventually

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

pytestmark = pytest.mark.anyio

SECONDS = 20.0
PRICE = "openai:whisper-1=0.36/h"


class Hearing:
    """An engine with a recording of 20 s of speech, of a stream that is stopped."""

    def __init__(self, engine: Engine, start: float) -> None:
        self.engine, self.start = engine, start

    async def transcribe(self, start: float = 0.0, end: float = 30.0, **wanted: Any) -> TranscriptStatus:
        span = self.start + start, self.start + end
        arguments: dict[str, Any] = {"confirm": True} | wanted
        return await self.engine.backfills.transcribe(STREAM, None, span, **arguments)

    async def ended(self, job_id: str | None) -> JobInfo:
        assert job_id is not None
        job = self.engine.jobs.get(job_id)
        await eventually(lambda: not job.running, what="the end of the job")
        return job.info()

    async def said(self) -> list[TranscriptSegment]:
        found = await self.engine.transcripts.get(STREAM, Page(page_size=500))
        return found.transcription_records


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setattr(audio_backfill, "POLL_S", 0.05)
    monkeypatch.setattr(transcript_backfill, "POLL_S", 0.1)


@pytest.fixture
async def speech() -> AsyncIterator[Server]:
    async with serving(verbose) as running:
        yield running


@pytest.fixture
def reading(clip_of: Callable[[ClipSpec], Path]) -> Path:
    from rtstream.testsource import ClipSpec

    return clip_of(ClipSpec(width=320, height=180, seconds=20, gop=15, bitrate=300_000, voice="reading"))


@asynccontextmanager
async def running(folder: Path, speech: Server) -> AsyncIterator[Engine]:
    config = EngineConfig(
        data_dir=folder,
        local_vision=False,
        speech_engine="openai:whisper-1",
        speech_base_url=speech.url,
        model_prices=PRICE,
    )
    async with Engine(config) as engine:
        yield engine


@pytest.fixture
async def hearing(tmp_path: Path, speech: Server, reading: Path) -> AsyncIterator[Hearing]:
    async with running(tmp_path, speech) as engine:
        yield await with_footage(engine, reading)


async def with_footage(engine: Engine, reading: Path) -> Hearing:
    start = float(int(time.time()) - 300)
    await add_stream(engine)
    await add_recording(engine, reading, 1, start, seconds=SECONDS)
    return Hearing(engine, start)


def once(said: list[TranscriptSegment]) -> bool:
    return all(later.start >= one.end - 0.05 for one, later in pairwise(said))


async def test_a_range_is_transcribed_once_and_the_bill_is_as_expected(hearing: Hearing, speech: Server) -> None:
    with pytest.raises(ConfirmationNeeded, match=r"20 seconds of audio .* US dollars \(openai:whisper-1\)"):
        await hearing.transcribe(confirm=False)
    assert speech.seconds == []
    status = await hearing.transcribe()
    assert status.backfill is not None
    job = await hearing.ended(status.backfill.job_id)
    assert (job.state, job.percentage) == (JobState.DONE, 100.0)
    said = await hearing.said()
    assert once(said)
    assert all(one.late for one in said)
    assert said[0].start < hearing.start + 3
    assert said[-1].end > hearing.start + SECONDS - 3
    assert job.backfill is not None
    assert job.backfill.transcribed_s == pytest.approx(SECONDS, abs=0.5)
    bill = sum(speech.seconds) * 0.36 / 3600
    assert status.backfill.forecast.cost == pytest.approx(bill, rel=0.2)
    again = await hearing.transcribe()
    assert again.backfill is not None
    assert (again.backfill.job_id, again.backfill.forecast.audio_s) == (None, 0.0)
    assert (await hearing.engine.transcripts.status(STREAM, None)).state == "stopped"


async def test_an_engine_that_ends_meanwhile_leaves_the_rest_to_the_next_one(
    tmp_path: Path, speech: Server, reading: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcript_backfill, "FASTEST", 10.0)
    async with running(tmp_path, speech) as engine:
        hearing = await with_footage(engine, reading)
        status = await hearing.transcribe()
        assert status.backfill is not None
        job_id = status.backfill.job_id
        before = await eventually(hearing.said, lambda found: len(found) >= 2, what="two sentences")
    async with running(tmp_path, speech) as engine:
        after = Hearing(engine, hearing.start)
        assert (await after.ended(job_id)).state is JobState.DONE
        said = await after.said()
        assert [one.start for one in said][: len(before)] == [one.start for one in before]
        assert once(said)
        assert said[-1].end > hearing.start + SECONDS - 3


async def test_the_speech_of_the_past_is_summarised_once(hearing: Hearing) -> None:
    await hearing.ended((await hearing.transcribe(0.0, 8.0)).backfill.job_id)  # pyright: ignore
    config = {"segmenter": "word", "segmentation_value": 4}
    wanted = {
        "extraction_type": "transcript",
        "extraction_config": config,
        "start": hearing.start,
        "end": hearing.start + 30,
        "confirm": True,
    }
    index = await hearing.engine.backfills.create_index(STREAM, CreateIndex.model_validate(wanted))
    assert index.backfill is not None
    assert index.backfill.forecast.audio_s == pytest.approx(SECONDS - 8, abs=0.5)
    job = await hearing.ended(index.backfill.job_id)
    assert job.state is JobState.DONE
    found, _ = await hearing.engine.indexes.list_scenes(STREAM, index.rtstream_index_id, Page(page_size=500))
    words = " ".join(one.text for one in await hearing.said()).split()
    assert job.backfill is not None
    assert job.backfill.done == len(found) == -(-len(words) // 4)
    assert once([TranscriptSegment(start=one.start, end=one.end, text="") for one in found[::-1]])
