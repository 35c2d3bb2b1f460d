"""An anonymous holder of a link receives, by every route, the pictures of its window and nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from sqlalchemy import Connection

from rtstream.api.app import create_app
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.models import Slice
from rtstream.store.tables import scene_indexes, scenes
from tests.rtstream.engine.recordings.conftest import KEY
from tests.rtstream.engine.recordings.test_exports import START, STREAM, add_recording, add_stream, export, pictures

pytestmark = pytest.mark.anyio


GOP = 30
"""Pictures of a GOP, which is a fragment, and pictures per second."""


async def window_link(engine: Engine, start: float, end: float) -> str:
    playback = await engine.generate_stream(STREAM, start, end)
    return playback.player_url.partition("v=")[2]


async def by_playlist(holder: httpx.AsyncClient, link_id: str, *, whole_files: bool = False) -> list[int]:
    """The pictures of a playlist, as a player fetches it, or with the whole of every file that it names."""
    url = f"/m/{link_id}/index.m3u8"
    text = await holder.get(url)
    assert text.status_code == 200, text.text
    found: list[int] = []
    init, data, ranged, seen = b"", b"", {}, set()
    for line in text.text.splitlines():
        if line.startswith("#EXT-X-MAP"):
            found += pictures(init + data) if data else []
            init, data = (await holder.get(urljoin(url, line.split('"')[1]))).content, b""
        elif line.startswith("#EXT-X-BYTERANGE:") and not whole_files:
            length, _, offset = line.partition(":")[2].partition("@")
            ranged = {"range": f"bytes={offset}-{int(offset) + int(length) - 1}"}
        elif line and not line.startswith("#") and (ranged or line not in seen):
            seen.add(line)
            part = await holder.get(urljoin(url, line), headers=ranged)
            assert part.is_success
            data, ranged = data + part.content, {}
    return found + pictures(init + data)


async def by_page(holder: httpx.AsyncClient, link_id: str) -> list[int]:
    """The pictures of the player page, from the whole of every file that it names."""
    page = (await holder.get("/playback.json", params={"v": link_id})).json()
    found: list[int] = []
    for fragment in page["fragments"]:
        init, media = await holder.get(fragment["init_url"]), await holder.get(fragment["url"])
        assert init.is_success
        assert media.is_success
        found += pictures(init.content + media.content)
    return found


async def by_download(holder: httpx.AsyncClient, link_id: str) -> list[int]:
    """All pictures in the downloaded file, those included that its edit list hides."""
    import io

    import av

    from rtstream.testsource import read_barcode

    file = await holder.get(f"/m/{link_id}/video.mp4")
    assert file.status_code == 200, file.text
    with av.open(io.BytesIO(file.content), "r", options={"ignore_editlist": "1"}) as container:
        return [read_barcode(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


async def test_a_link_opens_no_other_time_of_its_stream(
    engine: Engine, holder: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    for number in (1, 2, 3):
        await add_recording(engine, source, number, START + 100 * number)
    link_id = await window_link(engine, START + 203, START + 205)
    for number, at in ((1, 103), (2, 201), (2, 206.5), (3, 303)):
        micros = round((START + at) * 1e6)
        for name in (f"rec-{number}", f"rec-{number}/../rec-{number}"):
            assert (await holder.get(f"/m/{link_id}/segment/{name}/{micros}.m4s")).status_code == 404
    for number in (1, 3):
        assert (await holder.get(f"/m/{link_id}/init/rec-{number}.mp4")).status_code == 404
    assert (await holder.get(f"/m/{link_id}/init/rec-2.mp4")).status_code == 200
    page = (await holder.get("/playback.json", params={"v": link_id})).json()
    url = page["fragments"][0]["url"]
    size = int((await holder.head(url)).headers["content-length"])
    for wanted in (f"bytes={size}-", f"bytes={size}-{10 * size}"):
        assert (await holder.get(url, headers={"range": wanted})).status_code == 416
    last = await holder.get(url, headers={"range": f"bytes=-{10 * size}"})
    assert len(last.content) == size
    # The owner's calls need the key, with or without a link.
    for path in (f"/rtstream/{STREAM}/frame", f"/rtstream/{STREAM}", "/rtstream/links", f"/rtstream/links/{link_id}"):
        assert (await holder.get(path, params={"v": link_id})).status_code == 401


RANGES = (
    *("bytes=0-", "bytes=0-0", "bytes=5-9", "bytes=-1", "bytes=-99999999", "bytes=0-99999999", "bytes=99999999-"),
    *("bytes=0-0,2-3", "bytes=0-0, -1", "bytes=3-1", "bytes=-", "bytes=", "bytes=--1", "bytes=-0", "bytes=1--2"),
    *("BYTES=1-2", "bytes = 1 - 2", "bytes=0x1-0x2", "bytes=+1-2", "bytes=1_0-2_0", "bytes=१-२", "lines=1-2"),
    *("bytes=9999999999999999999999-", "bytes=0-9999999999999999999999", "none", ""),
)
CONDITIONS = ("", '"other"', 'W/"other"', "Fri, 27 Nov 2020 00:00:00 GMT", "Fri, 27 Nov 2099 00:00:00 GMT", "*")
CLAIMS = {
    "x-original-url": "/rtstream",
    "x-rewrite-url": "/m/other/video.mp4",
    "x-http-method-override": "DELETE",
    "x-forwarded-host": "other.example",
    "x-forwarded-prefix": "/m/other",
    "x-forwarded-for": "127.0.0.1",
    "forwarded": "for=127.0.0.1;host=other.example",
    "host": "other.example",
}


async def test_no_header_widens_a_link(engine: Engine, holder: httpx.AsyncClient, source: Path) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    link_id = await window_link(engine, START + 2.5, START + 2.7)
    page = (await holder.get("/playback.json", params={"v": link_id})).json()
    urls = {fragment[name] for fragment in page["fragments"] for name in ("url", "init_url")}
    for url in (*urls, f"/m/{link_id}/index.m3u8"):
        whole = (await holder.get(url)).content
        for number, wanted in enumerate(RANGES):
            condition = CONDITIONS[number % len(CONDITIONS)]
            headers = {"range": wanted.encode(), **({"if-range": condition} if condition else {})}
            got = await holder.get(url, headers=headers)
            assert got.status_code in (200, 206, 416), (url, wanted)
            assert got.status_code != 200 or len(got.content) == len(whole)
            assert "multipart" not in got.headers.get("content-type", "")
            assert got.content in whole, (url, wanted)
            assert len(got.content) == int(got.headers["content-length"])
            head = await holder.head(url, headers=headers)
            assert head.content == b""
            assert head.headers.get("content-length") == got.headers["content-length"]
        for name, value in CLAIMS.items():
            got = await holder.get(url, headers={name: value})
            assert (got.status_code, len(got.content)) == (200, len(whole)), name
        for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
            assert (await holder.request(method, url)).status_code == 405
    download = f"/m/{link_id}/video.mp4"
    size = len((await holder.get(download)).content)
    for wanted in ("bytes=0-0,2-3", f"bytes={size}-"):
        got = await holder.get(download, headers={"range": wanted})
        assert (got.status_code, len(got.content)) == (200, size)


async def test_what_is_recorded_later_is_not_served(engine: Engine, holder: httpx.AsyncClient, source: Path) -> None:
    await add_stream(engine, desired="running")
    now = time.time()
    await add_recording(engine, source, 1, now - 8)
    link_id = await window_link(engine, now - 4, now + 3600)
    [link] = (await engine.links.list("", Slice(), stream_id=STREAM)).links
    assert link.end is not None
    assert link.end <= time.time() + 0.1
    before = await by_playlist(holder, link_id)
    await add_recording(engine, source, 2, now + 1)
    await add_recording(engine, source, 3, now + 10)
    after = await by_playlist(holder, link_id)
    assert after[: len(before)] == before
    assert len(after) - len(before) <= GOP
    assert len(await by_page(holder, link_id)) == len(after)


async def test_a_range_of_a_video_does_not_open_the_rest_of_its_file(
    engine: Engine, api: httpx.AsyncClient, holder: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    await add_recording(engine, source, 2, START + 50)
    video_id = (await export(api, start=START, end=START + 58))["video_id"]
    other_id = (await export(api, start=START + 1, end=START + 3))["video_id"]

    async def link_to(*parts: list[float]) -> str:
        found = await api.post(f"/video/{video_id}/stream", json={"timeline": list(parts)})
        return found.json()["data"]["player_url"].partition("v=")[2]

    for part, served in (
        ([2.5, 2.7], [*range(60, 90)]),
        ([1.5, 3.5], [*range(30, 120)]),
        ([7.5, 8.5], [*range(210, 240), *range(30)]),
        ([0.0, 16.0], [*range(240), *range(240)]),
    ):
        link_id = await link_to(part)
        assert await by_playlist(holder, link_id) == served
        assert await by_page(holder, link_id) == served
        assert set(await by_download(holder, link_id)) <= set(served)
        for wanted in ({}, {"range": "bytes=0-1000000"}):
            for name in (video_id, other_id):
                assert (await holder.get(f"/m/{link_id}/file/{name}.mp4", headers=wanted)).status_code == 404
        assert (await holder.get(f"/m/{link_id}/init/{other_id}.mp4")).status_code == 404
        for place, at in ((0, START + 20), (0, START + 58), (1, START)):
            assert (await holder.get(f"/m/{link_id}/fragment/{place}/{round(at * 1e6)}.m4s")).status_code == 404
    several = await link_to([5.1, 5.2], [1.1, 1.2])
    assert sorted(await by_page(holder, several)) == [*range(30, 60), *range(150, 180)]
    assert await by_playlist(holder, several) == [*range(150, 180), *range(30, 60)]
    assert (await holder.get(f"/m/{several}/video.mp4")).status_code == 400


async def test_the_page_has_no_scene_from_between_or_outside_the_ranges_of_its_link(
    engine: Engine, api: httpx.AsyncClient, holder: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    video_id = (await export(api, start=START, end=START + 8))["video_id"]

    def add_scenes(conn: Connection) -> None:
        about = {"extraction_type": "time", "extraction_config": {}, "model_config": {}, "status": "stopped"}
        conn.execute(scene_indexes.insert().values(id="i", stream_id=STREAM, counters={}, created_at=START, **about))
        for text, start, end in (("first", 0, 2), ("between", 3, 5), ("last", 6, 9)):
            times = {"start": START + start, "end": START + end, "created_at": START}
            scene = {"index_id": "i", "stream_id": STREAM, "text": text, "status": "ok", "model": "m", "detail": {}}
            conn.execute(scenes.insert().values(**times, **scene))

    await engine.db.write(add_scenes)
    found = await api.post(f"/video/{video_id}/stream", json={"timeline": [[1.0, 2.5], [6.5, 7.5]]})
    link_id = found.json()["data"]["player_url"].partition("v=")[2]
    for shown in (link_id, await window_link(engine, START + 1, START + 2.5)):
        page = (await holder.get("/playback.json", params={"v": shown})).json()
        labels = [mark["label"] for mark in page["marks"]]
        assert labels == (["first", "last"] if shown == link_id else ["first"])
        assert all(page["start"] - 0.1 <= mark["start"] < mark["end"] <= page["end"] for mark in page["marks"])


async def test_a_link_to_a_whole_video_opens_that_video_only(
    engine: Engine, api: httpx.AsyncClient, holder: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    made = await export(api, start=START + 2.5, end=START + 4.5)
    other = await export(api, start=START + 6, end=START + 7)
    link_id = made["player_url"].partition("v=")[2]
    assert await by_playlist(holder, link_id) == [*range(60, 150)]
    assert await by_download(holder, link_id) == [*range(60, 150)], "hidden pictures reach one GOP at most"
    assert (await holder.get(f"/m/{link_id}/file/{other['video_id']}.mp4")).status_code == 404
    assert (await holder.get(f"/m/{link_id}/fragment/0/{round((START + 2) * 1e6)}.m4s")).status_code == 404
    assert (await holder.get(f"/m/{link_id}/segment/rec-1/{round(START * 1e6)}.m4s")).status_code == 404


async def test_links_to_videos_outlive_a_restart_another_key_and_any_time(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EngineConfig(data_dir=tmp_path / "data", api_key=KEY, local_vision=False, min_free_gb=0)
    async with Engine(config) as engine, client_of(engine, KEY) as api:
        await add_stream(engine)
        await add_recording(engine, source, 1, START)
        made = await export(api)
        window = (await engine.generate_stream(STREAM, START, START + 2)).player_url.partition("v=")[2]
        [before] = (await api.get("/video")).json()["data"]["videos"]
    video = made["player_url"].partition("v=")[2]
    other = "sk-another-key-of-the-link-tests"
    public = {"api_key": other, "public_url": "https://cam.example.org/rts"}
    async with Engine(config.model_copy(update=public)) as engine, client_of(engine, other) as api:
        assert len(await by_playlist(api, video)) == 240
        assert len(await by_playlist(api, window)) == 60
        [listed] = (await api.get("/video")).json()["data"]["videos"]
        assert listed["player_url"] == f"https://cam.example.org/rts/watch?v={video}"
        assert listed["stream_url"] == f"https://cam.example.org/rts/m/{video}/index.m3u8"
        later = time.time() + 3650 * 86400
        monkeypatch.setattr(time, "time", lambda: later)
        await engine.links.remove_expired()
        assert len(await by_playlist(api, video)) == 240
        picture = before["thumbnail_url"].removeprefix("http://api.test")
        assert listed["thumbnail_url"] == f"https://cam.example.org/rts{picture}"
        assert (await api.get(picture)).headers["content-type"] == "image/jpeg"
        assert (await api.get(f"/m/{window}/index.m3u8")).status_code == 404


@asynccontextmanager
async def client_of(engine: Engine, key: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
    headers = {"x-access-token": key}
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers) as client:
        yield client
