"""The limit on running streams, and what a connect that is refused leaves behind."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import anyio
import pytest

from rtstream.engine.engine import Engine
from rtstream.errors import Conflict, InvalidRequest, RTStreamError
from rtstream.models import ConnectStream
from rtstream.states import DesiredState
from rtstream.store import streams as stream_rows
from rtstream.store.tables import journal, ws_bindings
from rtstream.testsource import LiveSource
from server.settings import Settings

pytestmark = pytest.mark.anyio
LIMIT = 3


def settings(folder: Path) -> Settings:
    given: dict[str, Any] = {"data_dir": folder, "local_vision": False, "allow_networks": "loopback"}
    return Settings(**given, max_streams=LIMIT, api_key="sk-a-key-of-the-tests-of-limits")


def request(live_source: LiveSource, **given: Any) -> ConnectStream:
    return ConnectStream(url=live_source.http_url, store=True, **given)


async def traces(engine: Engine, folder: Path) -> dict[str, set[str]]:
    """The ids of streams that rows, folders, journal and subscriptions know."""
    streams = await engine.db.read(stream_rows.all_streams)
    entries = await engine.db.read(lambda conn: conn.execute(journal.select()).all())
    bound = await engine.db.read(lambda conn: conn.execute(ws_bindings.select()).all())
    media = folder / "media"
    return {
        "rows": {row.id for row in streams},
        "folders": {path.name for path in media.iterdir()} if media.exists() else set(),
        "journal": {entry.stream_id for entry in entries},
        "subscriptions": {row.target_id for row in bound},
    }


async def test_the_limit_holds_when_many_connect_at_once(tmp_path: Path, live_source: LiveSource) -> None:
    accepted: list[str] = []
    refused: list[str] = []
    async with Engine(settings(tmp_path)) as engine:

        async def connect() -> None:
            try:
                accepted.append((await engine.connect_stream(request(live_source, ws_connection_id="a" * 32))).id)
            except Conflict as exc:
                refused.append(exc.message)

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(connect)
        assert (len(accepted), len(refused)) == (LIMIT, 5)
        assert refused[0].startswith("3 streams are running already")
        assert {name: found - {""} for name, found in (await traces(engine, tmp_path)).items()} == {
            name: set(accepted) for name in ("rows", "folders", "journal", "subscriptions")
        }
        await engine.streams.stop(accepted[0])
        await connect()
        assert len(accepted) == LIMIT + 1
        with pytest.raises(Conflict):
            await engine.streams.start(accepted[0])


async def test_the_limit_holds_when_streams_are_started_at_once_and_when_the_engine_starts(
    tmp_path: Path, live_source: LiveSource
) -> None:
    async with Engine(settings(tmp_path)) as engine:
        made = []
        for number in range(5):
            made.append(await engine.connect_stream(request(live_source, name=f"camera {number}")))
            await engine.streams.stop(made[-1].id)

        async def start(stream_id: str) -> None:
            try:
                await engine.streams.start(stream_id)
            except Conflict:
                refused.append(stream_id)

        refused: list[str] = []
        async with anyio.create_task_group() as tasks:
            for stream in made:
                tasks.start_soon(start, stream.id)
                tasks.start_soon(start, stream.id)
        assert len(set(refused)) == 2
        assert {(await engine.streams.get(one)).status for one in refused} == {"stopped"}
        await engine.db.write(
            lambda conn: (
                [stream_rows.update_stream(conn, one.id, desired=DesiredState.RUNNING) for one in made] and None
            )
        )
    async with Engine(settings(tmp_path)) as engine:
        found = {stream.id: await engine.streams.get(stream.id) for stream in made}
        over = [stream for stream in found.values() if stream.health.state == "error"]
        assert [stream.id for stream in over] == [stream.id for stream in made[LIMIT:]]
        assert all("RTSTREAM_MAX_STREAMS" in stream.health.reason for stream in over)


@pytest.mark.parametrize("given", [{}, {"collection_id": "c-none"}, {"ws_connection_id": "not one"}])
async def test_a_connect_that_is_refused_leaves_nothing(
    tmp_path: Path, live_source: LiveSource, given: dict[str, Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"rtsp://127.0.0.1:{server.getsockname()[1]}/none"
    url = live_source.http_url if given else closed
    async with Engine(settings(tmp_path)) as engine:
        before = await traces(engine, tmp_path)
        for _ in range(LIMIT + 1):  # a refused connect takes no place either
            with pytest.raises(RTStreamError) as failed:
                await engine.connect_stream(ConnectStream(url=url, store=True, **given))
            assert not isinstance(failed.value, Conflict)
            assert isinstance(failed.value, InvalidRequest) or given == {"collection_id": "c-none"}
        assert await traces(engine, tmp_path) == before
