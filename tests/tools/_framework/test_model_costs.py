"""Paid work that belongs to no stream is stopped or named by the tool that stops everything that costs money."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client

from rtstream.extract.export import VIDEO_FILE
from rtstream.states import JobState
from rtstream.store import videos as video_rows
from tests.modelserver import forget_keys
from tests.server.mcp_servers import Served, call

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

pytestmark = pytest.mark.anyio

SECONDS = 20


@pytest.fixture
async def engine_settings(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Any]]:
    """Paid models at a server that accepts connections and never responds."""
    forget_keys(monkeypatch)
    held: list[asyncio.StreamWriter] = []
    listening = await asyncio.start_server(lambda _reader, writer: held.append(writer), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    speech = {"speech_engine": "openai:whisper-1", "speech_base_url": url}
    embedding = {"embedding_model": "openai:text-embedding-3-small", "embedding_base_url": url}
    yield {"model_api_key": "sk-1", **speech, **embedding}
    for writer in held:
        writer.close()
    listening.close()


@pytest.fixture
async def video(served: Served, clip_of: Callable[[ClipSpec], Path]) -> str:
    """A human voice, which the built-in detection of speech finds."""
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    from rtstream.testsource import ClipSpec

    spec = ClipSpec(width=160, height=90, fps=5, gop=10, seconds=SECONDS, bitrate=50_000, voice="reading")
    folder = served.data_dir / "videos" / "m-1"
    folder.mkdir(parents=True)
    shutil.copy(clip_of(spec), folder / VIDEO_FILE)
    detail = {"key": "k", "size": 1, "covered": [[1000.0, 1000.0 + SECONDS]]}
    times = {"start": 1000.0, "duration": float(SECONDS), "created_at": 0.0}
    values = {"id": "m-1", "collection_id": "default", "stream_id": "rts-1", "name": "Reading", "path": "m-1"}
    await served.engine.db.write(lambda conn: video_rows.insert(conn, **values, **times, detail=detail))
    return "m-1"


async def test_a_transcription_of_a_video_is_cancelled_and_a_paid_embedding_model_is_named(
    served: Served, client: Client, video: str
) -> None:
    stream_id = await served.add_stream()
    job = await served.engine.video_transcripts.start(video)
    one = await call(client, "update_stream", stream_id=stream_id, paid=False)
    assert job.running
    assert one["note"].startswith("New text is still embedded for search by openai:text-embedding-3-small.")
    everything = await call(client, "update_stream", stream_id="all", paid=False)
    assert everything["note"].startswith("Cancelled the transcription of Reading. index_spoken_words continues it. ")
    await job.wait(10)
    assert job.state is JobState.CANCELLED
    again = await call(client, "update_stream", stream_id="all", paid=False)
    assert "Cancelled" not in again["note"]
