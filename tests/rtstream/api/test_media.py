"""Media over HTTP: the id of a link decides, ranges are exact, and nothing but its window is reached."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from rtstream.engine.engine import Engine
from rtstream.engine.recordings.link_limits import AT_ONCE
from rtstream.rules.link_targets import window_target
from rtstream.store import recordings as rows
from tests.waiting import eventually

from .conftest import BYTES, AddStream, Served

pytestmark = pytest.mark.anyio

SEGMENT = "segment/rec-1/1000000000.m4s"


async def test_a_range_is_answered_exactly(player: httpx.AsyncClient, recorded: tuple[str, str]) -> None:
    url = f"/m/{recorded[1]}/{SEGMENT}"
    whole = await player.get(url)
    assert (whole.status_code, whole.content) == (200, BYTES)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(BYTES)
    for asked, begin, end in [
        ("bytes=0-0", 0, 1),
        ("bytes=100-299", 100, 300),
        ("bytes=255900-", 255900, size),
        ("bytes=-10", size - 10, size),
        ("bytes=0-999999999", 0, size),
    ]:
        part = await player.get(url, headers={"range": asked})
        assert (part.status_code, part.content) == (206, BYTES[begin:end]), asked
        assert part.headers["content-range"] == f"bytes {begin}-{end - 1}/{size}"
        assert part.headers["content-length"] == str(end - begin)
    beyond = await player.get(url, headers={"range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")


async def test_pages_of_any_origin_may_play(player: httpx.AsyncClient, recorded: tuple[str, str]) -> None:
    url = f"/m/{recorded[1]}/{SEGMENT}"
    head = await player.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(BYTES)))
    preflight = await player.options(
        url, headers={"origin": "https://a.example", "access-control-request-headers": "range"}
    )
    assert preflight.status_code == 204
    for answer in (head, preflight, await player.get(url), await player.get(f"/m/bad/{SEGMENT}")):
        assert answer.headers["access-control-allow-origin"] == "*"
    assert "Range" in preflight.headers["access-control-allow-headers"]
    assert (await player.post(url)).status_code == 405


async def test_the_playlist_and_the_init_segment_are_served(
    player: httpx.AsyncClient, recorded: tuple[str, str]
) -> None:
    link_id = recorded[1]
    playlist = await player.get(f"/m/{link_id}/index.m3u8")
    assert playlist.status_code == 200
    assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert playlist.headers["access-control-allow-origin"] == "*"
    assert playlist.text.startswith("#EXTM3U")
    assert playlist.text.splitlines()[-2] == SEGMENT
    init = await player.get(f"/m/{link_id}/init/rec-1.mp4")
    assert (init.status_code, init.content, init.headers["content-type"]) == (200, b"init", "video/mp4")
    page = (await player.get(f"/playback.json?v={link_id}")).json()
    assert (page["start"], page["end"], len(page["fragments"]), page["title"]) == (1000.0, 1004.0, 1, "Door")


def every_url(link_id: str) -> list[str]:
    media = [f"/m/{link_id or 'x'}/{name}" for name in ("index.m3u8", "video.mp4", "init/rec-1.mp4", SEGMENT)]
    media += [f"/m/{link_id or 'x'}/{name}" for name in ("fragment/0/0.m4s", "file/m-1.mp4")]
    return [*media, f"/playback.json?v={link_id}", f"/watch?v={link_id}", f"/embed?v={link_id}"]


async def refusals(player: httpx.AsyncClient, link_id: str, accept: str = "*/*") -> set[tuple[int, str]]:
    """The status and the sentence at every URL of a link."""
    found = set()
    for url in every_url(link_id):
        answer = await player.get(url, headers={"accept": accept})
        if answer.headers["content-type"].startswith("text/html"):
            [sentence] = re.findall(r'<p role="alert">(.*)</p>', answer.text)
        else:
            sentence = answer.json()["message"]
        found.add((answer.status_code, sentence))
    return found


UNKNOWN = (404, "The link does not exist. It may be incomplete, or its recording may have been deleted.")


async def test_only_a_link_opens_a_recording(
    engine: Engine, player: httpx.AsyncClient, recorded: tuple[str, str], add_stream: AddStream
) -> None:
    stream_id, link_id = recorded
    for bad in ["", "x", link_id[:-1], link_id + "x", link_id[:-1] + "-", "A" * 22, stream_id, engine.api_key]:
        assert await refusals(player, bad) == {UNKNOWN}, bad
    [other] = await engine.links.create([window_target(await add_stream("other"), 1000.0, 1004.0)], "sdk")
    for name in (SEGMENT, "init/rec-1.mp4", "index.m3u8", "video.mp4"):
        assert (await player.get(f"/m/{other}/{name}")).status_code == 404


async def test_a_download_ends_when_its_link_is_revoked(
    engine: Engine, recorded: tuple[str, str], tmp_path: Path
) -> None:
    file = await engine.media.segment(recorded[1], "rec-1", 1000.0)
    chunks = file.open_range(0, file.size)
    received = len(await anext(chunks))
    await engine.links.revoke(recorded[1])
    async for chunk in chunks:
        received += len(chunk)
    assert received < file.size


@pytest.mark.parametrize(
    "path",
    [
        "../../rtstream.db",
        "..%2f..%2frtstream.db",
        "%2e%2e/%2e%2e/rtstream.db",
        "..%5c..%5crtstream.db",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "1000.mp4%00.txt",
        ".",
        "",
        "x" * 3000,
        "9" * 400,
    ],
)
async def test_no_path_leads_out_of_the_folder(
    player: httpx.AsyncClient, recorded: tuple[str, str], path: str, tmp_path: Path
) -> None:
    (tmp_path / "data" / "media" / "secret.mp4").write_bytes(b"secret")
    for asked in (path, path.replace("rtstream.db", "../secret.mp4")):
        for place in (f"segment/{asked}", f"segment/{asked}/1000000000.m4s", f"segment/rec-1/{asked}.m4s"):
            # As raw bytes: the client would tidy the path up.
            url = httpx.URL("http://api.test").copy_with(raw_path=f"/m/{recorded[1]}/{place}".encode())
            answer = await player.get(url)
            assert answer.status_code == 404, answer.text
    assert (await player.get("/static/../app.py")).status_code == 404
    assert (await player.get("/static/%2e%2e/app.py")).status_code == 404


@pytest.mark.parametrize("address", ["/watch", "/embed"])
async def test_the_player_page_runs_only_our_own_files_and_keeps_its_address(
    player: httpx.AsyncClient, recorded: tuple[str, str], address: str
) -> None:
    page = await player.get(address, params={"v": recorded[1]})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "script-src 'self';" in page.headers["content-security-policy"]
    for file in ("static/player.js", "static/player.css"):
        assert f'"{file}"' in page.text
        assert (await player.get(f"/{file}")).status_code == 200


async def test_the_requests_of_one_link_are_limited(
    player: httpx.AsyncClient, api: httpx.AsyncClient, recorded: tuple[str, str]
) -> None:
    stream_id, link_id = recorded
    statuses = [(await player.head(f"/m/{link_id}/video.mp4")).status_code for _ in range(10)]
    assert statuses[-1] == 429
    busy = await player.get(f"/m/{link_id}/video.mp4")
    assert int(busy.headers["retry-after"]) >= 1
    assert busy.json()["error_code"] == "LINK_BUSY"
    assert (await api.get(f"/rtstream/{stream_id}")).status_code == 200


async def test_one_link_has_a_limit_of_requests_at_once(
    served: Served, recorded: tuple[str, str], tmp_path: Path
) -> None:
    stream_id, link_id = recorded
    large = 64 * 1024 * 1024  # more than the buffers of a connection hold
    with (tmp_path / "data" / "media" / stream_id / "large.mp4").open("wb") as file:
        file.truncate(large)

    def write(conn: Any) -> None:
        place = {"path": "large.mp4", "offset": 0, "length": large}
        rows.add_segment(conn, stream_id, start=1004.0, duration=4.0, recording_id="rec-1", **place)

    await served.engine.db.write(write)
    targets = [window_target(stream_id, start, 1008.0) for start in (1000.0, 1004.0)]
    link_id, other_id = await served.engine.links.create(targets, "sdk")
    path = f"/m/{{}}/{SEGMENT.replace('1000000000', '1004000000')}"
    async with AsyncExitStack() as held, httpx.AsyncClient(base_url=served.url, limits=httpx.Limits()) as player:

        async def begin(client: httpx.AsyncClient, url: str) -> httpx.Response:
            response = await held.enter_async_context(client.stream("GET", url))
            if response.status_code != 200:
                await response.aread()
            return response

        opened = [await begin(player, path.format(link_id)) for _ in range(AT_ONCE)]
        assert {response.status_code for response in opened} == {200}
        for url in (path.format(link_id), f"/m/{link_id}/index.m3u8", f"/watch?v={link_id}", f"/embed?v={link_id}"):
            busy = await begin(player, url)
            assert busy.status_code == 429, url
            assert "This link has too many requests at the moment." in busy.text
            assert int(busy.headers["retry-after"]) >= 1
        assert (await player.head(path.format(link_id))).status_code == 429
        # Other links and the owner are served meanwhile.
        assert (await begin(player, path.format(other_id))).status_code == 200
        async with served.client() as api:
            assert (await api.get(f"/rtstream/{stream_id}")).status_code == 200
        await opened[0].aclose()

        async def free() -> bool:
            return (await player.head(path.format(link_id))).status_code == 200

        await eventually(free, every_s=0.2, what="the place of the request that ended")
