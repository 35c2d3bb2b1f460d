"""wait_for_events: cursors, filters, batches and limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from mcp import Client

from rtstream.client import RTStreamClient
from server.face import create_face
from tests.server.faces import KEY, Served, call, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with Client(create_face(RTStreamClient(served.url, KEY)).mcp) as client:
        yield client


async def test_reading_on_with_the_cursor_gives_every_event_once(served: Served, client: Client) -> None:
    written = [await served.happen("alert", "rts-1", label=f"n{number}") for number in range(7)]
    read, cursor, more = [], 0, True
    while more:
        found = await call(client, "wait_for_events", since=cursor, timeout_s=0, max_events=3)
        read += [event["seq"] for event in found["events"]]
        cursor, more = found["cursor"], found["has_more"]
    assert read == written


async def test_without_a_cursor_the_newest_come_or_only_what_happens_from_now_on(
    served: Served, client: Client
) -> None:
    for number in range(5):
        await served.happen("alert", "rts-1", label=f"n{number}")
    newest = await call(client, "wait_for_events", timeout_s=0, max_events=2)
    assert [event["label"] for event in newest["events"]] == ["n3", "n4"]
    nothing = await call(client, "wait_for_events", timeout_s=0.1)
    assert (nothing["events"], nothing["timed_out"]) == ([], True)
    assert nothing["cursor"] == newest["cursor"]


async def test_filters_leave_out_the_rest_and_the_cursor_moves_past_it(served: Served, client: Client) -> None:
    await served.happen("alert", "rts-1", label="door", confidence=0.9, text="a courier")
    await served.happen("alert", "rts-2", label="door", confidence=0.2, text="a shadow")
    await served.happen("scene_index", "rts-1", text="an empty porch")
    last = await served.happen("catalogue", "rts-3", change="added", kind="stream", id="rts-3")

    async def seen(**which: object) -> list[str]:
        found = await call(client, "wait_for_events", since=0, timeout_s=0, **which)
        assert found["cursor"] == last
        return [event["untrusted_text"] for event in found["events"]]

    assert await seen() == ["a courier", "a shadow", "an empty porch"]
    assert await seen(streams=["rts-2"]) == ["a shadow"]
    assert await seen(channels=["scenes"]) == ["an empty porch"]
    assert await seen(labels=["door"], min_confidence=0.5) == ["a courier"]
    assert await seen(text="PORCH") == ["an empty porch"]


async def test_many_wait_at_once_and_a_cancelled_wait_holds_nobody_up(served: Served, client: Client) -> None:
    results: list[int] = []

    async def wait() -> None:
        found = await call(client, "wait_for_events", since=0, timeout_s=20, max_events=1)
        results.append(found["events"][0]["seq"])

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(wait)
        with anyio.move_on_after(0.2):
            await call(client, "wait_for_events", since=0, timeout_s=20)
        seq = await served.happen("alert", "rts-1", label="door")
        with anyio.fail_after(10):
            while len(results) < 10:
                await anyio.sleep(0.02)
    assert results == [seq] * 10


async def test_a_large_result_is_cut_where_the_cursor_says(served: Served, client: Client) -> None:
    for _ in range(30):
        await served.happen("scene_index", "rts-1", text="x" * 5000)
    first = await call(client, "wait_for_events", since=0, timeout_s=0, max_events=100)
    assert 10 < len(first["events"]) < 30
    assert first["has_more"]
    rest = await call(client, "wait_for_events", since=first["cursor"], timeout_s=0, max_events=100)
    assert len(first["events"]) + len(rest["events"]) == 30
