"""A receiver of webhooks, and a database with two alerts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from rtstream.store.database import Database
from rtstream.store.tables import alerts, collections, events, scene_indexes, streams
from tests.rtstream.engine.webhooks.receivers import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as state:
        yield state


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = Database.below(tmp_path)

    def rows(conn: Any) -> None:
        conn.execute(collections.insert().values(id="c", name="c", created_at=0))
        conn.execute(
            streams.insert().values(
                id="rts-1",
                name="s",
                url="u",
                collection_id="c",
                created_at=0,
                media_types=[],
                sample_rate=1,
                store=False,
                enable_transcript=False,
                desired="stopped",
                health={},
            )
        )
        conn.execute(
            scene_indexes.insert().values(
                id="idx",
                stream_id="rts-1",
                extraction_type="time",
                extraction_config={},
                model_config={},
                status="stopped",
                counters={},
                created_at=0,
            )
        )
        conn.execute(events.insert().values(id="event-1", prompt="p", label="l", created_at=0))
        place = {"stream_id": "rts-1", "index_id": "idx", "event_id": "event-1"}
        for name in ("alert-a", "alert-b"):
            state = {"status": "enabled", "options": {}, "state": {}, "created_at": 0}
            conn.execute(alerts.insert().values(id=name, **place, **state))

    await db.write(rows)
    yield db
    await db.aclose()
