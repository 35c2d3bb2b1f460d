"""Exported videos, their parts and their jobs over the API."""

from __future__ import annotations

import httpx
import pytest

from rtstream.engine.engine import Engine
from rtstream.store import videos as rows
from rtstream.store.videos import VideoDetail
from tests.rtstream.api.conftest import AddStream

pytestmark = pytest.mark.anyio


async def add(engine: Engine, video_id: str) -> str:
    facts = {"stream_id": "rts-1", "name": "Party", "path": video_id, "start": 1000.0, "duration": 60.0}
    detail = VideoDetail("key", 5, [(1000.0, 1060.0)]).to_json()
    await engine.db.write(
        lambda conn: rows.insert(conn, id=video_id, collection_id="default", detail=detail, created_at=1.0, **facts)
    )
    return video_id


async def message(api: httpx.AsyncClient, method: str, path: str, body: object = None) -> tuple[int, str]:
    answer = await api.request(method, path, json=body)
    return answer.status_code, answer.json()["message"]


async def test_video_and_audio_are_listed_apart(engine: Engine, api: httpx.AsyncClient) -> None:
    for video_id in ("m-1", "a-1"):
        await add(engine, video_id)
    assert [one["id"] for one in (await api.get("/video")).json()["data"]["videos"]] == ["m-1"]
    assert [one["id"] for one in (await api.get("/audio")).json()["data"]["audios"]] == ["a-1"]
    assert (await api.get("/video", params={"collection_id": "c-9"})).json()["data"]["videos"] == []
    signed = (await api.post("/audio/a-1/generate_url")).json()["data"]["signed_url"]
    assert signed.startswith("http://api.test/")


async def test_parts_play_one_after_the_other_or_are_refused(engine: Engine, api: httpx.AsyncClient) -> None:
    await add(engine, "m-1")
    whole = (await api.post("/video/m-1/stream", json={})).json()["data"]
    part = (await api.post("/video/m-1/stream", json={"timeline": [[0, 5], [10, 15]]})).json()["data"]
    assert whole["player_url"] != part["player_url"]
    for body in ([], [{"video_id": "m-1", "shots": []}]):
        assert (await message(api, "POST", "/compile", body))[0] == 400
    assert (await message(api, "POST", "/video/m-1/stream", {"timeline": [[5, 1]]}))[0] == 400
    assert (await message(api, "PATCH", "/video/m-1", {"name": ""}))[0] == 400


async def test_a_stream_without_a_recording_has_nothing_to_export(
    api: httpx.AsyncClient, add_stream: AddStream
) -> None:
    status, text = await message(api, "POST", f"/rtstream/{await add_stream()}/export", {})
    assert status == 400
    assert "record" in text
