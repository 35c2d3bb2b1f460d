"""Exported videos are found, renamed and deleted, and outlive their stream."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from rtstream.engine.engine import Engine
from tests.rtstream.engine.recordings.test_exports import (
    START,
    STREAM,
    add_recording,
    add_stream,
    export,
    pictures,
    relative,
)

pytestmark = pytest.mark.anyio


async def test_a_video_is_found_renamed_and_deleted(engine: Engine, api: httpx.AsyncClient, source: Path) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    made = await export(api)
    before = (await api.get("/rtstream/journal")).json()["data"]["cursor"]
    [listed] = (await api.get("/video", params={"collection_id": "default"})).json()["data"]["videos"]
    assert listed["id"] == made["video_id"]
    assert listed["size"] > 100_000
    renamed = await api.patch(f"/video/{made['video_id']}", json={"name": "Parcel"})
    assert renamed.json()["data"]["name"] == "Parcel"
    assert (await api.delete(f"/video/{made['video_id']}")).json()["success"]
    assert (await api.get(f"/video/{made['video_id']}")).status_code == 404
    assert (await api.get(relative(made["download_url"]))).status_code == 404
    assert (await api.get(relative(made["stream_url"]))).status_code == 404
    assert list((Path(engine.config.data_dir) / "videos").iterdir()) == []
    [entry] = (await api.get("/rtstream/journal", params={"since": before})).json()["data"]["entries"]
    assert entry["data"] == {"change": "removed", "kind": "video", "id": made["video_id"], "name": "Parcel"}
    assert (await export(api))["video_id"] != made["video_id"]


async def test_a_video_outlives_its_stream(engine: Engine, api: httpx.AsyncClient, source: Path) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    made = await export(api)
    assert (await api.delete(f"/rtstream/{STREAM}")).json()["success"]
    assert not (Path(engine.config.data_dir) / "media" / STREAM).exists()
    assert (await api.get(f"/rtstream/{STREAM}")).status_code == 404
    assert (await api.get(f"/video/{made['video_id']}")).json()["data"]["rtstream_id"] == STREAM
    assert len(pictures((await api.get(relative(made["download_url"]))).content)) == 240
    page = await api.get(relative(made["player_url"]).replace("/watch", "/playback.json"))
    assert page.json()["marks"] == []
