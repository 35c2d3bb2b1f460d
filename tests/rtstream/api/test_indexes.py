"""Scene indexes and their scenes over the API."""

from __future__ import annotations

import httpx
import pytest

from tests.rtstream.api.test_streams import data

from .conftest import AddStream

pytestmark = pytest.mark.anyio


async def test_a_scene_index_has_both_paths(
    api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream
) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id)
    [listed] = (await data(await api.get(f"/rtstream/{stream_id}/index/scene")))["scene_indexes"]
    assert listed == await data(await api.get(f"/rtstream/{stream_id}/index/{index_id}"))
    assert listed["rtstream_index_id"] == index_id
    assert listed["extraction_config"] == {"time": 2, "frame_count": 5}
    empty = await data(await api.get(f"/rtstream/{stream_id}/index/scene/{index_id}?page=1&page_size=100"))
    assert empty == {"scene_index_records": [], "next_page": False}


async def test_scenes_come_newest_first_by_page_and_time(
    api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream
) -> None:
    stream_id = await add_stream()
    path = f"/rtstream/{stream_id}/index/scene/{await add_index(stream_id, scenes=5)}"
    first = await data(await api.get(f"{path}?page=1&page_size=3"))
    assert [scene["text"] for scene in first["scene_index_records"]] == ["scene 4", "scene 3", "scene 2"]
    assert all(scene["text"] == scene["description"] for scene in first["scene_index_records"])
    assert first["next_page"] is True
    second = await data(await api.get(f"{path}?page=2&page_size=3"))
    assert [scene["text"] for scene in second["scene_index_records"]] == ["scene 1", "scene 0"]
    assert second["next_page"] is False
    window = await data(await api.get(f"{path}?start=1001.2&end=1001.4"))
    assert [scene["text"] for scene in window["scene_index_records"]] == ["scene 1"]
    assert (await api.get(f"{path}?start=5&end=4")).status_code == 400
    assert (await api.get(f"{path}?page=0")).json()["message"].startswith("page: ")


async def test_an_index_is_deleted_with_its_scenes(
    api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream
) -> None:
    stream_id = await add_stream()
    index_id, kept = await add_index(stream_id, scenes=2), await add_index(stream_id, scenes=1)
    assert (await api.delete(f"/rtstream/{stream_id}/index/scene/{index_id}")).status_code == 200
    [listed] = (await data(await api.get(f"/rtstream/{stream_id}/index/scene")))["scene_indexes"]
    assert listed["rtstream_index_id"] == kept
    assert (await api.get(f"/rtstream/{stream_id}/index/scene/{index_id}")).status_code == 404
    assert (await api.delete(f"/rtstream/{stream_id}/index/scene/{index_id}")).status_code == 404
    entries = (await data(await api.get("/rtstream/journal?since=0")))["entries"]
    assert [entry["data"]["change"] for entry in entries if entry["data"].get("id") == index_id] == ["removed"]


async def test_an_index_takes_nulls_and_the_other_spelling_of_time(
    api: httpx.AsyncClient, add_stream: AddStream
) -> None:
    stream_id = await add_stream()
    made = await data(
        await api.post(
            f"/rtstream/{stream_id}/index/scene",
            json={
                "extraction_type": "time_based",
                "extraction_config": {"time": 3, "frame_count": None},
                "prompt": None,
                "model_name": None,
                "model_config": {},
                "name": None,
            },
        ),
        201,
    )
    assert made["extraction_type"] == "time"
    assert made["extraction_config"] == {"time": 3, "frame_count": 5}
    path = f"/rtstream/{stream_id}/index/scene/{made['rtstream_index_id']}"
    assert (await data(await api.patch(path, json={"prompt": "Count the cars"})))["prompt"] == "Count the cars"
    assert (await data(await api.patch(path + "/status", json={"action": "stop"})))["status"] == "stopped"
    assert (await data(await api.patch(path + "/status", json={"action": "start"})))["state"] == "running"


@pytest.mark.parametrize(
    "wrong",
    [
        {"extraction_type": "shot"},
        {"extraction_config": {"time": 0}},
        {"extraction_config": {"time": "soon"}},
        {"extraction_config": {"time": 2, "frame_count": -1}},
        {"extraction_config": [1]},
        {"prompt": ["x"]},
        {"sandbox_id": "box"},
        {"model_config": {"temperature": 0.2}},
    ],
)
async def test_an_impossible_index_gets_a_sentence(
    api: httpx.AsyncClient, add_stream: AddStream, wrong: dict[str, object]
) -> None:
    answer = await api.post(f"/rtstream/{await add_stream()}/index/scene", json=wrong)
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"].endswith(".")
