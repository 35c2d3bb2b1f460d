"""Playback links over the API: listed, revoked, extended."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from rtstream.engine.engine import Engine
from rtstream.rules.link_targets import video_target, window_target
from rtstream.store import videos as video_rows
from tests.rtstream.api.test_media import UNKNOWN, refusals

from .conftest import AddStream

pytestmark = pytest.mark.anyio


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
