"""Transcripts and audio indexes on the audio of a real live stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest
from rtstream.models import ConnectStream, CreateIndex, Message, Page
from rtstream.store.journal import Filter

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec, LiveSource

pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
pytestmark = pytest.mark.anyio


@pytest.fixture
def spoken(clip_of: Callable[[ClipSpec], Path]) -> Path:
    """A human voice reading (with the speech package), 20 s long."""
    from rtstream.testsource import ClipSpec

    return clip_of(ClipSpec(width=320, height=180, seconds=20, gop=15, bitrate=300_000, voice="reading"))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with Engine(EngineConfig(data_dir=tmp_path, allow_networks="loopback", reconnect_max_s=1)) as engine:
        yield engine


async def first(engine: Engine, channel: str, wanted: Callable[[Message], bool]) -> Message:
    cursor = 0
    with anyio.fail_after(45):
        while True:
            page = await engine.journal.read(cursor, Filter(channels=[channel]), wait_s=10)
            cursor = page.cursor
            for message in page.entries:
                if wanted(message):
                    return message


async def test_what_is_said_is_final_once_with_times_and_its_engine(engine: Engine, spoken: Path) -> None:
    from rtstream.testsource import LiveSource

    partials: list[str] = []
    engine.bind(on_partial=lambda entry: partials.append(entry.data["text"]))
    with LiveSource(spoken) as source:
        stream = await engine.connect_stream(ConnectStream(url=source.rtsp_url, media_types=["video", "audio"]))
        started = await engine.transcripts.start(stream.id, None)
        assert (started.status, started.engine) == ("running", "local")
        said = await first(engine, "transcript", lambda message: len(message.data["text"].split()) > 3)
        assert (await engine.transcripts.stop(stream.id, None)).status == "stopped"
    page = await engine.transcripts.get(stream.id, Page(page_size=10))
    [record] = [r for r in page.transcription_records if r.start == said.data["start"]]
    assert record.text == said.data["text"]
    assert record.engine == "local"
    assert source.epoch < record.start < record.end < source.epoch + 60
    assert [word["word"] for word in record.word_timestamps]
    assert partials


async def test_an_audio_index_starts_the_transcript_it_needs_and_gives_honest_extracts(
    engine: Engine, spoken: Path
) -> None:
    from rtstream.testsource import LiveSource

    with LiveSource(spoken) as source:
        stream = await engine.connect_stream(ConnectStream(url=source.rtsp_url, media_types=["video", "audio"]))
        request = CreateIndex(
            extraction_type="transcript",
            extraction_config={"segmenter": "word", "segmentation_value": 5},
            prompt="Summarize",
        )
        index = await engine.indexes.create(stream.id, request)
        assert (index.model, index.extraction_type) == ("local", "transcript")
        assert "does not follow the prompt" in index.note
        scene = await first(engine, "audio_index", lambda message: True)
        assert scene.data["rtstream_index_id"] == index.rtstream_index_id
        assert scene.data["text"].split()
        await engine.indexes.stop(stream.id, index.rtstream_index_id)
    assert (await engine.transcripts.status(stream.id, None)).state == "stopped"
    [record, *_], _ = await engine.indexes.list_scenes(stream.id, index.rtstream_index_id, Page())
    assert record.model == "local"


async def test_a_stream_without_sound_says_so(engine: Engine, live_source: LiveSource) -> None:
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, audio=False))
    with pytest.raises(InvalidRequest, match="audio=false"):
        await engine.transcripts.start(stream.id, None)
    with pytest.raises(InvalidRequest, match="audio=false"):
        await engine.indexes.create(stream.id, CreateIndex(extraction_type="transcript"))


async def test_an_engine_that_lacks_something_says_what(engine: Engine, spoken: Path) -> None:
    from rtstream.testsource import LiveSource

    with LiveSource(spoken) as source:
        stream = await engine.connect_stream(ConnectStream(url=source.rtsp_url, media_types=["video", "audio"]))
        with pytest.raises(InvalidRequest, match="not supported"):
            await engine.transcripts.start(stream.id, "no-such-engine")
