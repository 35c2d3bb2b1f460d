"""wait_for_events: cursors, filters, batches and limits."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from mcp import Client

from rtstream.client import RTStreamClient
from rtstream.store import journal as journal_rows
from rtstream.store.journal import Entry
from server.mcp_server import create_endpoint
from tests.server.mcp_servers import KEY, Served, call, refusal, serving
from tests.waiting import eventually
from tools.wait import MAX_WAITING

pytestmark = pytest.mark.anyio


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


async def test_a_text_does_not_keep_alerts_away_unless_only_alerts_are_wanted(served: Served, client: Client) -> None:
    stream_id = await served.add_stream("Door")
    await served.happen("alert", stream_id, label="door", confidence=0.9, text="a courier")
    await served.happen("scene_index", stream_id, text="an empty porch")
    await served.happen("transcript", stream_id, text="Who is at the porch?")

    async def seen(**which: object) -> list[str]:
        found = await call(client, "wait_for_events", since=0, timeout_s=0, text="PORCH", **which)
        return [event["untrusted_text"] for event in found["events"]]

    assert await seen() == ["a courier", "an empty porch", "Who is at the porch?"]
    assert await seen(channels=["alerts", "transcript"]) == ["a courier", "Who is at the porch?"]
    assert await seen(channels=["alerts"]) == []
    assert await seen(streams=["Door"], channels=["scenes"]) == ["an empty porch"]


async def test_the_result_states_what_a_text_kept(served: Served, client: Client) -> None:
    stream_id = await served.add_stream("Door")
    await served.happen("alert", stream_id, label="door", confidence=0.9, text="a courier")
    await served.happen("transcript", stream_id, text="Kubernetes is up", heard="Cuba needs is up")

    async def note(text: str | None, **which: object) -> str | None:
        return (await call(client, "wait_for_events", since=0, timeout_s=0, text=text, **which)).get("note")

    assert await note("cuba") == (
        "1 events whose text contains it, ignoring case, and 1 alerts, which are never filtered by text here."
    )
    assert "1 alerts whose explanation contains the text" in str(await note("courier", channels=["alerts"]))
    assert await note(None) is None


async def test_events_are_gathered_for_a_while_instead_of_returning_the_first(served: Served, client: Client) -> None:
    cursor = (await call(client, "wait_for_events", timeout_s=0))["cursor"]
    found: dict[str, object] = {}

    async def gather() -> None:
        found.update(await call(client, "wait_for_events", since=cursor, collect_for_s=4))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gather)
            await waiting(served, 1)
            first = await served.happen("alert", "rts-1", label="one")
            # A wait without collect_for_s would return it within a second.
            await call(client, "wait_for_events", since=first, timeout_s=2)
            second = await served.happen("alert", "rts-1", label="two")
    assert [event["seq"] for event in found["events"]] == [first, second]  # pyright: ignore[reportIndexIssue, reportGeneralTypeIssues]
    assert "either timeout_s" in await refusal(client, "wait_for_events", timeout_s=1, collect_for_s=1)


async def test_gathering_ends_when_the_result_is_full(served: Served, client: Client) -> None:
    for number in range(3):
        await served.happen("alert", "rts-1", label=f"n{number}")
    with anyio.fail_after(20):
        found = await call(client, "wait_for_events", since=0, collect_for_s=50, max_events=2)
    assert (len(found["events"]), found["has_more"]) == (2, True)


async def test_filters_leave_out_the_rest_and_the_cursor_moves_past_it(served: Served, client: Client) -> None:
    one, two = await served.add_stream("One"), await served.add_stream("Two")
    await served.happen("alert", one, label="door", confidence=0.9, text="a courier")
    await served.happen("alert", two, label="door", confidence=0.2, text="a shadow")
    await served.happen("scene_index", one, text="an empty porch")
    last = await served.happen("catalogue", "rts-3", change="added", kind="stream", id="rts-3")

    async def seen(**which: object) -> list[str]:
        found = await call(client, "wait_for_events", since=0, timeout_s=0, **which)
        assert found["cursor"] == last
        return [event["untrusted_text"] for event in found["events"]]

    assert await seen() == ["a courier", "a shadow", "an empty porch"]
    assert await seen(streams=["Two"]) == ["a shadow"]
    assert await seen(channels=["scenes"]) == ["an empty porch"]
    assert await seen(labels=["door"], min_confidence=0.5) == ["a courier"]
    assert await seen(text="PORCH", channels=["scenes"]) == ["an empty porch"]


async def test_events_that_were_found_in_the_recording_are_late_and_others_do_not_say_so(
    served: Served, client: Client
) -> None:
    await served.happen("alert", "rts-1", label="door", start=100.0, end=102.0, late=True)
    await served.happen("alert", "rts-1", label="door", start=200.0, end=202.0)
    found = await call(client, "wait_for_events", since=0, timeout_s=0)
    assert [(event["start"], event.get("late")) for event in found["events"]] == [(100.0, True), (200.0, None)]


async def test_many_wait_at_once_and_a_cancelled_wait_holds_nobody_up(served: Served, client: Client) -> None:
    results: list[int] = []

    async def wait() -> None:
        found = await call(client, "wait_for_events", since=0, timeout_s=20, max_events=1)
        results.append(found["events"][0]["seq"])

    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(wait)
            with anyio.move_on_after(0.2):
                await call(client, "wait_for_events", since=0, timeout_s=20)
            seq = await served.happen("alert", "rts-1", label="door")
    assert results == [seq] * 10


async def test_a_large_result_is_cut_where_the_cursor_says(served: Served, client: Client) -> None:
    for _ in range(30):
        await served.happen("scene_index", "rts-1", text="x" * 5000)
    first = await call(client, "wait_for_events", since=0, timeout_s=0, max_events=100)
    assert 10 < len(first["events"]) < 30
    assert first["has_more"]
    rest = await call(client, "wait_for_events", since=first["cursor"], timeout_s=0, max_events=100)
    assert len(first["events"]) + len(rest["events"]) == 30


async def test_a_wait_that_ends_without_events_says_so_and_how_to_go_on(served: Served, client: Client) -> None:
    skipped = await served.happen("scene_index", "rts-1", text="an empty porch")
    found = await call(client, "wait_for_events", since=0, channels=["alerts"], timeout_s=0.2)
    assert (found["events"], found["timed_out"], found["has_more"], found["truncated"]) == ([], True, False, False)
    assert found["cursor"] == skipped
    assert found["next"] == f"Call again with since={skipped} to continue."
    still = await call(client, "wait_for_events", since=skipped, channels=["scenes"], timeout_s=0)
    assert still["next"].startswith(found["next"])
    assert "look shows it" in still["next"]


async def test_a_screen_that_stays_is_no_event_unless_its_text_is_waited_for(served: Served, client: Client) -> None:
    await served.happen("scene_index", "rts-1", text="Invoice 4711", new=["Invoice 4711"], gone=["Agenda"])
    await served.happen("scene_index", "rts-1", text="Invoice 4711", unchanged=True)
    await served.happen("scene_index", "rts-1", text="Agenda")
    found = await call(client, "wait_for_events", since=0, timeout_s=0)
    assert [event["untrusted_text"] for event in found["events"]] == ["Invoice 4711", "Agenda"]
    first = found["events"][0]
    assert (first["untrusted_new"], first["untrusted_gone"]) == (["Invoice 4711"], ["Agenda"])
    found = await call(client, "wait_for_events", since=1, text="invoice", timeout_s=0)
    assert [event["seq"] for event in found["events"]] == [2]


@pytest.mark.parametrize("timeout_s", [0, 0.3])
@pytest.mark.parametrize("channel", ["alerts", "scenes"], ids=["something matches", "nothing matches"])
async def test_entries_that_are_no_longer_kept_are_reported(
    served: Served, client: Client, timeout_s: float, channel: str
) -> None:
    for number in range(5):
        await served.happen("alert", "rts-1", label=f"n{number}")
    await served.engine.db.write(journal_rows.trim, 2)
    found = await call(client, "wait_for_events", since=1, channels=[channel], timeout_s=timeout_s)
    assert found["truncated"]
    assert [event["label"] for event in found["events"]] == (["n3", "n4"] if channel == "alerts" else [])
    again = await call(client, "wait_for_events", since=found["cursor"], channels=[channel], timeout_s=0)
    assert not again["truncated"]


async def test_what_comes_within_a_second_is_one_answer_but_never_more_than_asked_for(
    served: Served, client: Client
) -> None:
    results: list[list[str]] = []

    async def wait(limit: int) -> None:
        found = await call(client, "wait_for_events", since=0, timeout_s=20, max_events=limit)
        results.append([event["label"] for event in found["events"]])
        assert found["has_more"] == (limit == 2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, 2)
        tasks.start_soon(wait, 50)
        await waiting(served, 2)
        await served.engine.journal.append(*(Entry("alert", {"label": f"n{n}"}, "rts-1", "Door") for n in range(3)))
        await served.happen("alert", "rts-1", label="n3")
    assert results == [["n0", "n1"], ["n0", "n1", "n2", "n3"]]


@pytest.fixture(autouse=True)
def brief_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the search not wait for the journal, so that its readers can be counted."""
    monkeypatch.setattr("rtstream.engine.search.service.POLL_S", 0.0)


async def waiting(served: Served, count: int, idle: int = 0) -> None:
    """Until so many calls wait in the engine, beside the ``idle`` readers it has of its own."""
    await eventually(lambda: served.engine.journal.grown.statistics().tasks_waiting >= idle + count)


async def test_so_many_may_wait_and_those_that_were_cancelled_leave_nothing_behind(
    served: Served, client: Client
) -> None:
    await call(client, "wait_for_events", timeout_s=0)  # the feed of the endpoint is connected from here on
    idle = served.engine.journal.grown.statistics().tasks_waiting

    async def wait() -> None:
        await call(client, "wait_for_events", since=0, timeout_s=40)

    for _ in range(2):  # cancelled ones count no longer
        async with anyio.create_task_group() as tasks:
            for _ in range(MAX_WAITING):
                tasks.start_soon(wait)
            await waiting(served, MAX_WAITING, idle)
            assert "64 calls are already waiting" in await refusal(client, "wait_for_events", timeout_s=1)
            tasks.cancel_scope.cancel()
        # The search waits for the journal as well, for moments.
        await eventually(lambda: served.engine.journal.grown.statistics().tasks_waiting <= idle + 1)
    seq = await served.happen("alert", "rts-1", label="door")
    assert (await call(client, "wait_for_events", since=0, timeout_s=5))["cursor"] == seq


async def test_a_wait_goes_on_through_a_restart_of_the_engine(tmp_path: Path) -> None:
    async with serving(tmp_path / "one") as first, anyio.create_task_group() as tasks:
        port = int(first.url.rpartition(":")[2])
        cursor = await first.happen("alert", "rts-1", label="before")
        async with Client(create_endpoint(RTStreamClient(first.url, KEY)).mcp) as client:
            results: list[list[str]] = []
            over = anyio.Event()

            async def wait() -> None:
                found = await call(client, "wait_for_events", since=cursor, timeout_s=30)
                results.append([event["label"] for event in found["events"]])
                over.set()

            tasks.start_soon(wait)
            await waiting(first, 1, first.engine.journal.grown.statistics().tasks_waiting)
            first.stop.set()
            await first.closed.wait()
            async with serving(tmp_path / "one", port=port) as second:
                await second.happen("alert", "rts-1", label="after")
                with anyio.fail_after(15):
                    await over.wait()
    assert results == [["after"]]
