"""Exported videos are found, renamed and deleted, and outlive their stream."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from rtstream.engine.engine import Engine
from rtstream.testsource import read_barcode
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


def barcode(jpeg: bytes) -> int:
    with Image.open(io.BytesIO(jpeg)) as image:
        return read_barcode(np.asarray(image.convert("L")))


async def test_a_video_has_a_thumbnail_and_a_picture_of_any_time(
    engine: Engine, api: httpx.AsyncClient, holder: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    await add_recording(engine, source, 2, START + 50)
    video_id = (await export(api, start=START + 2, end=START + 53))["video_id"]
    video = (await api.get(f"/video/{video_id}")).json()["data"]
    url, middle = video["thumbnail_url"], round(video["length"] / 2, 3)
    assert (await api.get(f"/video/{video_id}/thumbnail")).json()["data"] == {"thumbnail_url": url}
    jpeg = await holder.get(relative(url))
    assert jpeg.headers["content-type"] == "image/jpeg"
    # The video shows 2 s to 8 s of the first recording and, once its audio has ended, 3 s of the second.
    assert barcode(jpeg.content) == pytest.approx(60 + middle * 30, abs=1)
    for at, number in ((0, 60), (3.2, 156), (5.9, 237), (6.5, 15), (9, 89)):
        taken = await api.post(f"/video/{video_id}/thumbnail", json={"time": at})
        picture = taken.json()["data"]
        assert (picture["collection_id"], picture["time"]) == ("default", at)
        assert barcode((await holder.get(relative(picture["url"]))).content) == pytest.approx(
            number, abs=6 if at > 6 else 1
        ), at
    listed = (await api.get(f"/video/{video_id}/thumbnails")).json()["data"]
    assert [one["time"] for one in listed] == [0, 3.2, middle, 5.9, 6.5, 9]
    for wrong in (-1, 10, "soon", None):
        assert (await api.post(f"/video/{video_id}/thumbnail", json={"time": wrong})).status_code == 400
    assert (await api.get("/video/m-0/thumbnail")).status_code == 404


async def test_a_picture_shows_nothing_else_and_ends_with_its_link_or_video(
    engine: Engine, api: httpx.AsyncClient, holder: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    made = await export(api)
    one, two = [
        (await api.post(f"/video/{made['video_id']}/thumbnail", json={"time": at})).json()["data"] for at in (1, 2)
    ]
    link_id = one["url"].rpartition("/")[2]
    for path in (
        "index.m3u8",
        "video.mp4",
        f"init/{made['video_id']}.mp4",
        f"file/{made['video_id']}.mp4",
        f"fragment/0/{round(START * 1e6)}.m4s",
    ):
        assert (await holder.get(f"/m/{link_id}/{path}")).status_code == 404, path
    assert (await holder.get("/playback.json", params={"v": link_id})).status_code == 404
    assert (await holder.get(f"/p/{made['player_url'].rpartition('=')[2]}")).status_code == 404
    assert (await api.post(f"/image/{one['id']}/generate_url")).json()["data"] == {"signed_url": one["url"]}
    listed = (await api.get("/rtstream/links", params={"video_id": made["video_id"]})).json()["data"]["links"]
    assert {link["picture_url"] for link in listed if link["kind"] == "picture"} >= {one["url"], two["url"]}
    assert (await api.delete(f"/image/{one['id']}")).json()["success"]
    assert (await holder.get(relative(one["url"]))).status_code == 410
    assert (await api.post(f"/image/{one['id']}/generate_url")).status_code == 410
    assert (await holder.get(relative(two["url"]))).status_code == 200
    for unknown in ("img-0", "m-1", f"img-{'A' * 22}", f"img-{made['player_url'].rpartition('=')[2]}"):
        assert (await api.post(f"/image/{unknown}/generate_url")).status_code == 404, unknown
        assert (await api.delete(f"/image/{unknown}")).status_code == 404, unknown
    await api.delete(f"/video/{made['video_id']}")
    assert (await holder.get(relative(two["url"]))).status_code == 404
