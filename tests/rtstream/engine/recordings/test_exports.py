"""Recordings become permanent videos: whole ones, windows, through retention, deletion, cancelling and a full disk."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.mp4.fragments import codecs
from rtstream.store import recordings as recording_rows
from rtstream.store import streams as stream_rows
from rtstream.store import video_transcripts
from rtstream.store.journal import Entry, append
from rtstream.store.tables import transcript_segments
from tests.rtstream.engine.recordings.conftest import KEY
from tests.sources import record
from tests.waiting import eventually

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.anyio

START = 1_790_000_000.0
STREAM = "rts-1"


async def add_stream(engine: Engine, *, desired: str = "stopped", store: bool = True) -> None:
    values = {
        "id": STREAM,
        "name": "Door",
        "url": "rtsp://192.0.2.1/door",
        "collection_id": "default",
        "created_at": START,
        "media_types": ["video", "audio"],
        "sample_rate": 30.0,
        "store": store,
        "enable_transcript": False,
        "desired": desired,
        "health": {"state": "stopped", "since": START},
    }
    await engine.db.write(lambda conn: stream_rows.insert(conn, **values))


async def add_recording(engine: Engine, clip: Path, number: int, start: float, *, seconds: float = 8.0) -> None:
    """The clip as a closed run of the stream, in segments of two seconds."""
    folder = Path(engine.config.data_dir) / "media" / STREAM
    folder.mkdir(parents=True, exist_ok=True)
    recording = record(clip, folder / f"rec-{number}", start=start, audio=True)
    fps_gops = recording.pieces

    def write(conn: Any) -> None:
        recording_rows.insert(
            conn,
            recording_id=f"rec-{number}",
            stream_id=STREAM,
            started_at=start,
            init=recording.init,
            codecs=codecs(recording.init),
        )
        for piece, following in zip(fps_gops, [*fps_gops[1:], None], strict=True):
            end = following.start if following else start + seconds
            recording_rows.add_segment(
                conn,
                STREAM,
                recording_id=f"rec-{number}",
                start=piece.start,
                duration=end - piece.start,
                path=f"rec-{number}/recording.m4s",
                offset=piece.offset,
                length=piece.length,
            )
        recording_rows.close(conn, f"rec-{number}")

    await engine.db.write(write)


async def export(api: httpx.AsyncClient, **wanted: Any) -> dict[str, Any]:
    answer = (await api.post(f"/rtstream/{STREAM}/export", json=wanted)).json()
    assert answer["success"], answer
    return answer["data"]


async def refusal(api: httpx.AsyncClient, **wanted: Any) -> str:
    answer = await api.post(f"/rtstream/{STREAM}/export", json=wanted)
    assert answer.status_code in (400, 404)
    return answer.json()["message"]


def relative(url: str) -> str:
    return url.removeprefix("http://api.test")


def pictures(data: bytes) -> list[int]:
    import av

    from rtstream.testsource import read_barcode

    with av.open(io.BytesIO(data), "r") as container:
        return [read_barcode(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


async def test_the_latest_session_is_exported_once_with_all_its_recordings(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    await engine.db.write(
        append, Entry("health", {"state": "stopped"}, stream_id=STREAM, at=START + 9)
    )  # the recordings before the stop are another session
    await add_recording(engine, source, 2, START + 100)
    await add_recording(engine, source, 3, START + 120)
    made = await export(api)
    assert made["name"] == "Door - Recording"
    assert made["duration"] == pytest.approx(16, abs=0.3)
    assert made["covered"] == [
        [pytest.approx(START + 100), pytest.approx(START + 108)],
        [pytest.approx(START + 120), pytest.approx(START + 128)],
    ]
    assert made["gaps"] == [[pytest.approx(START + 108), pytest.approx(START + 120)]]
    again = await export(api, name="Other")
    assert (again["video_id"], again["name"]) == (made["video_id"], "Door - Recording")
    file = await api.get(relative(made["download_url"]))
    assert file.headers["content-disposition"] == "attachment; filename*=utf-8''Door%20-%20Recording.mp4"
    assert pictures(file.content) == [*range(240), *range(240)]


async def test_what_cannot_be_exported_says_why(engine: Engine, api: httpx.AsyncClient, source: Path) -> None:
    assert "no stream" in await refusal(api)
    await add_stream(engine, store=False)
    assert "store=false" in await refusal(api)
    await engine.db.write(lambda conn: stream_rows.update_stream(conn, STREAM, store=True))
    assert "There are no recordings" in await refusal(api)
    await add_recording(engine, source, 1, START)
    await engine.db.write(lambda conn: stream_rows.update_stream(conn, STREAM, desired="running"))
    assert "Stop it first, or pass start and end" in await refusal(api)
    assert "nearest recorded ranges" in await refusal(api, start=START + 100, end=START + 110)
    assert "both start and end" in await refusal(api, start=START)


async def test_a_window_is_exported_to_the_picture_while_the_stream_runs(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine, desired="running")
    await add_recording(engine, source, 1, START)
    made = await export(api, name="Visit", start=START + 1.37, end=START + 4.9)
    assert made["name"] == "Visit"
    assert pictures((await api.get(relative(made["download_url"]))).content) == list(range(41, 147))
    assert (await export(api, start=START + 1.37, end=START + 4.9))["video_id"] == made["video_id"]
    assert (await export(api, start=START + 1.37, end=START + 5.0))["video_id"] != made["video_id"]


async def test_another_format_begins_another_video(
    engine: Engine, api: httpx.AsyncClient, source: Path, clip: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, clip, 1, START, seconds=6)
    await add_recording(engine, source, 2, START + 20)
    # The two differ in their profile and in how they are coded.
    sentence = await refusal(api, start=START, end=START + 28)
    assert sentence.startswith("The format of the stream changes in this window. Export its parts one by one:")
    assert sentence.count(" to 17900") == 2
    assert (await export(api))["covered"] == [[pytest.approx(START + 20), pytest.approx(START + 28)]]


async def test_an_export_waits_for_room_on_the_disk(tmp_path: Path, source: Path) -> None:
    config = EngineConfig(data_dir=tmp_path / "data", api_key=KEY, local_vision=False, min_free_gb=10**9)
    async with Engine(config) as engine:
        await add_stream(engine)
        await add_recording(engine, source, 1, START)
        job = await engine.exports.start(STREAM, None, None, None)
        await job.wait(20)
        assert job.error is not None
        assert "too little free space" in job.error.message
        assert list((tmp_path / "data" / "videos").iterdir()) == []


async def test_a_recording_is_kept_for_its_export_and_then_let_go(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    job = await engine.exports.start(STREAM, None, None, None)
    with anyio.fail_after(20):
        while not (kept := await engine.db.read(recording_rows.pinned, STREAM, time.time())):
            await anyio.lowlevel.checkpoint()
    assert kept == [(pytest.approx(START), pytest.approx(START + 8))]
    await job.wait(20)
    assert job.state == "done"
    assert await engine.db.read(recording_rows.pinned, STREAM, time.time()) == []


async def test_unfinished_exports_are_gone_after_a_restart(tmp_path: Path) -> None:
    config = EngineConfig(data_dir=tmp_path / "data", api_key=KEY, local_vision=False)
    partial = tmp_path / "data" / "videos" / "m-1.partial"
    partial.mkdir(parents=True)
    (partial / "video.mp4").write_bytes(b"half")
    async with Engine(config):
        assert not partial.exists()


async def test_what_was_found_on_a_deleted_stream_is_found_no_more(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    written = {"stream_id": STREAM, "engine": "local", "kind": "speech", "detail": {}, "created_at": START}
    await engine.db.write(
        lambda conn: conn.execute(
            transcript_segments.insert().values(**written, start=START, end=START + 2, text="The parcel arrived.")
        )
    )
    search = "/rtstream/collection/default/search"
    with anyio.fail_after(20):
        await engine.search.caught_up()
    assert (await api.post(search, json={"query": "parcel"})).json()["data"]["results"]
    await api.delete(f"/rtstream/{STREAM}")
    assert (await api.post(search, json={"query": "parcel"})).json()["data"]["results"] == []


async def test_without_a_window_the_last_minute_is_played(engine: Engine, api: httpx.AsyncClient, source: Path) -> None:
    await add_stream(engine, desired="running")
    recent = time.time() - 30
    await add_recording(engine, source, 1, recent)
    playback = (await api.get(f"/rtstream/{STREAM}/stream")).json()["data"]
    assert playback["end"] - playback["start"] == pytest.approx(60)
    assert playback["covered"] == [[pytest.approx(recent), pytest.approx(recent + 8)]]


async def test_a_searchable_video_is_transcribed_once_it_is_exported(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    pytest.importorskip("moonshine_voice", reason="hearing needs the extra 'local'")
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    made = await export(api, start=START, end=START + 2, searchable=True)
    assert made["audio"] is True

    def transcribed(conn: Any) -> bool:
        return made["video_id"] in video_transcripts.transcribed(conn)

    await eventually(lambda: engine.db.read(transcribed), limit_s=60, what="the transcript")
