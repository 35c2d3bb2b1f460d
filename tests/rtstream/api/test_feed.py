"""The shared memory of the newest messages. Each reader gets all of them in order and once, at its own pace."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from rtstream.api.feed import MAX_MESSAGE, Item, JournalTail, item, wire_text
from rtstream.engine.journal import Journal
from rtstream.models import Message
from rtstream.store.database import Database
from rtstream.store.journal import Entry

pytestmark = pytest.mark.anyio


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    db = Database.below(tmp_path)
    yield Journal(db)
    await db.aclose()


@asynccontextmanager
async def running(feed: JournalTail) -> AsyncIterator[JournalTail]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed.run)
        with anyio.fail_after(10):
            yield feed
        tasks.cancel_scope.cancel()


def entries(begin: int, end: int) -> list[Entry]:
    return [Entry("health", {"number": number}, stream_id="rts-1") for number in range(begin, end)]


async def take(feed: JournalTail, since: int, last: int) -> list[int]:
    seqs: list[int] = []
    async with aclosing(feed.items(since)) as items:
        async for got in items:
            seqs.append(got.seq)
            if got.seq >= last:
                break
    return seqs


async def test_readers_with_any_cursor_get_every_message_once(journal: Journal) -> None:
    await journal.append(*entries(0, 50))
    async with running(JournalTail(journal, max_items=10)) as feed:
        got: dict[int, list[int]] = {}

        async def read(since: int) -> None:
            got[since] = await take(feed, since, 200)

        async with anyio.create_task_group() as tasks:
            for since in (0, 25, 49, 50):
                tasks.start_soon(read, since)
            for begin in range(50, 200, 7):
                await journal.append(*entries(begin, min(begin + 7, 200)))
    assert got == {since: list(range(since + 1, 201)) for since in (0, 25, 49, 50)}


async def test_a_reader_that_falls_out_of_memory_reads_on_from_the_journal(journal: Journal) -> None:
    async with running(JournalTail(journal, max_items=10)) as feed:
        async with aclosing(feed.items(0)) as slow:
            await journal.append(*entries(0, 1))
            seqs = [(await anext(slow)).seq]
            for begin in range(1, 300, 30):
                await journal.append(*entries(begin, begin + 30))
            assert await take(feed, 300, 301) == [301]  # others are not held up
            while seqs[-1] < 301:
                seqs.append((await anext(slow)).seq)
        assert len(feed._kept) == 10
    assert seqs == list(range(1, 302))


async def test_memory_is_bounded_in_bytes(journal: Journal) -> None:
    feed = JournalTail(journal, max_bytes=10_000)
    for number in range(100):
        feed.add(Item(number + 1, "x" * 900, frozenset()))
    assert len(feed._kept) == 11


async def test_a_message_outside_the_journal_reaches_those_who_keep_up(journal: Journal) -> None:
    async with running(JournalTail(journal)) as feed, aclosing(feed.items(0)) as items:
        await feed._ready.wait()
        await journal.append(*entries(0, 1))
        seqs = [(await anext(items)).seq]
        feed.add(Item(0, "{}", frozenset()))
        await journal.append(*entries(1, 2))
        seqs += [(await anext(items)).seq for _ in range(2)]
    assert seqs == [1, 0, 2]


def test_a_message_knows_whom_it_is_for() -> None:
    message = Message(channel="transcript", timestamp="", rtstream_id="rts-1", data={"text": "hello"}, seq=3)
    assert item(message).targets == {("stream", "rts-1"), ("transcript", "rts-1")}
    scene = message.model_copy(update={"channel": "scene_index"})
    assert item(scene, index_id="i-1", alert_id="a-1").targets == {
        ("stream", "rts-1"),
        ("index", "i-1"),
        ("alert", "a-1"),
    }


@pytest.mark.parametrize("letter", ["a", "é", "🎥", "\x00"])
def test_a_message_never_exceeds_what_clients_take(letter: str) -> None:
    huge = {"text": letter * 2_000_000, "description": letter * 2_000_000, "data": {"a": [1] * 500_000}, "start": 5.0}
    text = wire_text(Message(channel="scene_index", timestamp="", data=huge, seq=3))
    assert len(text.encode()) <= MAX_MESSAGE
    sent = json.loads(text)
    assert sent["seq"] == 3
    assert (sent["data"]["start"], sent["data"]["data"], sent["data"]["truncated"]) == (5.0, None, True)
    assert sent["data"]["text"].startswith(letter * 1000)
