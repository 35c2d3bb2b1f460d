"""Recordings become permanent videos: whole ones, windows, through retention, deletion, cancelling and a full disk."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import hashlib
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


async def add_run(engine: Engine, clip: Path, number: int, start: float, *, seconds: float = 8.0) -> None:
    """The clip as a closed run of the stream, in segments of two seconds."""
    folder = Path(engine.config.data_dir) / "media" / STREAM
    folder.mkdir(parents=True, exist_ok=True)
    run = record(clip, folder / f"rec-{number}", start=start, audio=True)
    fps_gops = run.pieces

    def write(conn: Any) -> None:
        recording_rows.insert(
            conn,
            recording_id=f"rec-{number}",
            stream_id=STREAM,
            started_at=start,
            init=run.init,
            codecs=codecs(run.init),
        )
        for piece, following in zip(fps_gops, [*fps_gops[1:], None], strict=True):
            end = following.start if following else start + seconds
            recording_rows.add_segment(
                conn,
                STREAM,
                recording_id=f"rec-{number}",
                start=piece.start,
                duration=end - piece.start,
                path=f"rec-{number}/run.m4s",
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


async def test_the_latest_recording_is_exported_once_with_all_its_runs(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_run(engine, source, 1, START)
    await engine.db.write(
        append, Entry("health", {"state": "stopped"}, stream_id=STREAM, at=START + 9)
    )  # what was before the stop is another recording
    await add_run(engine, source, 2, START + 100)
    await add_run(engine, source, 3, START + 120)
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
    await add_run(engine, source, 1, START)
    await engine.db.write(lambda conn: stream_rows.update_stream(conn, STREAM, desired="running"))
    assert "Stop it first, or pass start and end" in await refusal(api)
    assert "nearest recorded ranges" in await refusal(api, start=START + 100, end=START + 110)
    assert "both start and end" in await refusal(api, start=START)


async def test_a_window_is_exported_to_the_picture_while_the_stream_runs(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine, desired="running")
    await add_run(engine, source, 1, START)
    made = await export(api, name="Visit", start=START + 1.37, end=START + 4.9)
    assert made["name"] == "Visit"
    assert pictures((await api.get(relative(made["download_url"]))).content) == list(range(41, 147))
    assert (await export(api, start=START + 1.37, end=START + 4.9))["video_id"] == made["video_id"]
    assert (await export(api, start=START + 1.37, end=START + 5.0))["video_id"] != made["video_id"]


async def test_a_video_plays_as_hls_and_on_the_player_page(
    engine: Engine, api: httpx.AsyncClient, source: Path, tmp_path: Path
) -> None:

    await add_stream(engine)
    await add_run(engine, source, 1, START)
    await add_run(engine, source, 2, START + 50)
    made = await export(api, start=START + 3.5, end=START + 52)
    manifest = await api.get(relative(made["stream_url"]))
    assert manifest.text.count("#EXT-X-DISCONTINUITY") == 1
    base = relative(made["stream_url"]).rpartition("/")[0]
    # What a player does: the initialisation segment, then one byte range after the other.
    data, ranged = b"", ""
    for line in manifest.text.splitlines():
        if line.startswith("#EXT-X-MAP"):
            data += (await api.get(f"{base}/{line.split(chr(34))[1]}")).content
            init = data
        elif line.startswith("#EXT-X-BYTERANGE:"):
            length, _, offset = line.partition(":")[2].partition("@")
            ranged = f"bytes={offset}-{int(offset) + int(length) - 1}"
        elif line.startswith("file/"):
            part = await api.get(f"{base}/{line}", headers={"range": ranged})
            assert part.status_code == 206
            data += part.content
    assert pictures(data) == [*range(90, 240), *range(60)]
    page = (await api.get(relative(made["player_url"]).replace("/watch", "/playback.json"))).json()
    assert (page["start"], page["end"]) == (pytest.approx(START + 3.5, abs=0.04), pytest.approx(START + 52))
    assert page["gaps"] == [[pytest.approx(START + 8), pytest.approx(START + 50)]]
    assert page["clock"] is True
    assert page["download_url"].endswith("/video.mp4")
    fragment = page["fragments"][0]
    assert (await api.get(fragment["init_url"])).content == init


async def test_parts_of_videos_play_one_after_the_other(engine: Engine, api: httpx.AsyncClient, source: Path) -> None:
    await add_stream(engine)
    await add_run(engine, source, 1, START)
    first = (await export(api, start=START, end=START + 8))["video_id"]
    second = (await export(api, start=START + 2, end=START + 6))["video_id"]
    parts = (await api.post(f"/video/{first}/stream", json={"timeline": [[5, 6], [1, 2]], "length": 8})).json()["data"]
    manifest = (await api.get(relative(parts["stream_url"]))).text
    assert manifest.count("#EXTINF") == 2
    assert manifest.count("#EXT-X-DISCONTINUITY") == 1
    wanted = [
        {"video_id": second, "collection_id": "default", "shots": [[0.5, 0.8]]},
        {"video_id": first, "collection_id": "default", "shots": [[7, 7.5]]},
    ]
    compiled = (await api.post("/compile", json=wanted)).json()["data"]
    page = (await api.get(relative(compiled["player_url"]).replace("/watch", "/playback.json"))).json()
    assert page["clock"] is False
    assert page["start"] == pytest.approx(0.0, abs=0.002)
    assert [f["init_url"].rpartition("/")[2] for f in page["fragments"]] == [f"{second}.mp4", f"{first}.mp4"]
    assert page["fragments"][1]["start"] == pytest.approx(page["fragments"][0]["start"] + 1.0)
    for wrong in ([[9, 10]], [[2, 1]], [[-1, 1]]):
        assert (await api.post(f"/video/{first}/stream", json={"timeline": wrong})).status_code == 400
    assert (await api.post("/compile", json=[])).status_code == 400
    assert (await api.post("/compile", json={"inputs": []})).status_code == 400


async def test_a_video_is_found_renamed_and_deleted(engine: Engine, api: httpx.AsyncClient, source: Path) -> None:
    await add_stream(engine)
    await add_run(engine, source, 1, START)
    made = await export(api)
    before = (await api.get("/rtstream/journal")).json()["data"]["cursor"]
    [listed] = (await api.get("/video", params={"collection_id": "default"})).json()["data"]["videos"]
    assert listed["id"] == made["video_id"]
    assert listed["size"] > 100_000
    renamed = await api.patch(f"/video/{made['video_id']}", json={"name": "Parcel"})
    assert renamed.json()["data"]["name"] == "Parcel"
    assert (await api.delete(f"/video/{made['video_id']}")).json()["success"]
    assert (await api.get(f"/video/{made['video_id']}")).status_code == 404
    assert (await api.get(relative(made["download_url"]))).status_code == 404
    assert (await api.get(relative(made["stream_url"]))).status_code == 404
    assert list((Path(engine.config.data_dir) / "videos").iterdir()) == []
    [entry] = (await api.get("/rtstream/journal", params={"since": before})).json()["data"]["entries"]
    assert entry["data"] == {"change": "removed", "kind": "video", "id": made["video_id"], "name": "Parcel"}
    assert (await export(api))["video_id"] != made["video_id"]


async def test_a_video_outlives_its_stream(engine: Engine, api: httpx.AsyncClient, source: Path) -> None:
    await add_stream(engine)
    await add_run(engine, source, 1, START)
    made = await export(api)
    assert (await api.delete(f"/rtstream/{STREAM}")).json()["success"]
    assert not (Path(engine.config.data_dir) / "media" / STREAM).exists()
    assert (await api.get(f"/rtstream/{STREAM}")).status_code == 404
    assert (await api.get(f"/video/{made['video_id']}")).json()["data"]["rtstream_id"] == STREAM
    assert len(pictures((await api.get(relative(made["download_url"]))).content)) == 240
    page = await api.get(relative(made["player_url"]).replace("/watch", "/playback.json"))
    assert page.json()["marks"] == []


async def test_another_format_begins_another_video(
    engine: Engine, api: httpx.AsyncClient, source: Path, clip: Path
) -> None:
    await add_stream(engine)
    await add_run(engine, clip, 1, START, seconds=6)
    await add_run(engine, source, 2, START + 20)
    # The two differ in their profile and in how they are coded.
    sentence = await refusal(api, start=START, end=START + 28)
    assert sentence.startswith("The format of the stream changes in this window. Export its parts one by one:")
    assert sentence.count(" to 17900") == 2
    assert (await export(api))["covered"] == [[pytest.approx(START + 20), pytest.approx(START + 28)]]


async def test_a_long_export_is_asked_after_and_can_be_cancelled(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_run(engine, source, 1, START)
    answer = (await api.post(f"/rtstream/{STREAM}/export", json={"wait_s": 0})).json()
    assert (answer["status"], answer["request_type"]) == ("processing", "sync")
    url = answer["data"]["output_url"]
    assert url == f"http://api.test/async-response/{answer['data']['id']}"

    async def poll() -> dict[str, Any]:
        return (await api.get(relative(url))).json()

    polled = await eventually(poll, lambda polled: polled["status"] != "processing")
    assert (polled["status"], polled["data"]["name"]) == ("done", "Door - Recording")
    await api.delete(f"/video/{polled['data']['video_id']}")

    job = (await api.post(f"/rtstream/{STREAM}/export", json={"wait_s": 0})).json()["data"]["id"]
    assert (await api.delete(f"/async-response/{job}")).json()["success"]
    cancelled = (await api.get(f"/async-response/{job}")).json()
    assert (cancelled["success"], cancelled["message"]) == (False, "The job was cancelled.")
    assert list((Path(engine.config.data_dir) / "videos").iterdir()) == []
    assert (await api.get("/video")).json()["data"]["videos"] == []
    assert (await api.get("/async-response/job-nothing")).status_code == 404


async def test_an_export_waits_for_room_on_the_disk(tmp_path: Path, source: Path) -> None:
    config = EngineConfig(data_dir=tmp_path / "data", api_key=KEY, local_vision=False, min_free_gb=10**9)
    async with Engine(config) as engine:
        await add_stream(engine)
        await add_run(engine, source, 1, START)
        job = await engine.exports.start(STREAM, None, None, None)
        await job.wait(20)
        assert job.error is not None
        assert "too little free space" in job.error.message
        assert list((tmp_path / "data" / "videos").iterdir()) == []


async def test_a_recording_is_kept_for_its_export_and_then_let_go(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_run(engine, source, 1, START)
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


async def test_a_recorded_window_is_downloaded_without_an_export(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_run(engine, source, 1, START)
    playback = await engine.generate_stream(STREAM, START + 2, START + 3)
    token = playback.player_url.partition("v=")[2]
    page = (await api.get("/playback.json", params={"v": token})).json()
    head = await api.head(page["download_url"])
    file = await api.get(page["download_url"])
    assert file.headers["content-length"] == head.headers["content-length"] == str(len(file.content))
    assert file.headers["content-disposition"] == "attachment; filename*=utf-8''Door.mp4"
    assert pictures(file.content) == list(range(60, 90))
    assert (
        hashlib.sha256((await api.get(page["download_url"])).content).digest() == hashlib.sha256(file.content).digest()
    )
    assert list((Path(engine.config.data_dir) / "videos").iterdir()) == []


async def test_without_a_window_the_last_minute_is_played(engine: Engine, api: httpx.AsyncClient, source: Path) -> None:
    await add_stream(engine, desired="running")
    recent = time.time() - 30
    await add_run(engine, source, 1, recent)
    playback = (await api.get(f"/rtstream/{STREAM}/stream")).json()["data"]
    assert playback["end"] - playback["start"] == pytest.approx(60)
    assert playback["covered"] == [[pytest.approx(recent), pytest.approx(recent + 8)]]


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
