"""Transcripts over the API: refusals, pages of text, and partial texts on the WebSocket."""

from __future__ import annotations

import json
import time
from typing import Any

import anyio
import httpx
import pytest
from websockets.asyncio.client import connect

from rtstream.engine.engine import Engine
from rtstream.store import transcripts as rows
from rtstream.store.journal import Entry
from tests.rtstream.api.conftest import AddStream, Served

pytestmark = pytest.mark.anyio


async def say(engine: Engine, stream_id: str, *texts: str, name: str = "local") -> None:
    """Store one final segment of a second a text, from Unix time 1000 on."""

    def write(conn: Any) -> None:
        for number, text in enumerate(texts):
            words = [{"word": text, "start": 1000.0 + number, "end": 1000.5 + number}]
            rows.add(
                conn,
                stream_id=stream_id,
                engine=name,
                start=1000.0 + number,
                end=1001.0 + number,
                text=text,
                kind="speech",
                detail={"words": words, "confidence": 0.9},
                created_at=time.time(),
            )

    await engine.db.write(write)


async def get(api: httpx.AsyncClient, stream_id: str, path: str = "", **query: Any) -> Any:
    answer = await api.get(f"/rtstream/{stream_id}/transcription{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_a_transcript_is_read_in_pages_oldest_first(
    api: httpx.AsyncClient, engine: Engine, add_stream: AddStream
) -> None:
    stream_id = await add_stream()
    await say(engine, stream_id, "one", "two", "three")
    page = await get(api, stream_id, page_size=2)
    assert [record["text"] for record in page["transcription_records"]] == ["one", "two"]
    assert (page["next_page"], page["total_count"], page["page"], page["page_size"]) == (True, 3, 1, 2)
    record = page["transcription_records"][0]
    assert (record["start"], record["end"], record["engine"], record["confidence"]) == (1000.0, 1001.0, "local", 0.9)
    assert record["word_timestamps"] == [{"word": "one", "start": 1000.0, "end": 1000.5}]
    assert (record["is_final"], record["kind"]) == (True, "speech")
    last = await get(api, stream_id, page=2, page_size=2)
    assert ([record["text"] for record in last["transcription_records"]], last["next_page"]) == (["three"], False)


async def test_a_transcript_is_read_by_time_and_engine(
    api: httpx.AsyncClient, engine: Engine, add_stream: AddStream
) -> None:
    stream_id = await add_stream()
    await say(engine, stream_id, "one", "two", "three")
    await say(engine, stream_id, "uno", name="faster-whisper:small")

    async def texts(**query: Any) -> list[str]:
        return [record["text"] for record in (await get(api, stream_id, **query))["transcription_records"]]

    assert await texts(engine="local", since=1001.0) == ["two", "three"]
    assert await texts(engine="default", start=1001.2, end=1001.8) == ["two"]
    # The text of an engine can be read even where the engine cannot run.
    assert await texts(engine="whisper") == ["uno"]
    assert len(await texts()) == 4


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"page_size": 1001}, "page_size"),
        ({"page": 0}, "page"),
        ({"since": "soon"}, "since"),
        ({"engine": "x"}, "engine"),
    ],
)
async def test_a_wrong_question_is_explained(
    api: httpx.AsyncClient, add_stream: AddStream, query: dict[str, Any], word: str
) -> None:
    answer = await api.get(f"/rtstream/{await add_stream()}/transcription", params=query)
    assert answer.status_code == 400
    assert word in answer.json()["message"]


async def test_starting_says_what_is_missing(
    api: httpx.AsyncClient, add_stream: AddStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = await add_stream()
    await api.patch(f"/rtstream/{stream_id}", json={"audio": False})

    async def refusal(**body: Any) -> str:
        answer = await api.post(f"/rtstream/{stream_id}/transcription", json={"action": "start", **body})
        assert answer.status_code == 400
        return answer.json()["message"]

    assert "audio=false" in await refusal(mode="graceful")
    answer = await api.post("/rtstream/rts-nothing/transcription", json={"action": "start"})
    assert answer.status_code == 404
    answer = await api.post(f"/rtstream/{stream_id}/transcription", json={"action": "pause"})
    assert "action" in answer.json()["message"]
    connect = {"url": "rtsp://127.0.0.1/x", "enable_transcript": True, "audio": False}
    assert "audio=false" in (await api.post("/rtstream", json=connect)).json()["message"]


async def test_a_transcript_that_never_ran_is_not_configured(api: httpx.AsyncClient, add_stream: AddStream) -> None:
    stream_id = await add_stream()
    status = await get(api, stream_id, "/status")
    assert (status["status"], status["engine"], status["state"]) == ("not_configured", "local", "stopped")
    stopped = await api.post(f"/rtstream/{stream_id}/transcription", json={"action": "stop", "engine": "AAIS"})
    assert stopped.json()["data"]["engine"] == "local"


async def test_partials_reach_bound_connections_with_number_0_and_are_kept_nowhere(
    served: Served, engine: Engine, add_stream: AddStream
) -> None:
    stream_id, other_id = await add_stream(), await add_stream("Annex")
    async with connect(await served.ws_url()) as socket:
        hello = json.loads(await socket.recv())
        await engine.subscriptions.bind(hello["connection_id"], "transcript", stream_id)
        partial = {"text": "it was", "is_final": False, "start": 1.0, "end": 2.0, "engine": "local"}
        final = {**partial, "text": "it was the best", "is_final": True}
        engine._on_partial(Entry("transcript", {**partial, "text": "not ours"}, other_id, "Annex"))
        engine._on_partial(Entry("transcript", partial, stream_id, "Door"))
        await engine.journal.append(Entry("transcript", final, stream_id, "Door"))
        with anyio.fail_after(5):
            first, second = [json.loads(await socket.recv()) for _ in range(2)]
    assert (first["seq"], first["data"], first["channel"]) == (0, partial, "transcript")
    assert (first["rtstream_id"], first["rtstream_name"]) == (stream_id, "Door")
    assert second["data"] == final
    assert second["seq"] > hello["seq"]
    assert [entry.data for entry in (await engine.journal.read(0)).entries if entry.channel == "transcript"] == [final]
