"""Media over HTTP: the token in the address decides, ranges are exact, and no path leads out of the folder."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rtstream.api.app import create_app
from rtstream.engine.engine import Engine
from rtstream.store import recordings as rows

from .conftest import AddStream

pytestmark = pytest.mark.anyio

BYTES = bytes(range(256)) * 1000


@pytest.fixture
async def player(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """A player: it has no key."""
    transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client


@pytest.fixture
async def recorded(engine: Engine, add_stream: AddStream, tmp_path: Path) -> tuple[str, str]:
    """A stream with one recorded segment of four seconds from time 1000; its id and a token for it."""
    stream_id = await add_stream()
    folder = tmp_path / "data" / "media" / stream_id
    folder.mkdir(parents=True)
    (folder / "1000.mp4").write_bytes(BYTES)

    def write(conn: Any) -> None:
        rows.start_run(
            conn, recording_id="rec-1", stream_id=stream_id, started_at=1000.0, init=b"init", codecs="avc1.64001f"
        )
        rows.add_segment(
            conn, stream_id, start=1000.0, duration=4.0, recording_id="rec-1", path="1000.mp4", offset=0, length=500
        )

    await engine.db.write(write)
    return stream_id, engine._links.token(stream_id, 1000.0, 1004.0, "Door")


async def test_a_range_is_answered_exactly(player: httpx.AsyncClient, recorded: tuple[str, str]) -> None:
    url = f"/media/{recorded[1]}/seg/1000.mp4"
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
    url = f"/media/{recorded[1]}/seg/1000.mp4"
    head = await player.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(BYTES)))
    preflight = await player.options(
        url, headers={"origin": "https://a.example", "access-control-request-headers": "range"}
    )
    assert preflight.status_code == 204
    for answer in (head, preflight, await player.get(url), await player.get("/media/bad/seg/1000.mp4")):
        assert answer.headers["access-control-allow-origin"] == "*"
    assert "Range" in preflight.headers["access-control-allow-headers"]
    assert (await player.post(url)).status_code == 405


async def test_a_file_that_grows_is_sent_as_long_as_it_was_announced(
    player: httpx.AsyncClient, recorded: tuple[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "data" / "media" / recorded[0] / "1000.mp4"
    async with player.stream("GET", f"/media/{recorded[1]}/seg/1000.mp4") as answer:
        with file.open("ab") as more:
            more.write(b"more")
        content = await answer.aread()
    assert int(answer.headers["content-length"]) == len(content)


async def test_the_playlist_and_the_initialisation_segment_are_served(
    player: httpx.AsyncClient, recorded: tuple[str, str]
) -> None:
    stream_id, token = recorded
    playlist = await player.get(f"/manifests/{stream_id}/1000000000-1004000000.m3u8?token={token}")
    assert playlist.status_code == 200
    assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert playlist.headers["access-control-allow-origin"] == "*"
    assert playlist.text.startswith("#EXTM3U")
    assert f"../../media/{token}/seg/1000.mp4" in playlist.text
    init = await player.get(f"/media/{token}/init/rec-1.mp4")
    assert (init.status_code, init.content, init.headers["content-type"]) == (200, b"init", "video/mp4")
    page = (await player.get(f"/playback.json?v={token}")).json()
    assert (page["start"], page["end"], len(page["fragments"])) == (1000.0, 1004.0, 1)


async def test_only_a_good_token_opens_a_recording(
    engine: Engine, player: httpx.AsyncClient, recorded: tuple[str, str], add_stream: AddStream, monkeypatch: Any
) -> None:
    stream_id, token = recorded
    window = "1000000000-1004000000"
    other = engine._links.token(await add_stream("other"), 1000.0, 1004.0)
    for bad in ["", "x", token[:-2], token + "x", engine.api_key]:
        assert (await player.get(f"/manifests/{stream_id}/{window}.m3u8?token={bad}")).status_code == 403
        assert (await player.get(f"/playback.json?v={bad}")).status_code == 403
        assert (await player.get(f"/media/{bad or 'x'}/seg/1000.mp4")).status_code == 403
        assert (await player.get(f"/media/{bad or 'x'}/init/rec-1.mp4")).status_code == 403
    assert (await player.get(f"/manifests/{stream_id}/{window}.m3u8?token={other}")).status_code == 403
    assert (await player.get(f"/manifests/{stream_id}/1000000000-2000000000.m3u8?token={token}")).status_code == 403
    assert (await player.get(f"/media/{other}/seg/1000.mp4")).status_code == 404
    assert (await player.get(f"/media/{other}/init/rec-1.mp4")).status_code == 404
    later = time.time() + 8 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    expired = await player.get(f"/media/{token}/seg/1000.mp4")
    assert expired.status_code == 410
    assert expired.json()["message"] == "This playback link has expired. Ask for a new one."


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
    ],
)
async def test_no_path_leads_out_of_the_folder(
    player: httpx.AsyncClient, recorded: tuple[str, str], path: str, tmp_path: Path
) -> None:
    (tmp_path / "data" / "media" / "secret.mp4").write_bytes(b"secret")
    for asked in (path, path.replace("rtstream.db", "../secret.mp4")):
        # As raw bytes: the client would tidy the path up.
        url = httpx.URL("http://api.test").copy_with(raw_path=f"/media/{recorded[1]}/seg/{asked}".encode())
        answer = await player.get(url)
        assert answer.status_code == 404, answer.text
    assert (await player.get("/static/../app.py")).status_code == 404
    assert (await player.get("/static/%2e%2e/app.py")).status_code == 404


@pytest.mark.parametrize("address", ["/watch?v=x", "/embed?v=x"])
async def test_the_player_page_runs_only_our_own_files_and_keeps_its_address(
    player: httpx.AsyncClient, address: str
) -> None:
    page = await player.get(address)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "script-src 'self';" in page.headers["content-security-policy"]
    for file in ("static/player.js", "static/player.css"):
        assert f'"{file}"' in page.text
        assert (await player.get(f"/{file}")).status_code == 200
