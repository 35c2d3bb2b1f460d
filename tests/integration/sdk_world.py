"""A served engine with one recorded stream and its results, for tests of single methods of the official SDK."""

# The annotations of the SDK differ from its results, so the checks of its results are off.
# pyright: reportOptionalMemberAccess=false, reportReturnType=false

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import videodb
from PIL import Image
from videodb.client import Connection
from videodb.collection import Collection
from videodb.rtstream import RTStream, RTStreamSceneIndex
from videodb.video import Video

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.store import indexes as index_rows
from rtstream.store import tables
from rtstream.store import video_transcripts as transcript_rows
from rtstream.store import videos as video_rows
from rtstream.testsource import LiveSource
from tests.integration.sdk_service import KEY, START_S, listening
from tests.rtstream.engine.recordings.test_exports import START, STREAM, add_recording, add_stream

INDEX = "scene-idx-000000000001"
SETTINGS: dict[str, Any] = {
    "local_vision": False,
    "min_free_gb": 0,
    "speech_engine": "openai:whisper-1",
    "speech_base_url": "http://127.0.0.1:9/v1",
}
"""Nothing listens on port 9. Streams and speech engines that are started there wait, and produce nothing."""
URL = "rtsp://127.0.0.1:9/door"


@dataclass(frozen=True)
class World:
    """The objects of the methods: a stream with a recording of 8 s, an index with scenes, and an exported video.

    ``url`` is that of a live source.
    """

    conn: Connection
    coll: Collection
    stream: RTStream
    index: RTStreamSceneIndex
    video: Video
    url: str


Case = Callable[[World], None]
OFFERED: dict[str, Case] = {}
"""The case of each method of the SDK that this engine serves."""


def offered(name: str) -> Callable[[Case], Case]:
    """Register the case of a method."""

    def add(case: Case) -> Case:
        assert name not in OFFERED
        OFFERED[name] = case
        return case

    return add


def jpeg_size(url: str) -> tuple[int, int]:
    """The size of a picture in pixels, fetched without a key."""
    with Image.open(io.BytesIO(httpx.get(url, timeout=START_S).content)) as picture:
        return picture.size


@contextmanager
def world(folder: Path, clip: Path) -> Iterator[World]:
    """Serve an engine on a folder that has everything already."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OPENAI_API_KEY", "sk-test")
        video_id = anyio.run(_fill, folder, clip)
        with LiveSource(clip) as source, listening(folder, **SETTINGS) as service:
            conn = videodb.connect(api_key=KEY, base_url=service.url)
            coll = conn.get_collection()
            stream = coll.get_rtstream(STREAM)
            yield World(conn, coll, stream, stream.get_scene_index(INDEX), coll.get_video(video_id), source.http_url)


async def _fill(folder: Path, clip: Path) -> str:
    """Store a recorded stream with an index, and videos. Returns the id of the video that has a file."""
    async with Engine(EngineConfig(data_dir=folder, api_key=KEY, **SETTINGS)) as engine:
        await add_stream(engine)
        await add_recording(engine, clip, 1, START)
        job = await engine.exports.start(STREAM, "Door", None, None)
        await job.wait(20)
        assert job.state == "done", job.error
        await engine.db.write(_add_results)
        await engine.db.write(
            lambda conn: [_add_video(conn, one) for one in ("m-1", "m-2", "m-3", "a-1", "a-2", "a-3")]
        )
        for video_id in (job.result, "a-1"):
            await engine.db.write(lambda conn, video_id=video_id: _add_speech(conn, video_id))
        return job.result


def _add_results(conn: Any) -> None:
    conn.execute(tables.streams.update().values(url=URL))
    about = {"extraction_type": "time", "extraction_config": {"time": 2, "frame_count": 1}, "prompt": "Describe"}
    index_rows.insert(
        conn,
        id=INDEX,
        stream_id=STREAM,
        name="scene",
        model_name=None,
        model_config={},
        status="stopped",
        counters={},
        created_at=START,
        **about,
    )
    for number in range(4):
        start = START + 2 * number
        scene = {"start": start, "end": start + 2, "text": f"a parcel number {number}", "status": "ok"}
        where = {"index_id": INDEX, "stream_id": STREAM, "model": "local", "data": None, "detail": {}}
        index_rows.add_scene(conn, created_at=start + 3, **where, **scene)


def _add_video(conn: Any, video_id: str) -> None:
    """A video without a file."""
    detail = {"key": video_id, "size": 1, "covered": [[START, START + 8]]}
    about = {"name": video_id, "path": video_id, "start": START, "duration": 8.0, "created_at": START}
    video_rows.insert(conn, id=video_id, collection_id="default", stream_id=STREAM, detail=detail, **about)


def _add_speech(conn: Any, video_id: str) -> None:
    words = [
        {"word": word, "start": 1.0 + number, "end": 1.5 + number} for number, word in enumerate(("Action", "items."))
    ]
    sentence = {"start": 1.0, "end": 2.5, "text": "Action items.", "words": words}
    facts = {"engine": "local", "language": None, "sound": True, "created_at": time.time()}
    assert transcript_rows.replace(conn, video_id, [sentence], **facts)
