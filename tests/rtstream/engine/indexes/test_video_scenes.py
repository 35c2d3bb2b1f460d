"""The scenes of a video are those of its stream's indexes, at the times of the video."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rtstream.engine.engine import Engine
from rtstream.engine.indexes import video_scenes
from rtstream.errors import InvalidRequest, NotFound, TooLarge
from rtstream.store import indexes as index_rows
from rtstream.store import videos as video_rows
from tests.rtstream.api.conftest import add_stream, engine, engine_settings

__all__ = ["add_stream", "engine", "engine_settings"]

pytestmark = pytest.mark.anyio


async def add_index(engine: Engine, stream_id: str, index_id: str, extraction_type: str = "time") -> None:
    about = {"extraction_type": extraction_type, "extraction_config": {"time": 2}, "prompt": "?", "model_name": None}
    await engine.db.write(
        lambda conn: index_rows.insert(
            conn,
            id=index_id,
            stream_id=stream_id,
            name=f"name of {index_id}",
            model_config={},
            status="stopped",
            counters={},
            created_at=time.time(),
            **about,
        )
    )


async def add_scene(engine: Engine, stream_id: str, index_id: str, start: float, text: str, **values: Any) -> None:
    about = {"status": "ok", "model": "local", "data": None, "detail": {}, "created_at": 1.0, **values}
    await engine.db.write(
        lambda conn: index_rows.add_scene(
            conn, index_id=index_id, stream_id=stream_id, start=start, end=start + 2, text=text, **about
        )
    )


async def add_video(engine: Engine, stream_id: str) -> None:
    """A video of 1000 to 1010 and 1100 to 1105."""
    detail = {"key": "k", "size": 1, "covered": [[1000.0, 1010.0], [1100.0, 1105.0]]}
    about = {"name": "V", "path": "m-1", "start": 1000.0, "duration": 15.0, "created_at": 1.0, "detail": detail}
    await engine.db.write(
        lambda conn: video_rows.insert(conn, id="m-1", collection_id="default", stream_id=stream_id, **about)
    )


async def test_scenes_have_the_times_of_the_video(engine: Engine, add_stream: Any) -> None:
    stream_id = await add_stream()
    await add_video(engine, stream_id)
    for index_id in ("one", "two", "none"):
        await add_index(engine, stream_id, index_id)
    await add_index(engine, stream_id, "heard", "transcript")
    for start in (990.0, 999.0, 1004.0, 1009.0, 1050.0, 1101.0, 1104.0, 1106.0):
        await add_scene(engine, stream_id, "one", start, f"at {start:g}")
    await add_scene(engine, stream_id, "one", 1006.0, "", status="failed")
    await add_scene(engine, stream_id, "two", 1005.0, "two", data={"people": 1})
    await add_scene(engine, stream_id, "heard", 1005.0, "speech")
    indexes = await engine.video_scenes.indexes("m-1")
    assert [(one.scene_index_id, one.name, one.status) for one in indexes] == [
        ("one", "name of one", "ready"),
        ("two", "name of two", "ready"),
    ]
    found = await engine.video_scenes.of_index("m-1", "one")
    assert [(scene.start, scene.end, scene.description) for scene in found.scenes] == [
        (0, 1, "at 999"),
        (4, 6, "at 1004"),
        (9, 10, "at 1009"),
        (11, 13, "at 1101"),
        (14, 15, "at 1104"),
    ]
    assert found.config == {"time": 2}
    everything = await engine.video_scenes.all("m-1")
    assert [scene.description for scene in everything] == ["at 999", "at 1004", "two", "at 1009", "at 1101", "at 1104"]
    assert everything[2].metadata == {"model": "local", "data": {"people": 1}}


async def test_without_stream_or_index_there_are_no_scenes(engine: Engine, add_stream: Any) -> None:
    stream_id = await add_stream()
    await add_video(engine, stream_id)
    await add_index(engine, stream_id, "one")
    await add_scene(engine, stream_id, "one", 1004.0, "seen")
    with pytest.raises(NotFound, match="no scene index two"):
        await engine.video_scenes.of_index("m-1", "two")
    with pytest.raises(NotFound, match="no exported video"):
        await engine.video_scenes.all("m-2")
    await engine.delete_stream(stream_id)
    assert await engine.video_scenes.all("m-1") == []
    assert await engine.video_scenes.indexes("m-1") == []


async def test_more_scenes_than_a_response_holds_are_refused(
    engine: Engine, add_stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_scenes, "MAX_SCENES", 2)
    stream_id = await add_stream()
    await add_video(engine, stream_id)
    for index_id in ("one", "two"):
        await add_index(engine, stream_id, index_id)
        await add_scene(engine, stream_id, index_id, 1003.0, "seen")
    assert len(await engine.video_scenes.all("m-1")) == 2
    await add_scene(engine, stream_id, "two", 1005.0, "seen")
    with pytest.raises(TooLarge, match="get_scenes"):
        await engine.video_scenes.all("m-1")
    await add_scene(engine, stream_id, "two", 1007.0, "seen")
    with pytest.raises(TooLarge, match="get_scenes"):
        await engine.video_scenes.of_index("m-1", "two")


async def test_the_newest_index_with_scenes_of_a_video_is_found_by_its_prompt(engine: Engine, add_stream: Any) -> None:
    stream_id = await add_stream()
    await add_video(engine, stream_id)
    with pytest.raises(InvalidRequest, match=rf"has no scenes\. .*index_visuals\(\) on the stream {stream_id}"):
        await engine.video_scenes.find("m-1")
    for index_id in ("one", "two", "none"):
        await add_index(engine, stream_id, index_id)
    for index_id in ("one", "two"):
        await add_scene(engine, stream_id, index_id, 1004.0, "at 4")
    assert (await engine.video_scenes.find("m-1")).scene_index_id == "two"
    assert (await engine.video_scenes.find("m-1", "?")).scene_index_id == "two"
    with pytest.raises(InvalidRequest, match="for this prompt"):
        await engine.video_scenes.find("m-1", "Count the parcels")
    with pytest.raises(NotFound):
        await engine.video_scenes.find("m-0")
