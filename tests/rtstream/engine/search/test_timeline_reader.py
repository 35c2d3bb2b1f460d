"""The results of one stream, read for a timeline, with the facts that explain where there are none."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from rtstream.engine.search.timeline_reader import read_stream
from rtstream.models import TimelineChannel
from rtstream.states import GapReason, SkipReason
from rtstream.store import gaps, indexes, streams, transcripts
from tests.rtstream.store.conftest import INDEX, STREAM, in_memory

ALL: list[TimelineChannel] = ["scenes", "transcript", "audio", "alerts", "health"]
LATEST = (2**60, 2**60, 2**60)


def plant(conn: Connection) -> None:
    from rtstream.store.tables import metadata

    metadata.create_all(conn)
    streams.ensure_default_collection(conn, 0.0)
    media = {"video_codec": "h264", "audio_codec": None}
    streams.insert(conn, id="rts-1", created_at=5.0, media=media, **STREAM)
    counters = {"skipped_too_old": 3, "capped": 2, "done": 9}
    indexes.insert(conn, id="idx-1", stream_id="rts-1", counters=counters, created_at=10.0, **INDEX)
    speech = {**INDEX, "extraction_type": "transcript"}
    indexes.insert(conn, id="idx-2", stream_id="rts-1", counters={}, created_at=11.0, **speech)
    transcripts.start_job(conn, "rts-1", "local", None, 20.0)
    transcripts.stop_job(conn, "rts-1", "local", 300.0)
    gaps.insert(conn, stream_id="rts-1", index_id="idx-1", start=150, end=None, reason=GapReason.OVERLOADED, now=0)
    common: dict[str, Any] = {"stream_id": "rts-1", "model": "m", "data": None, "detail": {}, "created_at": 0.0}
    for index_id, start, text in (("idx-1", 100, "A desk."), ("idx-1", 105, "A door."), ("idx-2", 100, "Hello.")):
        values = {"start": start, "end": start + 5, "text": text, "status": "ok"}
        indexes.add_scene(conn, index_id=index_id, **values, **common)
    indexes.add_scene(conn, index_id="idx-1", start=110, end=115, text="", status="failed", **common)
    said = {"stream_id": "rts-1", "engine": "local", "detail": {}, "created_at": 0.0}
    transcripts.add(conn, start=101, end=102, text="Hello.", kind="speech", **said)
    transcripts.add(conn, start=102, end=120, text="", kind="gap", **said)


def test_each_source_has_its_items_and_its_facts() -> None:
    with in_memory() as conn:
        plant(conn)
        found = read_stream(conn, "rts-1", ALL, 90.0, 200.0, LATEST)
    assert [[item.text for item in lane] for lane in found.screens] == [["A desk.", "A door."]]
    assert [[item.text for item in lane] for lane in found.turns] == [["Hello."]]
    assert [[item.text for item in lane] for lane in found.others if lane] == [["Hello."]]
    assert found.covered == [(100.0, 110.0)]
    assert found.has_pictures
    facts = found.facts
    assert (facts.has_video, facts.has_audio, facts.running, facts.created_at) == (True, False, False, 5.0)
    [index], [transcript] = facts.indexes, facts.transcripts
    assert index.skipped == {SkipReason.TOO_OLD: 3, SkipReason.BUDGET_SPENT: 2}
    assert index.gaps == [(150.0, 200.0, GapReason.OVERLOADED)]
    assert [failure.start for failure in index.failures] == [110.0]  # pyright: ignore[reportAttributeAccessIssue]
    assert (transcript.running, transcript.stopped_at) == (False, 300.0)


def test_only_the_channels_that_are_asked_for_are_read() -> None:
    with in_memory() as conn:
        plant(conn)
        found = read_stream(conn, "rts-1", ["transcript"], 90.0, 200.0, LATEST)
    assert (found.screens, found.others, len(found.turns)) == ([], [], 1)
