"""Videos over HTTP: an index that takes long is polled, what cannot be meant is refused with a sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from rtstream.api import video_transcripts
from rtstream.engine.engine import Engine
from rtstream.extract.export import VIDEO_FILE
from rtstream.store import videos as video_rows
from tests.waiting import eventually

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

pytestmark = pytest.mark.anyio

SECONDS = 20


async def add_video(engine: Engine, clip: Path, video_id: str) -> None:
    folder = Path(engine.config.data_dir) / "videos" / video_id
    await anyio.to_thread.run_sync(lambda: (folder.mkdir(parents=True), shutil.copy(clip, folder / VIDEO_FILE)))
    detail = {"key": video_id, "size": 1, "covered": [[1000.0, 1000.0 + SECONDS]]}
    times = {"start": 1000.0, "duration": float(SECONDS), "created_at": 0.0}
    values = {"id": video_id, "collection_id": "default", "stream_id": "rts-1", "name": "Reading", "path": video_id}
    await engine.db.write(lambda conn: video_rows.insert(conn, **values, **times, detail=detail))


async def add_row(engine: Engine, video_id: str, name: str) -> None:
    """A video without a file."""
    about = {"stream_id": "rts-1", "path": video_id, "start": 0.0, "duration": 5.0, "created_at": 0.0}
    detail = {"covered": [[0.0, 5.0]], "size": 1}
    await engine.db.write(
        lambda conn: video_rows.insert(conn, id=video_id, collection_id="default", name=name, detail=detail, **about)
    )


@pytest.fixture
async def video(engine: Engine, clip_of: Callable[[ClipSpec], Path]) -> str:
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    from rtstream.testsource import ClipSpec

    spec = ClipSpec(width=160, height=90, fps=5, gop=10, seconds=SECONDS, bitrate=50_000, voice="reading")
    await add_video(engine, clip_of(spec), "m-1")
    return "m-1"


async def test_an_index_that_takes_long_is_polled(
    api: httpx.AsyncClient, engine: Engine, video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_transcripts, "WAIT_S", 0.05)
    started = (await api.post(f"/video/{video}/index", json={"index_type": "spoken_word", "force": True})).json()
    assert (started["success"], started["status"], started["request_type"]) == (True, "processing", "sync")
    url = started["data"]["output_url"]
    assert url.endswith(f"/async-response/{started['data']['id']}")

    async def poll() -> dict[str, Any]:
        answer = (await api.get(url)).json()
        assert answer["status"] != "processing" or 0 <= answer["data"]["percentage"] <= 100
        return answer

    answer = await eventually(poll, lambda answer: answer["status"] != "processing", limit_s=60, every_s=0.1)
    assert (answer["success"], answer["status"]) == (True, "done")
    assert "best of times" in answer["data"]["text"].lower()
    data = (await api.post(f"/video/{video}/search/v2", json={"query": "age of wisdom", "top_k": 1})).json()["data"]
    assert (data["response_type"], data["warnings"]) == ("shots", [])
    [result] = data["results"]
    [doc] = result.pop("docs")
    assert result == {"video_id": video, "collection_id": "default", "title": "Reading", "length": SECONDS}
    assert doc.keys() >= {"start", "end", "text", "score", "scene_index_id", "metadata", "stream_url", "player_url"}
    asked = {"query": "age of wisdom", "top_k": 1, "include_clip": True}
    [clip] = (await api.post(f"/video/{video}/search/v2", json=asked)).json()["data"]["results"][0]["docs"]
    assert clip["player_url"].rpartition("=")[2] in clip["stream_url"]
    shown = (await api.get(f"/video/{video}")).json()["data"]
    assert shown["transcript_text"] == answer["data"]["text"]
    assert shown["transcript"] == answer["data"]["word_timestamps"]
    assert (await api.get("/video")).json()["data"]["videos"][0]["transcript"] is None
    await add_row(engine, "m-9", "Reading")
    for path in ("search", "search/v2"):
        found = (await api.post(f"/collection/default/{path}", json={"query": "age of wisdom"})).json()["data"]
        assert [one["video_id"] for one in found["results"]] == [video]
        [warning] = found["warnings"]
        assert "m-9 (Reading)" in warning["message"]
    again = (await api.post(f"/video/{video}/index", json={})).json()
    assert (again["success"], again["status"]) == (True, "done")


async def test_what_cannot_be_meant_is_refused_with_a_sentence(api: httpx.AsyncClient, engine: Engine) -> None:
    await add_row(engine, "m-2", "Gone")

    async def refused(path: str, **body: Any) -> str:
        answer = await api.post(path, json=body)
        assert 400 <= answer.status_code < 500
        return answer.json()["message"]

    assert "not indexed yet" in await refused("/video/m-2/search/v2", query="a word")
    assert "not indexed yet" in await refused("/video/m-2/search", query="a word")
    for path in ("/collection/default/search/v2", "/collection/default/search"):
        text = await refused(path, query="a word")
        assert "m-2 (Gone)" in text
        assert "No results" not in text
    assert "not offered" in await refused("/video/m-2/search/v2", query="a word", mode="deepsearch")
    assert "not offered" in await refused("/video/m-2/search/v2", query="a word", session_id="s-1")
    assert "no exported video" in await refused("/video/m-0/search/v2", query="a word")
    assert "spoken words" in await refused("/video/m-2/index", index_type="scene")
    assert "callback_url" in await refused("/video/m-2/index", callback_url="http://127.0.0.1/")
    assert "query is missing" in await refused("/video/m-2/search/v2")
    answer = await api.get("/video/m-2/transcription", params={"segmenter": "word", "length": 1, "force": "false"})
    assert "index_spoken_words" in answer.json()["message"]
    answer = await api.get("/video/m-2/transcription", params={"segmenter": "page"})
    assert (answer.status_code, "segmenter" in answer.json()["message"]) == (400, True)
