"""The engine on real live sources: recorded, watched, alerted on, through cuts, kills and restarts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import ConnectStream, CreateAlert, CreateEvent, CreateIndex, Message, Slice
from rtstream.store.journal import Filter
from tests.waiting import eventually

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

pytestmark = pytest.mark.anyio

LIMIT_S = 45.0


def config(folder: Path, **settings: Any) -> EngineConfig:
    base = {
        "embedding_model": "none",
        "allow_networks": "loopback",
        "webhook_allow_networks": "loopback",
        "segment_s": 1.0,
        "stall_timeout_s": 2.0,
        "reconnect_max_s": 1.0,
    }
    return EngineConfig(data_dir=folder, **{**base, **settings})


@asynccontextmanager
async def running(folder: Path, **settings: Any) -> AsyncIterator[Engine]:
    async with Engine(config(folder, **settings)) as engine:
        yield engine


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with running(tmp_path) as engine:
        yield engine


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """The state that has no event of its own to wait on."""
    await eventually(check, limit_s=LIMIT_S, every_s=0.05)


async def journal(engine: Engine, channel: str, wanted: Callable[[Message], bool]) -> Message:
    """The first entry of a channel that is wanted, from the beginning."""
    cursor = 0
    with anyio.fail_after(LIMIT_S):
        while True:
            page = await engine.journal.read(cursor, Filter(channels=[channel]), wait_s=10)
            cursor = page.cursor
            for message in page.entries:
                if wanted(message):
                    return message


async def recorded_s(engine: Engine, stream_id: str) -> float:
    return sum(end - start for start, end in (await engine.streams.get(stream_id)).recorded)


async def test_a_live_stream_is_recorded_and_its_window_plays(engine: Engine, live_source: LiveSource) -> None:
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, name="Desk", store=True))
    assert (stream.status, stream.health.state, stream.media and stream.media.width) == ("connected", "connected", 320)

    async def enough() -> bool:
        return await recorded_s(engine, stream.id) > 3

    await until(enough)
    start, end = (await engine.streams.get(stream.id)).recorded[-1]
    playback = await engine.generate_stream(stream.id, start + 0.5, end - 0.5)
    assert playback.gaps == []
    assert playback.covered == [(pytest.approx(start + 0.5), pytest.approx(end - 0.5))]
    link_id = playback.player_url.partition("v=")[2]
    page = await engine.media.page(link_id)
    assert sum(fragment["duration"] for fragment in page["fragments"]) >= end - start - 1
    recording_id, _, at = page["fragments"][0]["url"].partition("/segment/")[2].removesuffix(".m4s").partition("/")
    assert (await engine.media.segment(link_id, recording_id, int(at) / 1e6)).size > 1000


async def test_the_picture_of_now_and_of_a_recorded_moment_can_be_looked_at(
    engine: Engine, live_source: LiveSource
) -> None:
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, store=True))
    now = await engine.pictures.frame(stream.id, None)
    assert abs(now.time - time.time()) < 3
    assert now.jpeg.startswith(b"\xff\xd8")

    async def enough() -> bool:
        return await recorded_s(engine, stream.id) > 2

    await until(enough)
    at = (await engine.streams.get(stream.id)).recorded[-1][0] + 1.0
    then = await engine.pictures.frame(stream.id, at)
    assert 0 <= at - then.time < 0.1
    assert (then.width, then.height) == (320, 180)


async def test_what_is_on_the_screen_becomes_scenes_an_alert_and_evidence(
    engine: Engine, clip_720p: Path, tmp_path: Path
) -> None:
    pytest.importorskip("rapidocr", reason="reading screen text needs the extra 'local'")
    from rtstream.testsource import LiveSource

    with LiveSource(clip_720p) as source:
        stream = await engine.connect_stream(ConnectStream(url=source.rtsp_url, name="Desk", store=True))
        index = await engine.indexes.create(
            stream.id, CreateIndex(prompt="What is on screen?", extraction_config={"time": 2, "frame_count": 2})
        )
        assert (index.state, index.model) == ("running", "local")
        assert "does not follow the prompt" in index.note
        event = await engine.alerts.create_event(
            CreateEvent(event_prompt='"Invoice 4711" is on the screen', label="invoice")
        )
        assert event.matching == "rule"
        alert = await engine.alerts.create_alert(
            stream.id, index.rtstream_index_id, CreateAlert(event_id=event.event_id)
        )

        fired = await journal(engine, "alert", lambda message: True)
        scene = await journal(engine, "scene_index", lambda message: "4711" in message.data["text"])

    assert fired.data["alert_id"] == alert.alert_id
    assert fired.data["label"] == "invoice"
    assert "4711" in fired.data["explanation"]
    assert fired.data["confidence"] > 0.8
    assert scene.data["model"] == "local"
    page = await engine.media.page(fired.data["player_url"].partition("v=")[2])
    assert "invoice" in [mark["label"] for mark in page["marks"]]
    assert page["covered"]


async def test_an_event_nobody_can_decide_says_so_at_once_and_never_fires(
    engine: Engine, live_source: LiveSource
) -> None:
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
    index = await engine.indexes.create(stream.id, CreateIndex(extraction_config={"time": 1, "frame_count": 1}))
    event = await engine.alerts.create_event(CreateEvent(event_prompt="The user looks unhappy", label="unhappy"))
    alert = await engine.alerts.create_alert(stream.id, index.rtstream_index_id, CreateAlert(event_id=event.event_id))
    assert alert.matching == "needs_model"
    assert "cannot be decided without a language model" in alert.note
    await journal(engine, "scene_index", lambda message: message.seq > 3)
    assert (await engine.journal.read(0, Filter(channels=["alert"]))).entries == []


async def test_streams_and_indexes_that_ran_run_again_after_a_restart_and_stopped_ones_do_not(
    tmp_path: Path, live_source: LiveSource
) -> None:
    async with running(tmp_path) as engine:
        stays = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, name="stays", store=True))
        stops = await engine.connect_stream(ConnectStream(url=live_source.http_url, name="stops"))
        await engine.streams.stop(stops.id)
        index = await engine.indexes.create(stays.id, CreateIndex(extraction_config={"time": 1, "frame_count": 1}))
        await journal(engine, "scene_index", lambda message: True)
    restarted = time.time()
    async with running(tmp_path) as engine:
        await journal(engine, "scene_index", lambda message: message.data["start"] > restarted)
        assert (await engine.streams.get(stops.id)).status == "stopped"
        assert (await engine.streams.get(stays.id)).health.state == "connected"
        assert (await engine.indexes.get(stays.id, index.rtstream_index_id)).windows_done >= 2


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("gopher://example.com/x", "must begin with one of rtsp://"),
        ("rtsp://127.0.0.1:1/none", "could not be opened"),
        ("rtsp://no-such-host.invalid/x", "cannot be resolved"),
        ("/etc/passwd", "Local files may not be opened"),
        ("http://10.1.2.3/live.ts", "RTSTREAM_ALLOW_NETWORKS=private"),
    ],
)
async def test_a_source_that_cannot_be_opened_is_refused_with_a_sentence_and_not_kept(
    engine: Engine, url: str, sentence: str
) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        await engine.connect_stream(ConnectStream(url=url))
    assert (await engine.streams.list(Slice()))[1] == 0


async def test_credentials_of_a_source_show_up_nowhere(
    engine: Engine, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from rtstream.testsource import LiveSource

    with LiveSource(clip, auth="camera:hunter2secret") as source:
        url = source.rtsp_url.replace("rtsp://", "rtsp://camera:hunter2secret@")
        stream = await engine.connect_stream(ConnectStream(url=url))
        with pytest.raises(InvalidRequest) as refused:
            await engine.connect_stream(ConnectStream(url=url.replace("hunter2secret", "wrongpass99")))
    entries = (await engine.journal.read(0)).model_dump_json()
    shown = f"{stream.model_dump_json()} {refused.value} {entries} {caplog.text}"
    assert "hunter2secret" not in shown
    assert "wrongpass99" not in shown


async def test_a_window_that_cannot_be_played_says_why(engine: Engine, live_source: LiveSource) -> None:
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, store=True))

    async def recorded() -> bool:
        return await recorded_s(engine, stream.id) > 1

    await until(recorded)
    now = time.time()
    with pytest.raises(InvalidRequest, match="end of the window is before its start"):
        await engine.generate_stream(stream.id, now, now - 10)
    with pytest.raises(NotFound, match="nearest"):
        await engine.generate_stream(stream.id, now - 1000, now - 900)
    with pytest.raises(NotFound, match="no stream rts-none"):
        await engine.generate_stream("rts-none", now - 10, now)
