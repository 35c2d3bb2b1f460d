"""A stored backfill counts its results, and goes with its gaps, except for those that alerts still evaluate."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from rtstream.states import GapReason
from rtstream.store import backfills, gaps, indexes, streams
from rtstream.store.recording_clock import EVERY_RECORDING


def add(conn: Connection, backfill_id: str, index_id: str | None = "one", **values: Any) -> None:
    fields: dict[str, Any] = {
        "stream_id": "rts-1",
        "index_id": index_id,
        "engine": "",
        "language": None,
        "start": 0.0,
        "end": 10.0,
        "counters": {},
        "most_cost": None,
        "created_at": 1.0,
    }
    backfills.insert(conn, id=backfill_id, **fields | values)


def gap(conn: Connection, backfill_id: str, start: float) -> int:
    kind = {"reason": GapReason.REQUESTED, "now": 0.0, "after_media": EVERY_RECORDING, "index_id": "one"}
    return gaps.insert(conn, stream_id="rts-1", start=start, end=start + 5, backfill_id=backfill_id, **kind)


def test_counters_are_added_up_and_those_of_an_ended_backfill_are_ignored(conn: Connection) -> None:
    add(conn, "job-1")
    backfills.count(conn, "job-1", done=1, tokens_in=10)
    backfills.count(conn, "job-1", done=2)
    backfills.count(conn, "job-2", done=1)
    backfills.count(conn, None, done=1)
    found = backfills.get(conn, "job-1")
    assert found is not None
    assert found.counters == {"done": 3, "tokens_in": 10}


def test_backfills_are_listed_by_owner_oldest_first(conn: Connection) -> None:
    add(conn, "job-2", created_at=2.0)
    add(conn, "job-1", created_at=1.0)
    add(conn, "job-3", None, engine="local", created_at=3.0)
    assert [row.id for row in backfills.all_backfills(conn)] == ["job-1", "job-2", "job-3"]
    assert [row.id for row in backfills.of_index(conn, "one")] == ["job-1", "job-2"]
    assert [row.id for row in backfills.of_transcript(conn, "rts-1", "local")] == ["job-3"]


def test_the_end_of_a_backfill_removes_its_gaps_but_not_those_of_others(conn: Connection) -> None:
    for name in ("job-1", "job-2"):
        add(conn, name)
    first, analysed, other = gap(conn, "job-1", 0.0), gap(conn, "job-1", 20.0), gap(conn, "job-2", 40.0)
    gaps.finish(conn, analysed)
    assert [one.id for one in backfills.gaps_of(conn, "job-1")] == [first, analysed]
    assert all(one.requested for one in backfills.gaps_of(conn, "job-1"))
    backfills.end(conn, "job-1")
    assert backfills.get(conn, "job-1") is None
    assert [one.id for one in gaps.all_gaps(conn)] == [analysed, other]


def test_a_deleted_stream_has_no_backfills(conn: Connection) -> None:
    add(conn, "job-1")
    streams.delete(conn, "rts-1")
    assert backfills.all_backfills(conn) == []


def test_the_reason_of_the_last_failure_is_known(conn: Connection) -> None:
    add(conn, "job-1")
    add(conn, "job-2", None)
    assert backfills.last_failure(conn, "job-1") == backfills.last_failure(conn, "job-2") == ""
    for number, failure in enumerate(("slow", "no key")):
        values = {"text": "", "status": "failed", "model": "m", "data": None, "created_at": 0.0, "gap_id": 1}
        detail = {"failure": failure}
        indexes.add_scene(
            conn, index_id="one", stream_id="rts-1", start=number, end=number + 1, detail=detail, **values
        )
    assert backfills.last_failure(conn, "job-1") == "no key"
