"""The journal over the API, with a cursor and a bounded wait, and the state of the engine."""

from __future__ import annotations

import anyio
import httpx
import pytest

from rtstream.engine.engine import Engine
from rtstream.store.journal import Entry
from tests.rtstream.api.test_streams import data

from .conftest import AddStream

pytestmark = pytest.mark.anyio


async def test_the_engine_tells_what_it_is(api: httpx.AsyncClient, add_stream: AddStream) -> None:
    await add_stream()
    info = await data(await api.get("/rtstream/engine"))
    assert (info["engine"], info["streams"], info["streams_running"]) == ("rtstream", 1, 0)


def alert(number: int, **fields: object) -> Entry:
    return Entry("alert", {"label": "open", "text": f"hit {number}", **fields}, stream_id="rts-1", stream_name="Door")


async def test_the_journal_is_read_with_a_cursor_and_filters(engine: Engine, api: httpx.AsyncClient) -> None:
    await engine.journal.append(*[alert(number) for number in range(3)], Entry("health", {"state": "connected"}))
    first = await data(await api.get("/rtstream/journal?since=0&limit=2"))
    assert [entry["data"]["text"] for entry in first["entries"]] == ["hit 0", "hit 1"]
    assert first["has_more"] is True
    rest = await data(await api.get(f"/rtstream/journal?since={first['cursor']}"))
    assert [entry["channel"] for entry in rest["entries"]] == ["alert", "health"]
    assert rest["entries"][0]["rtstream_name"] == "Door"
    filtered = await data(
        await api.get("/rtstream/journal?since=0&channels=alert,scene_index&text=hit+2&labels=open,x")
    )
    assert [entry["data"]["text"] for entry in filtered["entries"]] == ["hit 2"]
    assert (await data(await api.get("/rtstream/journal?since=0&streams=rts-2")))["entries"] == []
    newest = await data(await api.get("/rtstream/journal?limit=1"))
    assert [entry["channel"] for entry in newest["entries"]] == ["health"]
    for bad in ["since=-1", "limit=0", "wait_s=51", "wait_s=nan", "channels=gossip", "min_confidence=2", "since=x"]:
        assert (await api.get(f"/rtstream/journal?{bad}")).status_code == 400, bad


async def test_scenes_that_repeat_the_one_before_are_left_out_on_request(
    engine: Engine, api: httpx.AsyncClient
) -> None:
    repeats = ({}, {"unchanged": True}, {"unchanged": False})
    await engine.journal.append(*[Entry("scene_index", {"text": "a page", **one}) for one in repeats], alert(1))
    found = await data(await api.get("/rtstream/journal?since=0&changed=true"))
    assert [entry["seq"] for entry in found["entries"]] == [1, 3, 4]
    assert len((await data(await api.get("/rtstream/journal?since=0")))["entries"]) == 4


async def test_a_long_poll_ends_with_the_first_entry(engine: Engine, api: httpx.AsyncClient) -> None:
    answers: list[dict] = []

    async def poll() -> None:
        answers.append(await data(await api.get("/rtstream/journal?since=0&wait_s=20&channels=alert")))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await anyio.wait_all_tasks_blocked()
            await engine.journal.append(Entry("health", {}))
            await engine.journal.append(alert(1))
    assert [entry["data"]["text"] for entry in answers[0]["entries"]] == ["hit 1"]
    assert answers[0]["cursor"] == 2


async def test_a_long_poll_without_entries_ends_after_its_time(api: httpx.AsyncClient) -> None:
    with anyio.fail_after(5):
        page = await data(await api.get("/rtstream/journal?since=0&wait_s=0.2"))
    assert page == {"entries": [], "cursor": 0, "has_more": False, "truncated": False}
