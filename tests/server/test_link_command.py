"""``rtstream-mcp link`` against an engine that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import pytest

from rtstream.rules.link_targets import window_target
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
    assert "There is no link or stream" in text
    assert (await run("revoke", "A" * 22))[0] == 2
