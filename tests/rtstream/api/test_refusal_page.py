"""An ended or old link is refused with a page to browsers, and with JSON to programs."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from rtstream.engine.engine import Engine
from rtstream.rules.link_targets import window_target
from tests.rtstream.api.test_media import SEGMENT, UNKNOWN, refusals

pytestmark = pytest.mark.anyio


EXPIRED = (410, "This link has expired. Ask its owner for a new one.")


REVOKED = (410, "This link was revoked. Ask its owner for a new one.")


OLDER = (410, "This link is from an older version of the program. Ask its owner for a new one.")


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
