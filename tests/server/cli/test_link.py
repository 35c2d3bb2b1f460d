"""``rtstream-mcp link`` against an engine that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import pytest

from rtstream.rules.link_targets import ranges_target, video_target, window_target
from rtstream.store import videos as video_rows
from server.cli.link import main
from tests.rtstream.api.conftest import KEY, Served, add_stream, engine, served

__all__ = ["add_stream", "engine", "served"]

pytestmark = pytest.mark.anyio


async def test_links_are_listed_and_revoked_by_id_url_and_stream(
    served: Served,
    add_stream: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("RTSTREAM_API_URL", served.url)
    monkeypatch.setenv("RTSTREAM_API_KEY", KEY)
    monkeypatch.setenv("RTSTREAM_DATA_DIR", str(tmp_path / "client"))
    door, yard = await add_stream("Door"), await add_stream("Yard")
    links = served.engine.links
    doors = await links.create([window_target(door, 1000.0 + n, 1010.0) for n in range(4)], "chat")
    yards = await links.create([window_target(yard, 1000.0, 1010.0)], "sdk")

    async def run(*arguments: str) -> tuple[int, str]:
        status = await anyio.to_thread.run_sync(main, arguments)
        written = capsys.readouterr()
        return status, written.out + written.err

    async def status_of(link_id: str) -> int:
        async with httpx.AsyncClient() as person:
            return (await person.get(f"{served.url}/watch", params={"v": link_id})).status_code

    status, text = await run("list")
    assert status == 0
    assert all(link_id in text for link_id in [*doors, *yards])
    status, text = await run("list", "--stream", "Yard", "--json")
    assert [json.loads(line)["id"] for line in text.splitlines()] == yards
    assert await status_of(doors[0]) == 200
    assert await run("revoke", doors[0]) == (0, "The link was revoked.\n")
    assert await run("revoke", f"{served.url}/watch?v={doors[1]}") == (0, "The link was revoked.\n")
    assert await run("revoke", f"{served.url}/m/{doors[2]}/index.m3u8") == (0, "The link was revoked.\n")
    assert [await status_of(link_id) for link_id in [*doors, *yards]] == [410, 410, 410, 200, 200]
    assert await run("revoke", "Door") == (0, "1 link was revoked.\n")
    assert [await status_of(link_id) for link_id in [doors[3], *yards]] == [410, 200]
    status, text = await run("revoke", "nothing")
    assert status == 2
    assert "There is no link, stream or video" in text
    assert (await run("revoke", "A" * 22))[0] == 2


async def test_links_are_listed_and_revoked_by_the_id_of_a_video(
    served: Served,
    add_stream: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("RTSTREAM_API_URL", served.url)
    monkeypatch.setenv("RTSTREAM_API_KEY", KEY)
    monkeypatch.setenv("RTSTREAM_DATA_DIR", str(tmp_path / "client"))
    stream_id = await add_stream("m-confusing")
    about = {"start": 1000.0, "duration": 9.0, "detail": {"covered": [[1000.0, 1009.0]], "size": 1}, "created_at": 1.0}

    def write(conn: Any) -> None:
        for video_id in ("m-1", "m-2", "a-3"):
            named = {"id": video_id, "path": video_id, "name": video_id, "collection_id": "default"}
            video_rows.insert(conn, stream_id=stream_id, **named, **about)

    await served.engine.db.write(write)
    targets = [video_target("m-1"), ranges_target((("m-1", 1.0, 2.0),)), video_target("m-2"), video_target("a-3")]
    whole, part, other, audio = await served.engine.links.create(targets, "chat")
    [window] = await served.engine.links.create([window_target(stream_id, 1000.0, 1004.0)], "chat")

    async def run(*arguments: str) -> tuple[int, str]:
        status = await anyio.to_thread.run_sync(main, arguments)
        written = capsys.readouterr()
        return status, written.out + written.err

    async def opened() -> set[str]:
        async with httpx.AsyncClient() as person:
            return {
                link_id
                for link_id in (whole, part, other, audio, window)
                if (await person.get(f"{served.url}/watch", params={"v": link_id})).status_code == 200
            }

    _, text = await run("list", "--video", "m-1", "--json")
    assert {whole, part} <= {json.loads(line)["id"] for line in text.splitlines()}
    assert await opened() == {whole, part, other, audio, window}
    assert await run("revoke", "m-1") == (0, "3 links were revoked.\n")  # with that of its thumbnail
    assert await opened() == {other, audio, window}
    async with served.client() as api:
        assert (await api.delete("/rtstream/links", params={"video_id": "a-3"})).json()["data"] == {"revoked": 1}
    assert await opened() == {other, window}
    for unknown in ("m-4", "a-4"):
        status, text = await run("revoke", unknown)
        assert (status, text.count("\n")) == (2, 1)
        assert (await run("list", "--video", unknown))[0] == 2
    assert await run("revoke", "m-confusing") == (0, "1 link was revoked.\n")
    assert await opened() == {other}
