"""Media over HTTP: the id of a link decides, ranges are exact, and nothing but its window is reached."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from rtstream.api.app import create_app
from rtstream.engine.engine import Engine
from rtstream.engine.recordings.link_limits import AT_ONCE
from rtstream.rules.link_targets import video_target, window_target
from rtstream.store import recordings as rows
from rtstream.store import videos as video_rows
from tests.waiting import eventually

from .conftest import AddStream, Served

pytestmark = pytest.mark.anyio

BYTES = bytes(range(256)) * 1000
SEGMENT = "segment/rec-1/1000000000.m4s"


@pytest.fixture
async def player(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """A player: it has no key."""
    transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client


@pytest.fixture
async def recorded(engine: Engine, add_stream: AddStream, tmp_path: Path) -> tuple[str, str]:
    """A stream with one recorded segment of four seconds from time 1000; its id and that of a link to it."""
    stream_id = await add_stream()
    folder = tmp_path / "data" / "media" / stream_id
    folder.mkdir(parents=True)
    (folder / "1000.mp4").write_bytes(b"before" + BYTES + b"after")

    def write(conn: Any) -> None:
        rows.insert(
            conn, recording_id="rec-1", stream_id=stream_id, started_at=1000.0, init=b"init", codecs="avc1.64001f"
        )
        place = {"path": "1000.mp4", "offset": 6, "length": len(BYTES)}
        rows.add_segment(conn, stream_id, start=1000.0, duration=4.0, recording_id="rec-1", **place)

    await engine.db.write(write)
    [link_id] = await engine.links.create([window_target(stream_id, 1000.0, 1004.0, "Door")], "sdk")
    return stream_id, link_id


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
    media += [f"/m/{link_id or 'x'}/{name}" for name in ("fragment/0.m4s", "file/m-1.mp4")]
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
EXPIRED = (410, "This link has expired. Ask its owner for a new one.")
REVOKED = (410, "This link was revoked. Ask its owner for a new one.")
OLDER = (410, "This link is from an older version of the program. Ask its owner for a new one.")


async def test_only_a_link_opens_a_recording(
    engine: Engine, player: httpx.AsyncClient, recorded: tuple[str, str], add_stream: AddStream
) -> None:
    stream_id, link_id = recorded
    for bad in ["", "x", link_id[:-1], link_id + "x", link_id[:-1] + "-", "A" * 22, stream_id, engine.api_key]:
        assert await refusals(player, bad) == {UNKNOWN}, bad
    [other] = await engine.links.create([window_target(await add_stream("other"), 1000.0, 1004.0)], "sdk")
    for name in (SEGMENT, "init/rec-1.mp4", "index.m3u8", "video.mp4"):
        assert (await player.get(f"/m/{other}/{name}")).status_code == 404


async def test_an_ended_link_shows_why_to_browsers_and_programs(
    engine: Engine, api: httpx.AsyncClient, player: httpx.AsyncClient, recorded: tuple[str, str], monkeypatch: Any
) -> None:
    stream_id, link_id = recorded
    assert (await player.get(f"/watch?v={link_id}")).status_code == 200
    later = time.time() + 8 * 86400
    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda: later)
        for accept in ("*/*", "text/html", "application/json"):
            assert await refusals(player, link_id, accept) == {EXPIRED}
        await engine.links.remove_expired()
        assert await refusals(player, link_id) == {UNKNOWN}
    target = window_target(stream_id, 1000.0, 1004.0, "Door")
    [link_id] = await engine.links.create([target], "sdk")
    assert (await player.get(f"/m/{link_id}/{SEGMENT}")).status_code == 200
    assert (await api.delete(f"/rtstream/links/{link_id}")).json()["data"] == {"revoked": 1}
    assert await refusals(player, link_id) == {REVOKED}
    [another] = await engine.links.create([target], "sdk")
    assert another != link_id
    assert await refusals(player, link_id) == {REVOKED}
    page = await player.get(f"/watch?v={link_id}")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "script" not in page.text


async def test_links_of_older_versions_say_so(player: httpx.AsyncClient) -> None:
    token = "WyJydHMtMSIsMTAwMCwxMDA0LDE4MDAwMDAwMDAsIkRvb3IiLCIiLFtdXQ.c2lnbmF0dXJlLW9mLXRoZS1saW5r"
    old = [
        f"/manifests/rts-1/1000000000-1004000000.m3u8?token={token}",
        f"/media/{token}/index.m3u8",
        f"/media/{token}/seg/rec-1/000001.m4s",
        f"/media/{token}/video.mp4",
        f"/playback.json?v={token}",
    ]
    for url in old:
        answer = await player.get(url)
        assert (answer.status_code, answer.json()["message"]) == OLDER, url
        page = await player.get(url, headers={"accept": "text/html,*/*"})
        assert page.status_code == 410
        assert OLDER[1] in page.text
    assert OLDER[1] in (await player.get(f"/watch?v={token}")).text


async def test_a_link_ends_with_its_stream_or_video(
    engine: Engine, api: httpx.AsyncClient, player: httpx.AsyncClient, recorded: tuple[str, str]
) -> None:
    stream_id, link_id = recorded
    about = {"path": "m-1", "start": 1000.0, "duration": 4.0, "detail": {"covered": [[1000.0, 1004.0]], "size": 1}}
    await engine.db.write(
        lambda conn: video_rows.insert(
            conn, id="m-1", collection_id="default", stream_id=stream_id, name="V", created_at=1.0, **about
        )
    )
    [video_link] = await engine.links.create([video_target("m-1")], "sdk")
    assert (await player.get(f"/watch?v={link_id}")).status_code == 200
    assert (await player.get(f"/watch?v={video_link}")).status_code == 200
    await api.delete(f"/rtstream/{stream_id}")
    assert await refusals(player, link_id) == {UNKNOWN}
    assert (await player.get(f"/watch?v={video_link}")).status_code == 200
    await api.delete("/video/m-1")
    assert await refusals(player, video_link) == {UNKNOWN}


async def test_links_are_listed_and_revoked_together(
    engine: Engine, api: httpx.AsyncClient, recorded: tuple[str, str], add_stream: AddStream
) -> None:
    stream_id, link_id = recorded
    other = await add_stream("other")
    await engine.links.create([window_target(other, 1000.0 + n, 1010.0) for n in range(3)], "chat")
    found = (await api.get("/rtstream/links")).json()["data"]
    assert found["count"] == len(found["links"]) == 4
    listed = (await api.get("/rtstream/links", params={"stream_id": stream_id})).json()["data"]["links"]
    assert [(link["id"], link["state"], link["purpose"]) for link in listed] == [(link_id, "valid", "sdk")]
    assert listed[0]["player_url"] == f"http://api.test/watch?v={link_id}"
    assert listed[0]["expires_at"] - listed[0]["created_at"] == pytest.approx(7 * 86400)
    assert (await api.delete("/rtstream/links", params={"stream_id": other})).json()["data"] == {"revoked": 3}
    states = [link["state"] for link in (await api.get("/rtstream/links")).json()["data"]["links"]]
    assert sorted(states) == ["revoked", "revoked", "revoked", "valid"]
    assert (await api.delete("/rtstream/links")).status_code == 400
    assert (await api.delete(f"/rtstream/links/{'A' * 22}")).status_code == 404


async def test_the_same_response_again_writes_no_links(engine: Engine, recorded: tuple[str, str]) -> None:
    writes = 0
    write = engine.db.write

    async def counted(*args: Any) -> Any:
        nonlocal writes
        writes += 1
        return await write(*args)

    engine.db.write = counted  # pyright: ignore[reportAttributeAccessIssue]
    targets = [window_target(recorded[0], 1000.0 + n, 1004.0 + n) for n in range(80)]
    first = await engine.links.create(targets, "chat")
    assert (len(set(first)), writes) == (80, 1)
    assert await engine.links.create(targets, "chat") == first
    assert writes == 1
    assert set(await engine.links.create(targets, "sdk")).isdisjoint(first)
    more = await engine.links.create([*targets, window_target(recorded[0], 5.0, 6.0)], "chat")
    assert (more[:80], writes) == (first, 3)


async def test_a_link_that_would_soon_end_is_extended_for_its_next_receiver(
    engine: Engine, recorded: tuple[str, str], monkeypatch: Any
) -> None:
    target = window_target(recorded[0], 1000.0, 1004.0, "Door")
    now = time.time() + 6 * 86400
    monkeypatch.setattr(time, "time", lambda: now)
    assert await engine.links.create([target], "sdk") == [recorded[1]]
    link = await engine.links.resolve(recorded[1])
    assert link.expires_at == pytest.approx(now + 7 * 86400)


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
