"""Fixtures of the tests of the engine: servers of models, a database, and an engine that sees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from rtstream.engine.engine import Engine
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from tests.modelserver import ModelServer, forget_keys, model_server
from tests.rtstream.engine.search.documents import EmbeddingsServer
from tests.rtstream.engine.vision_engine import seeing


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


@pytest.fixture
async def vision_server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    """A server of vision models. No key of the machine's environment is used."""
    forget_keys(monkeypatch)
    async with model_server() as running:
        running.says("A desk.")
        yield running


@pytest.fixture
async def seeing_engine(tmp_path: Path, vision_server: ModelServer) -> AsyncIterator[Engine]:
    async with seeing(tmp_path, vision_server) as engine:
        yield engine
