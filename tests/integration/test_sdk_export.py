"""The official SDK exports recordings, finds, plays, renames and deletes the videos, and records what it asks for."""

# The annotations of the SDK differ from its results, so the checks of its results are off.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false, reportOperatorIssue=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false, reportReturnType=false, reportAssignmentType=false

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
import videodb
from videodb.client import Connection
from videodb.collection import Collection
from videodb.rtstream import RTStream

from rtstream.testsource import ClipSpec, LiveSource, read_barcode
from tests.integration.sdk_service import KEY, START_S, Service
from tests.integration.test_sdk import recorded, refused, wait_until
from tests.rtstream.recorder.recorder_sources import audio_file, served


@pytest.fixture(scope="module")
def conn(service: Service) -> Connection:
    return videodb.connect(api_key=KEY, base_url=service.url)


@pytest.fixture(scope="module")
def coll(conn: Connection) -> Collection:
    return conn.get_collection()


@pytest.fixture(scope="module")
def source(clip_of: Callable[[ClipSpec], Path]) -> Iterator[LiveSource]:
    spec = ClipSpec(width=320, height=180, seconds=6, gop=15, bitrate=300_000, voice="tones")
    with LiveSource(clip_of(spec)) as live:
        yield live


@pytest.fixture(scope="module")
def stopped(conn: Connection, coll: Collection, source: LiveSource) -> RTStream:
    """A stream that was recorded for some seconds and stopped."""
    stream = coll.connect_rtstream(source.http_url, "Door", media_types=["video", "audio"], store=True)
    recorded(conn, stream, 3)
    assert "Stop it first" in refused(stream.export)
    stream.stop()
    return stream


def streams_of(url: str) -> dict[str, float]:
    """Seconds of each kind of stream in a file."""
    with av.open(io.BytesIO(httpx.get(url, timeout=30).content)) as container:
        return {s.type: float(s.duration * s.time_base) for s in container.streams}  # pyright: ignore


def test_a_stopped_stream_is_exported_once(conn: Connection, coll: Collection, stopped: RTStream) -> None:
    result = stopped.export()
    assert result.name == "Door - Recording"
    [[start, end]] = conn.get(f"rtstream/{stopped.id}")["recorded"]
    assert result.duration == pytest.approx(end - start, abs=0.1)
    again = stopped.export(name="Another name")
    assert (again.video_id, again.name) == (result.video_id, "Door - Recording")
    assert "<iframe" in result.get_embed_code()
    video = coll.get_video(result.video_id)
    assert (video.id, video.name, video.collection_id) == (result.video_id, "Door - Recording", "default")
    assert video.length == pytest.approx(result.duration)
    assert result.video_id in {found.id for found in coll.get_videos()}


def test_an_exported_video_plays_whole_and_in_parts(coll: Collection, stopped: RTStream) -> None:
    video = coll.get_video(stopped.export().video_id)
    options = {"allowed_extensions": "ALL", "extension_picky": "0", "allowed_segment_extensions": "ALL"}
    with av.open(video.generate_stream(), options=options) as container:
        numbers = [read_barcode(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    steps = {(after - before) % 180 for before, after in pairwise(numbers)}
    assert steps == {1}, "every picture once, in order"
    assert len(numbers) == pytest.approx(video.length * 30, abs=2)
    # Whole GOPs of half a second, in the order asked for.
    with av.open(video.generate_stream(timeline=[[2.1, 2.2], [0.6, 0.7]]), options=options) as container:
        parts = [read_barcode(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    assert parts == numbers[60:75] + numbers[15:30]


def test_an_exported_video_is_renamed_and_deleted(coll: Collection, stopped: RTStream) -> None:
    result = stopped.export()
    video = coll.get_video(result.video_id)
    video.update(name="Parcel")
    assert coll.get_video(video.id).name == "Parcel"
    video.delete()
    assert video.id in refused(lambda: coll.get_video(video.id))
    assert stopped.export().video_id != video.id


def test_a_video_stays_when_the_stream_goes_on(conn: Connection, stopped: RTStream, coll: Collection) -> None:
    before = stopped.export()
    stopped.start()
    try:
        wait_until(lambda: len(conn.get(f"rtstream/{stopped.id}")["recorded"]) > 1, "recording again")
    finally:
        stopped.stop()
    after = stopped.export()
    assert after.video_id != before.video_id
    assert coll.get_video(before.video_id).length == pytest.approx(before.duration)


@pytest.mark.parametrize("media_types", [["audio"], ["video"]])
def test_media_types_are_returned_and_limit_nothing(
    conn: Connection, coll: Collection, source: LiveSource, media_types: list[str]
) -> None:
    stream = coll.connect_rtstream(source.http_url, "Part", media_types=media_types, store=True, sample_rate=5)
    assert (stream.sample_rate, conn.get(f"rtstream/{stream.id}")["media_types"]) == (5, media_types)
    start, end = recorded(conn, stream, 3)
    assert stream.generate_stream(start, end)
    stream.stop()
    exported: dict[str, Any] = conn.post(f"rtstream/{stream.id}/export", data={})
    assert set(streams_of(exported["download_url"])) == {"video", "audio"}


def test_audio_is_left_off_the_disk_only_on_request(conn: Connection, coll: Collection, source: LiveSource) -> None:
    values = {"url": source.http_url, "name": "Mute", "audio": False, "store": True}
    stream = coll.get_rtstream(conn.post("rtstream", data=values)["id"])
    recorded(conn, stream, 3)
    stream.stop()
    exported: dict[str, Any] = conn.post(f"rtstream/{stream.id}/export", data={})
    assert set(streams_of(exported["download_url"])) == {"video"}
    conn.patch(f"rtstream/{stream.id}", data={"audio": True})
    stream.start()
    wait_until(lambda: conn.get(f"rtstream/{stream.id}")["media"].get("audio_codec"), "audio after it was turned on")
    stream.stop()


def test_a_recording_without_video_is_exported_as_audio(conn: Connection, coll: Collection, tmp_path: Path) -> None:
    with served((audio_file(tmp_path / "radio.mp3", "mp3", seconds=8).read_bytes(), 8.0)) as url:
        stream = coll.connect_rtstream(url, "Radio", store=True)
        recorded(conn, stream, 3)
        stream.stop()
    exported: dict[str, Any] = conn.post(f"rtstream/{stream.id}/export", data={})
    assert exported["video_id"].startswith("a-")
    audio = coll.get_audio(exported["video_id"])
    assert audio.length == pytest.approx(exported["duration"])
    assert set(streams_of(audio.generate_url())) == {"audio"}
    assert exported["video_id"] in {found.id for found in coll.get_audios()}
    assert exported["video_id"] not in {found.id for found in coll.get_videos()}


def test_a_stream_that_is_not_stored_is_seen_but_not_recorded(
    conn: Connection, coll: Collection, source: LiveSource
) -> None:
    stream = coll.connect_rtstream(source.http_url, "Only looking", store=False)
    began = time.time()
    picture = httpx.get(f"{conn.base_url}/rtstream/{stream.id}/frame", headers={"x-access-token": KEY}, timeout=START_S)
    assert picture.content.startswith(b"\xff\xd8")
    assert "store=true" in refused(lambda: stream.generate_stream(began - 1, began + 1))
    stream.stop()
    assert "store=false" in refused(stream.export)
    assert conn.get(f"rtstream/{stream.id}")["recorded"] == []
