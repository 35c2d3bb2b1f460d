"""The journal: numbered, filtered, awaited."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from rtstream.engine.journal import Journal
from rtstream.store import journal as rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry, Filter

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = Database.below(tmp_path)
    yield db
    await db.aclose()


def alert(label: str, confidence: float = 1.0, stream: str = "rts-1", text: str = "") -> Entry:
    return Entry("alert", {"label": label, "confidence": confidence, "text": text}, stream_id=stream)


async def test_a_reader_with_the_last_cursor_sees_each_entry_once(db: Database) -> None:
    journal = Journal(db)
    seen: list[str] = []
    cursor = 0
    for round_ in range(5):
        await journal.append(*(alert(f"{round_}-{n}") for n in range(7)))
        while True:
            page = await journal.read(cursor, limit=3)
            seen += [entry.data["label"] for entry in page.entries]
            cursor = page.cursor
            if not page.has_more:
                break
    assert seen == [f"{round_}-{n}" for round_ in range(5) for n in range(7)]


async def test_a_waiting_reader_is_woken_by_the_entry_it_waits_for(db: Database) -> None:
    journal = Journal(db)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def later() -> None:
                await journal.append(alert("other"))
                await journal.append(alert("wanted"))

            tasks.start_soon(later)
            page = await journal.read(0, Filter(labels=["wanted"]), wait_s=5)
    assert [entry.data["label"] for entry in page.entries] == ["wanted"]


async def test_a_wait_without_an_entry_ends_and_its_cursor_skips_what_the_filter_left_out(db: Database) -> None:
    journal = Journal(db)
    [seq] = await journal.append(alert("other"))
    page = await journal.read(0, Filter(labels=["wanted"]), wait_s=0.05)
    assert (page.entries, page.cursor, page.has_more) == ([], seq, False)


async def test_filters_restrict_by_stream_channel_text_and_confidence(db: Database) -> None:
    journal = Journal(db)
    await journal.append(
        alert("a", 0.9, "rts-1", "Invoice 4711 found"),
        alert("b", 0.2, "rts-1", "nothing"),
        alert("c", 0.9, "rts-2", "100% invoice"),
        Entry("scene_index", {"text": "an invoice_4711"}, stream_id="rts-1"),
    )

    async def labels(which: Filter) -> list[str]:
        return [entry.data.get("label", "scene") for entry in (await journal.read(0, which)).entries]

    assert await labels(Filter(streams=["rts-2"])) == ["c"]
    assert await labels(Filter(channels=["scene_index"])) == ["scene"]
    assert await labels(Filter(text="INVOICE")) == ["a", "c", "scene"]
    assert await labels(Filter(text="100%")) == ["c"]
    assert await labels(Filter(text="invoice_4")) == ["scene"]
    assert await labels(Filter(min_confidence=0.5)) == ["a", "c", "scene"]


async def test_a_cursor_older_than_what_is_kept_is_told_that_entries_are_gone(db: Database) -> None:
    journal = Journal(db)
    await journal.append(*(alert(str(n)) for n in range(10)))
    await db.write(rows.trim, 4)
    page = await journal.read(2)
    assert page.truncated
    assert [entry.data["label"] for entry in page.entries] == ["6", "7", "8", "9"]
    assert not (await journal.read(6)).truncated


async def test_a_number_is_never_given_twice_also_after_all_entries_were_removed(db: Database, tmp_path: Path) -> None:
    journal = Journal(db)
    [last] = (await journal.append(alert("x"), alert("y")))[1:]
    await db.write(rows.trim, 0)
    await db.aclose()
    again = Database.below(tmp_path)
    try:
        assert (await Journal(again).append(alert("z")))[0] == last + 1
    finally:
        await again.aclose()


async def test_a_follower_gets_what_was_before_and_what_comes_after_in_order(db: Database) -> None:
    journal = Journal(db)
    await journal.append(*(alert(str(n)) for n in range(5)))
    seen: list[str] = []
    with anyio.fail_after(5):
        async for batch in journal.follow(0, batch=2):
            seen += [message.data["label"] for message, _ in batch]
            if len(seen) == 5:
                await journal.append(alert("5"), alert("6"))
            if len(seen) >= 7:
                break
    assert seen == [str(n) for n in range(7)]


async def test_what_a_failing_write_did_is_undone(db: Database) -> None:
    def write(conn: object) -> None:
        rows.append(conn, alert("half"))  # pyright: ignore[reportArgumentType]
        raise RuntimeError("in between")

    with pytest.raises(RuntimeError):
        await db.write(write)
    assert (await Journal(db).read(0)).entries == []


async def test_the_database_can_be_read_by_its_owner_only(db: Database, tmp_path: Path) -> None:
    journal = Journal(db)
    await journal.append(alert("x"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("rtstream.db*")}
    assert set(modes.values()) == {0o600}, modes
