"""The supervisor keeps recorders running."""

from __future__ import annotations

import os
import signal

import pytest

from rtstream.engine.engine import Engine
from rtstream.models import ConnectStream
from rtstream.testsource import LiveSource
from tests.rtstream.engine.test_engine import engine, journal, recorded_s, until

__all__ = ["engine"]

pytestmark = pytest.mark.anyio


async def test_a_source_that_stalls_and_comes_back_becomes_two_recordings_with_a_gap(
    engine: Engine, live_source: LiveSource
) -> None:
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, store=True))

    async def recorded() -> bool:
        return await recorded_s(engine, stream.id) > 1

    await until(recorded)
    live_source.stall(True)
    lost = await journal(engine, "health", lambda message: message.data["state"] == "reconnecting")
    assert lost.data["reason"]
    live_source.stall(False)
    await journal(engine, "health", lambda m: m.data["state"] == "connected" and m.seq > lost.seq)

    async def twice() -> bool:
        return len((await engine.streams.get(stream.id)).recorded) == 2

    await until(twice)
    first, second = (await engine.streams.get(stream.id)).recorded
    playback = await engine.generate_stream(stream.id, first[0], second[1])
    [(gap_start, gap_end)] = playback.gaps
    assert gap_end - gap_start > 1


async def test_a_killed_worker_is_started_again_and_nothing_stored_is_lost(
    engine: Engine, live_source: LiveSource
) -> None:
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, store=True))

    async def recorded() -> bool:
        return await recorded_s(engine, stream.id) > 1

    await until(recorded)
    [run] = engine._supervisor._runs.values()
    assert run.link is not None
    os.kill(run.link.pid, signal.SIGKILL)
    died = await journal(engine, "health", lambda message: message.data["state"] == "reconnecting")
    assert "recorder ended unexpectedly" in died.data["reason"]
    await journal(engine, "health", lambda m: m.data["state"] == "connected" and m.seq > died.seq)

    async def twice() -> bool:
        return len((await engine.streams.get(stream.id)).recorded) == 2

    await until(twice)
