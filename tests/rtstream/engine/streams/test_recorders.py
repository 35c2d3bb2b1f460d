"""A camera with two streams: the main stream is recorded, and the sub stream is analysed and shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from rtstream.engine.engine import Engine
from rtstream.engine.streams.recorder_events import RecorderEvents
from rtstream.errors import InvalidRequest
from rtstream.messages import FrameTaken, Message
from rtstream.models import ConnectStream, HealthReason
from rtstream.store import streams as rows
from rtstream.store.journal import Filter
from rtstream.testsource import ClipSpec, LiveSource
from tests.rtstream.engine.test_engine import config, engine, running
from tests.rtstream.engine.vision_engine import watch
from tests.waiting import eventually

__all__ = ["engine"]

pytestmark = pytest.mark.anyio

MAIN, SUB = (320, 180), (192, 108)


@pytest.fixture
def small_clip(clip_of: Callable[[ClipSpec], Path]) -> Path:
    """The same as ``clip``, smaller and without audio."""
    return clip_of(ClipSpec(width=SUB[0], height=SUB[1], seconds=6, gop=15, bitrate=200_000, audio=False))


async def shown(engine: Engine, stream_id: str) -> tuple[int, int]:
    picture = await engine.pictures.frame(stream_id, None)
    return picture.width, picture.height


def notes(engine: Engine, stream_id: str) -> Callable[[], Awaitable[list[HealthReason]]]:
    """Reads what health says about the sub stream."""

    async def read() -> list[HealthReason]:
        reasons = (await engine.streams.get(stream_id)).health.reasons
        return [reason for reason in reasons if reason.text.startswith("sub stream: ")]

    return read


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes of the frames that indexes receive."""
    sizes: list[tuple[int, int]] = []
    handle = RecorderEvents.handle

    async def noted(events: RecorderEvents, stream_id: str, message: Message) -> None:
        if isinstance(message, FrameTaken):
            sizes.append((message.width, message.height))
        await handle(events, stream_id, message)

    monkeypatch.setattr(RecorderEvents, "handle", noted)
    return sizes


@pytest.mark.long
async def test_the_sub_stream_is_analysed_and_shown_and_the_main_stream_while_it_fails(
    clip: Path, small_clip: Path, analysed: list[tuple[int, int]], tmp_path: Path
) -> None:
    with LiveSource(clip) as main, ExitStack() as camera:
        sub = camera.enter_context(LiveSource(small_clip))
        async with running(tmp_path, reconnect_max_s=0.3, local_vision=False) as engine:
            request = ConnectStream(url=main.rtsp_url, detect_url=sub.rtsp_url, store=True)
            stream = await engine.connect_stream(request)
            assert stream.media is not None
            assert ((stream.media.width, stream.media.height), stream.health.reasons) == (MAIN, [])
            assert stream.detect_url == sub.rtsp_url
            await watch(engine, stream.id)
            assert await shown(engine, stream.id) == SUB
            await eventually(lambda: analysed)
            assert set(analysed) == {SUB}

            camera.close()
            (note,) = await eventually(notes(engine, stream.id))
            assert note.level == "note"
            assert note.text.endswith("; the main stream is analysed meanwhile")
            assert await shown(engine, stream.id) == MAIN
            await eventually(lambda: analysed[-1] == MAIN)

            with LiveSource(small_clip, rtsp_port=sub.rtsp_port):
                await eventually(notes(engine, stream.id), lambda found: not found)
                assert await shown(engine, stream.id) == SUB
                await eventually(lambda: analysed[-1] == SUB)
            (recorded,) = (await engine.streams.get(stream.id)).recorded
            picture = await engine.pictures.frame(stream.id, recorded[0] + 0.5)
            assert (picture.width, picture.height) == MAIN
            await engine.streams.stop(stream.id)
            assert engine._supervisor.running == set()


async def test_health_names_the_stream_of_a_camera_that_fails_without_its_password(
    engine: Engine, clip: Path, live_source: LiveSource
) -> None:
    with LiveSource(clip, auth="admin:s3cret-pw") as camera:
        locked = camera.rtsp_url.replace("rtsp://", "rtsp://admin:wr0ng-pw@")
        opened = camera.rtsp_url.replace("rtsp://", "rtsp://admin:s3cret-pw@")
        with pytest.raises(InvalidRequest, match=r"could not be opened: main stream: .*password"):
            await engine.connect_stream(ConnectStream(url=locked, detect_url=live_source.rtsp_url))
        assert engine._supervisor.running == set()
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, detect_url=locked))
        (note,) = await notes(engine, stream.id)()
        assert (note.code, note.level, stream.health.state) == ("login_refused", "note", "connected")
        entries = (await engine.journal.read(0, Filter(channels=["health"]))).entries
        assert "wr0ng-pw" not in stream.model_dump_json() + "".join(each.model_dump_json() for each in entries)
        assert stream.detect_url == camera.rtsp_url

        main = engine._supervisor._runs[stream.id]
        changed = await engine.streams.update(stream.id, detect_url=opened)
        assert changed.detect_url == camera.rtsp_url
        await eventually(notes(engine, stream.id), lambda found: not found)
        await engine.streams.update(stream.id, detect_url="")
        assert engine._supervisor._runs == {stream.id: main}  # recorded all the time


async def test_a_sub_stream_has_a_url_of_its_own_that_may_be_opened(engine: Engine, live_source: LiveSource) -> None:
    url = live_source.rtsp_url
    for wrong, reason in (
        (url, "is the source itself"),
        (url.replace("rtsp://", "rtsp://admin:pw@"), "is the source itself"),
        ("rtsp://169.254.169.254/x", "detect_url: The host is at"),
        ("push://phone", "cannot be a sub stream"),
        ("gopher://h/x", "detect_url: "),
    ):
        with pytest.raises(InvalidRequest, match=reason):
            await engine.connect_stream(ConnectStream(url=url, detect_url=wrong))
    assert await engine._recorders.living() == set()


async def test_an_engine_takes_both_recorders_over_and_a_sub_stream_that_may_not_be_opened_is_noted(
    clip: Path, small_clip: Path, tmp_path: Path
) -> None:
    with LiveSource(clip) as main, LiveSource(small_clip) as sub:
        first = Engine(config(tmp_path), outlived=True)
        async with first:
            request = ConnectStream(url=main.rtsp_url, detect_url=sub.rtsp_url, store=True)
            stream = await first.connect_stream(request)
            pids = {run.link.pid for run in first._supervisor._runs.values() if run.link}
        second = Engine(config(tmp_path), outlived=True)
        async with second:

            async def looked_at() -> tuple[int, int]:
                try:
                    return await shown(second, stream.id)
                except InvalidRequest:  # the recorders have not responded yet
                    return 0, 0

            await eventually(looked_at, lambda size: size == SUB)
            assert {run.link.pid for run in second._supervisor._runs.values() if run.link} == pids
            await second.db.write(rows.update_stream, stream.id, detect_url="rtsp://169.254.169.254/x")
            await second.streams.stop(stream.id)
            await second.streams.start(stream.id)
            (note,) = await eventually(notes(second, stream.id))
            assert note.text.startswith("sub stream: The host is at 169.254.169.254")
            second.end_recorders()
