"""Transcripts with cuts, lag, failures and restarts, from audio that is passed to a real engine."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from starlette.responses import JSONResponse, Response

from rtstream import ids
from rtstream import messages as m
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest
from rtstream.models import CreateIndex, Message, Page
from rtstream.store import streams as stream_rows
from rtstream.store.journal import Filter
from tests.rtstream.perception.speech.sounds import RATE, noise, pcm, reading, silence, tone
from tests.rtstream.perception.speech.test_server import serving
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
BEGIN = 1_700_000_000.0


@asynccontextmanager
async def running(folder: Path, **settings: Any) -> AsyncIterator[Engine]:
    config = EngineConfig(
        data_dir=folder, local_vision=False, embedding_model="none", allow_networks="loopback", **settings
    )
    async with Engine(config) as engine:
        yield engine


async def add_stream(engine: Engine, *, media: dict[str, Any] | None = None) -> str:
    """Store a stopped stream with audio. Returns its id."""
    stream_id = ids.stream_id()
    values: dict[str, Any] = {
        "id": stream_id,
        "name": "Desk",
        "url": "rtsp://192.0.2.1/desk",
        "collection_id": "default",
        "created_at": time.time(),
        "media_types": ["video", "audio"],
        "sample_rate": 30.0,
        "store": False,
        "enable_transcript": False,
        "desired": "stopped",
        "health": {"state": "stopped", "since": time.time()},
        "media": media,
    }
    await engine.db.write(lambda conn: stream_rows.insert(conn, **values))
    return stream_id


async def play(
    engine: Engine, stream_id: str, sound: bytes, start: float = BEGIN, *, pace: float | None = None
) -> float:
    """Pass audio on in blocks as a recorder does, ``pace`` times real time. Returns the Unix time of its end."""
    size, at = RATE // 5, start
    for begin in range(0, len(sound), size):
        block = sound[begin : begin + size]
        await engine.recorder_events.handle(stream_id, m.AudioTaken(at, payload=block))
        at += len(block) / (2 * RATE)
        if pace is not None:
            await anyio.sleep(0.1 / pace)
    return at


async def records(engine: Engine, stream_id: str) -> list[Any]:
    page = await engine.transcripts.get(stream_id, Page(page_size=1000))
    return page.transcription_records


async def entries(
    engine: Engine, wanted: Callable[[list[Message]], bool], channel: str = "transcript"
) -> list[Message]:
    """The journal of a channel, once it is as wanted."""
    found: list[Message] = []
    cursor = 0
    with anyio.fail_after(45):
        while not wanted(found):
            page = await engine.journal.read(cursor, Filter(channels=[channel]), wait_s=10)
            cursor, found = page.cursor, [*found, *page.entries]
    return found


def answering(text: str) -> Callable[[dict[str, Any], float], Response]:
    return lambda form, seconds: JSONResponse({"text": text})


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")


@pytest.mark.usefixtures("key")
async def test_a_cut_ends_the_sentence_and_times_go_on_after_it(tmp_path: Path) -> None:
    voice = pcm(silence(1), reading(5)[RATE:], silence(0.2))
    async with serving(answering("It was.")) as server:
        settings = {"speech_engine": "openai:whisper-1", "speech_base_url": server.url}
        async with running(tmp_path, **settings) as engine:
            stream_id = await add_stream(engine)
            await engine.transcripts.start(stream_id, None)
            await play(engine, stream_id, voice[: 2 * 3 * RATE])  # in mid-sentence
            await play(engine, stream_id, voice, BEGIN + 100)
            await entries(engine, lambda found: len(found) >= 1)
            status = await engine.transcripts.stop(stream_id, None)
            first, second = await records(engine, stream_id)
    assert (status.status, status.state, status.skipped_s) == ("stopped", "stopped", 0.0)
    assert BEGIN + 0.8 <= first.start < first.end <= BEGIN + 3.1
    assert BEGIN + 100.8 <= second.start < second.end <= BEGIN + 105.3
    assert (first.engine, first.kind) == ("openai:whisper-1", "speech")


@pytest.mark.usefixtures("key")
async def test_falling_behind_is_bounded_counted_and_a_gap(tmp_path: Path) -> None:
    async with serving(answering("It was.")) as server:
        settings = {"speech_engine": "openai:whisper-1", "speech_base_url": server.url, "transcript_max_lag_s": 4}
        async with running(tmp_path, **settings) as engine:
            stream_id = await add_stream(engine)
            await engine.transcripts.start(stream_id, None)
            # Half a minute at once: much faster than it can be taken.
            sound = pcm(silence(1), reading(13), silence(1), reading(13), silence(1))
            end = await play(engine, stream_id, sound)
            status = await engine.transcripts.status(stream_id, None)
            health = (await engine.streams.get(stream_id)).health
            await engine.transcripts.stop(stream_id, None)
            said = await records(engine, stream_id)
            kept = (await engine.streams.get(stream_id)).health
    gaps = [record for record in said if record.kind == "gap"]
    assert len(gaps) >= 1
    skipped = sum(gap.end - gap.start for gap in gaps)
    assert 15 < skipped < 29
    assert status.skipped_s == pytest.approx(skipped, abs=0.2)
    assert health.skipped["transcript_s"] == kept.skipped["transcript_s"] == pytest.approx(skipped, abs=0.2)
    assert all(gap.text == "" for gap in gaps)
    # The newest sound won.
    assert max(record.end for record in said if record.kind == "speech") > end - 4


@pytest.mark.usefixtures("key")
async def test_an_engine_that_fails_says_why_and_what_it_did_not_hear_is_one_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstream.engine.transcripts.runner.REOPEN_S", 0.2)
    answers: list[Response] = [JSONResponse({}, 401)]
    voice = pcm(silence(1), reading(5)[RATE:], silence(1))
    seconds = len(voice) / (2 * RATE)
    async with serving(lambda form, length: answers.pop() if answers else JSONResponse({"text": "Again."})) as server:
        settings = {"speech_engine": "openai:whisper-1", "speech_base_url": server.url}
        async with running(tmp_path, **settings) as engine:
            stream_id = await add_stream(engine)
            await engine.transcripts.start(stream_id, None)
            await play(engine, stream_id, voice)
            status = await eventually(
                lambda: engine.transcripts.status(stream_id, None), lambda status: status.state == "error"
            )
            assert "rejected the key" in status.reason
            end = BEGIN + seconds
            for _ in range(3):  # it resumes by itself
                end = await play(engine, stream_id, voice, end)
            found = await entries(engine, lambda found: any(entry.data["text"] for entry in found))
            assert (await engine.transcripts.status(stream_id, None)).state == "running"
    gap, text = found[0].data, found[-1].data
    assert (gap["kind"], text["kind"], text["text"]) == ("gap", "speech", "Again.")
    assert "rejected the key" in gap["reason"]
    assert [entry.data["kind"] for entry in found].count("gap") <= 2
    assert gap["start"] >= BEGIN


@pytest.mark.usefixtures("key")
async def test_a_stopped_transcript_may_be_started_while_it_ends(tmp_path: Path) -> None:
    async with serving(answering("It was.")) as server:
        settings = {"speech_engine": "openai:whisper-1", "speech_base_url": server.url}
        async with running(tmp_path, **settings) as engine:
            stream_id = await add_stream(engine)
            await engine.transcripts.start(stream_id, None)
            await play(engine, stream_id, pcm(silence(1), reading(3)[RATE:]))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(engine.transcripts.stop, stream_id, None)
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(engine.transcripts.start, stream_id, None)
            await play(engine, stream_id, pcm(silence(1), reading(3)[RATE:], silence(1)), BEGIN + 50)
            found = await entries(engine, lambda found: len(found) >= 2)
            status = await engine.transcripts.status(stream_id, "default")
    assert [entry.data["start"] > BEGIN + 50 for entry in found] == [False, True]
    assert (status.status, status.state) == ("running", "running")


async def test_silence_noise_tones_and_clipped_noise_give_no_text(tmp_path: Path) -> None:
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    async with running(tmp_path, transcript_max_lag_s=60) as engine:
        stream_id = await add_stream(engine)
        await engine.transcripts.start(stream_id, None)
        await play(engine, stream_id, pcm(silence(6), noise(6), tone(6), 50 * tone(4), 50 * noise(4), silence(2)))
        await engine.transcripts.stop(stream_id, None)
        assert await records(engine, stream_id) == []


async def test_telephone_sound_is_understood(tmp_path: Path) -> None:
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    voice = reading(9)
    spectrum = np.fft.rfft(voice)
    hertz = np.fft.rfftfreq(len(voice), 1 / RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0  # what 8 kHz telephony lets through
    narrow = np.fft.irfft(spectrum, len(voice))
    # G.711: 256 steps on a logarithmic scale.
    steps = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    telephone = np.sign(steps) * (256 ** np.abs(steps) - 1) / 255
    async with running(tmp_path, transcript_max_lag_s=60) as engine:
        stream_id = await add_stream(engine)
        await engine.transcripts.start(stream_id, None)
        await play(engine, stream_id, pcm(telephone, silence(2)))
        await engine.transcripts.stop(stream_id, None)
        said = " ".join(record.text for record in await records(engine, stream_id)).lower()
    for words in ("worst of times", "age of wisdom", "foolishness"):
        assert words in said


async def test_a_language_the_engine_does_not_know_is_refused_at_once(tmp_path: Path) -> None:
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    async with running(tmp_path, speech_language="de") as engine:
        stream_id = await add_stream(engine)
        with pytest.raises(InvalidRequest, match="English only"):
            await engine.transcripts.start(stream_id, None)
        assert (await engine.transcripts.start(stream_id, None, language="en-US")).language == "en-US"
        with pytest.raises(InvalidRequest, match="code such as"):
            await engine.transcripts.start(stream_id, None, language="English, please")


@pytest.mark.usefixtures("key")
async def test_a_source_without_sound_is_told_and_a_lost_one_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstream.engine.transcripts.service.NO_AUDIO_S", 0.0)
    async with running(tmp_path, speech_engine="openai:whisper-1") as engine:
        # Its source has no audio now, and may have some later.
        mute = await add_stream(engine, media={"video_codec": "h264", "audio_codec": None})
        assert (await engine.transcripts.start(mute, None)).status == "running"
        await engine.delete_stream(mute)
        stream_id = await add_stream(engine)
        status = await engine.transcripts.start(stream_id, None)
        assert "stream is stopped" in status.reason
        await engine.delete_stream(stream_id)
        assert engine.streams._transcribers.of_stream(stream_id) == []


@pytest.mark.usefixtures("key")
async def test_a_batch_of_words_continues_after_a_cut_in_the_audio(tmp_path: Path) -> None:
    voice = pcm(silence(1), reading(5)[RATE:], silence(1))
    async with serving(answering("One two three four five.")) as server:
        settings = {"speech_engine": "openai:whisper-1", "speech_base_url": server.url}
        async with running(tmp_path, **settings) as engine:
            stream_id = await add_stream(engine)
            config = {"segmenter": "word", "segmentation_value": 4}
            request = CreateIndex(
                extraction_type="transcript", extraction_config=config, prompt="Summarize", name="talk"
            )
            index = await engine.indexes.create(stream_id, request)
            await play(engine, stream_id, voice)
            await entries(engine, lambda found: len(found) >= 1)
            await play(engine, stream_id, voice, BEGIN + 60)
            found = await entries(engine, lambda found: len(found) >= 2, "audio_index")
            await engine.indexes.stop(stream_id, index.rtstream_index_id)
    first, second = (entry.data["text"] for entry in found[:2])
    assert "One two three four" in first
    assert "five. One two three" in second
    assert found[0].data["index_name"] == "talk"
