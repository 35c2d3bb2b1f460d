"""Totals are read for all streams, indexes and webhooks at once."""

from __future__ import annotations

from rtstream.store import alerts, deliveries, indexes, journal, metrics, streams
from rtstream.store.journal import Entry
from rtstream.store.metrics import IndexTotals, StreamTotals
from rtstream.store.tables import metadata
from tests.rtstream.store.conftest import in_memory

STREAM = {"media_types": ["video"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
INDEX = {"extraction_type": "time", "extraction_config": {"time": 2}, "model_config": {}, "status": "running"}


def test_totals_count_webhooks_by_state_and_name_what_has_no_name() -> None:
    with in_memory() as conn:
        metadata.create_all(conn)
        assert metrics.totals(conn) == metrics.Totals([], [], {}, 0)
        streams.ensure_default_collection(conn, 0.0)
        common = {"url": "u", "collection_id": "default", "desired": "stopped", "health": {}}
        streams.insert(conn, id="rts-1", name="Door", created_at=0.0, **common, **STREAM)
        indexes.insert(conn, id="one", stream_id="rts-1", name=None, counters={"done": 3}, created_at=0.0, **INDEX)
        alerts.insert_event(conn, id="event-1", prompt="p", label="l", rule=None, created_at=0.0)
        kind = {"stream_id": "rts-1", "index_id": "one", "event_id": "event-1", "status": "enabled", "options": {}}
        alerts.insert_alert(conn, id="alert-1", created_at=0.0, judged_scene=0, fired=0, **kind)
        seq = journal.append(conn, Entry("alert", {}, "rts-1", "Door"))
        sent = {"alert_id": "alert-1", "seq": seq, "url": "http://h", "payload": {}, "attempts": 0, "next_at": 0.0}
        states = ["pending", "pending", "dead"]
        rows = [sent | {"id": f"d{n}", "state": state, "created_at": 0.0} for n, state in enumerate(states)]
        deliveries.insert(conn, *rows)
        found = metrics.totals(conn)
    assert found.streams == [StreamTotals("rts-1", "Door", 0)]
    assert found.indexes == [IndexTotals("one", "", "rts-1", {"done": 3})]
    assert (found.webhooks, found.journal_seq) == ({"pending": 2, "dead": 1}, seq)
