"""Paid work that belongs to no stream is stopped or named by the tool that stops everything that costs money."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from rtstream.states import JobState
from tests.modelserver import forget_keys
from tests.server.mcp_servers import Served, call
from tests.tools.test_video_transcripts import video

__all__ = ["video"]

pytestmark = pytest.mark.anyio


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
