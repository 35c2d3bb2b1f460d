"""The stream that already has a source is found, whatever host its URL names."""

from __future__ import annotations

import anyio
import pytest

from rtstream.engine.streams.source_search import SourceSearch
from rtstream.states import DesiredState
from rtstream.store.streams import StreamRow

pytestmark = pytest.mark.anyio


def row(stream_id: str, url: str) -> StreamRow:
    return StreamRow(
        id=stream_id,
        name=stream_id,
        url=url,
        collection_id="default",
        created_at=1.0,
        media_types=["video"],
        audio=True,
        sample_rate=30.0,
        store=True,
        enable_transcript=False,
        desired=DesiredState.RUNNING,
        health={},
        media=None,
        retention=None,
        tracks=None,
        recorded_bytes=0,
    )


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("rtsp://127.0.0.1:8554/cam", "local"),
        ("rtsp://other:login@127.0.0.1:8554/cam", "local"),
        ("rtsp://localhost:8554/cam", "local"),
        ("rtsp://127.0.0.1:8554/cam?a=1", None),
        ("rtsp://127.0.0.1:8555/cam", None),
        ("rtsp://127.0.0.2:8554/cam", None),
        ("rtmp://192.0.2.1/live/two", "two"),
        ("push://phone", "phone"),
        ("push://tablet", None),
        ("push://127.0.0.1", None),  # although it is the address of another name
        ("/media/a.ts", "file"),
    ],
)
async def test_the_stream_with_the_same_source_is_found(url: str, found: str | None) -> None:
    streams = [
        row("broken", "gopher://x"),
        row("local", "rtsp://u:p@127.0.0.1:8554/cam"),
        row("again", "rtsp://127.0.0.1:8554/cam"),
        row("one", "rtmp://192.0.2.1/live/one"),
        row("two", "rtmp://192.0.2.1/live/two"),
        row("phone", "push://phone"),
        row("localhost", "push://localhost"),
        row("file", "file:///media/a.ts"),
    ]
    same = await SourceSearch().find(url, streams)
    assert (same.id if same else None) == found


async def test_a_name_that_cannot_be_resolved_is_another_source() -> None:
    streams = [row("local", "rtsp://127.0.0.1:8554/cam")]
    with anyio.fail_after(10):
        assert await SourceSearch().find("rtsp://name.invalid:8554/cam", streams) is None


async def test_equal_sources_are_connected_one_after_the_other_and_others_at_once() -> None:
    search, inside = SourceSearch(), []
    first_entered, leave = anyio.Event(), anyio.Event()

    async def hold(url: str, name: str) -> None:
        async with search.turn(url):
            inside.append(name)
            first_entered.set()
            await leave.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold, "rtsp://cam/a", "first")
        await first_entered.wait()
        tasks.start_soon(hold, "rtsp://u:p@cam:554/a", "second")
        async with search.turn("rtsp://cam/b"):
            assert inside == ["first"]
        leave.set()
    assert inside == ["first", "second"]
    assert search._turns == {}
