"""Cues: which URIs a message changes, and how often a subscriber is told."""

from __future__ import annotations

from itertools import pairwise

import anyio
import pytest

from resources import uris
from resources.notifications import LIST_CHANGED, Updates
from rtstream.models import Message


def message(channel: str, stream_id: str = "rts-1", **data: object) -> Message:
    return Message.model_validate(
        {"channel": channel, "timestamp": "", "rtstream_id": stream_id, "data": data, "seq": 1}
    )


@pytest.mark.parametrize(
    ("channel", "data", "changed"),
    [
        ("scene_index", {}, ["rtstream://streams/rts-1", "rtstream://streams/rts-1/scenes"]),
        ("alert", {}, ["rtstream://streams/rts-1", "rtstream://streams/rts-1/alerts"]),
        ("health", {}, ["rtstream://streams", "rtstream://streams/rts-1", "rtstream://streams/rts-1/health"]),
        ("catalogue", {"kind": "stream", "change": "removed"}, ["rtstream://streams", "rtstream://streams/rts-1"]),
    ],
)
def test_a_message_changes_its_channel_and_its_stream(channel: str, data: dict[str, str], changed: list[str]) -> None:
    assert uris.touched_by(message(channel, **data)) == changed


@pytest.mark.parametrize(
    "uri",
    [
        "rtstream://streams/",
        "rtstream://streams/a/b",
        "rtstream://streams/a/alerts?since=1",
        "rtstream://streams/a/b/c",
        "x",
    ],
)
def test_only_canonical_uris_name_something(uri: str) -> None:
    assert uris.parse(uri) is None


def test_canonical_uris_name_what_they_say() -> None:
    assert uris.parse("rtstream://streams") == uris.Place()
    assert uris.parse(uris.stream("rts-1")) == uris.Place("rts-1")
    assert uris.parse(uris.channel("rts-1", "alerts")) == uris.Place("rts-1", "alerts")


@pytest.mark.anyio
async def test_a_thousand_changes_are_told_at_once_and_then_at_most_every_interval() -> None:
    told: list[tuple[float, str]] = []
    enough = anyio.Event()

    async def publish(uri: str) -> None:
        told.append((anyio.current_time(), uri))
        if len(told) >= 6:
            enough.set()

    updates = Updates(publish, interval_s=0.1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(updates.run)
        with anyio.fail_after(10):
            while not enough.is_set():
                updates.message(message("alert"))
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    for uri in ("rtstream://streams/rts-1", "rtstream://streams/rts-1/alerts"):
        times = [at for at, what in told if what == uri]
        assert all(later - earlier >= 0.095 for earlier, later in pairwise(times))


@pytest.mark.anyio
async def test_the_last_change_is_always_told_and_so_is_a_change_of_the_list() -> None:
    told: list[str] = []
    more = anyio.Event()

    async def publish(uri: str) -> None:
        nonlocal more
        told.append(uri)
        more.set()
        more = anyio.Event()

    updates = Updates(publish, interval_s=0.05)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(updates.run)
        updates.message(message("catalogue", kind="stream", change="added"))
        with anyio.fail_after(5):
            while len(told) < 3:
                await more.wait()
        updates.touch(["rtstream://streams"])
        with anyio.fail_after(5):
            while len(told) < 4:
                await more.wait()
        tasks.cancel_scope.cancel()
    assert told == [LIST_CHANGED, "rtstream://streams", "rtstream://streams/rts-1", "rtstream://streams"]


@pytest.mark.anyio
async def test_the_first_change_is_told_at_once_whatever_was_told_of_others() -> None:
    """No timer stands between a change and its first cue: with an interval of an hour all but repetitions come."""
    told: list[str] = []

    async def publish(uri: str) -> None:
        told.append(uri)

    updates = Updates(publish, interval_s=3600)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(updates.run)
        for uri in ("a", "b", "a", "c"):
            updates.touch([uri])
            await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert told == ["a", "b", "c"]


@pytest.mark.anyio
async def test_changes_while_others_are_being_told_are_told_too() -> None:
    told: list[str] = []
    more = anyio.Event()

    async def publish(uri: str) -> None:
        nonlocal more
        if uri == "a":
            updates.touch(["b"])
        await anyio.lowlevel.checkpoint()
        told.append(uri)
        more.set()
        more = anyio.Event()

    updates = Updates(publish, interval_s=3600)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(updates.run)
        updates.touch(["a"])
        with anyio.fail_after(5):
            while told != ["a", "b"]:
                await more.wait()
        tasks.cancel_scope.cancel()
