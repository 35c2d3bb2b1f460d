"""What the tests of search share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from tests.rtstream.engine.search.documents import EmbeddingsServer


@pytest.fixture
def server() -> Iterator[EmbeddingsServer]:
    server = EmbeddingsServer()
    yield server
    server.close()


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = Database.below(tmp_path)
    await db.write(stream_rows.ensure_default_collection, 0.0)
    yield db
    await db.aclose()
