"""Search over HTTP: the published shapes, the scope of a collection, any query, deletion."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from rtstream.client import RTStreamClient
from rtstream.engine.engine import Engine
from rtstream.models import SearchStreams
from tests.rtstream.api.conftest import KEY, AddStream, Served

pytestmark = pytest.mark.anyio


async def post(api: httpx.AsyncClient, path: str, **body: Any) -> Any:
    answer = await api.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.fixture
async def door(engine: Engine, add_stream: AddStream, add_index: AddStream) -> tuple[str, str]:
    """A stream with the scenes 0 to 2, and a second one with scene 0."""
    stream = await add_stream("Door")
    index = await add_index(stream, scenes=3)
    await add_index(await add_stream("Yard"), scenes=1)
    with anyio.fail_after(5):
        await engine.search.caught_up()
    return stream, index


async def test_the_hits_of_one_stream_have_the_published_shape(api: httpx.AsyncClient, door: tuple[str, str]) -> None:
    stream, index = door
    data = await post(api, f"/rtstream/{stream}/search", query="scene 2")
    hit, *others = data["results"]
    assert hit.pop("ref") > 0
    assert hit == {
        "rtstream_id": stream,
        "rtstream_name": "Door",
        "start": 1002.0,
        "end": 1003.0,
        "text": "scene 2",
        "score": 1.0,
        "scene_index_id": index,
        "scene_index_name": "scene",
        "metadata": {"model": "local"},
        "kind": "visual",
        "medium": "",
        "clip_start": None,
        "clip_end": None,
    }
    [clipped] = (await post(api, f"/rtstream/{stream}/search", query="scene 2", clips=True, result_threshold=1))[
        "results"
    ]
    assert (clipped["medium"], clipped["clip_start"], clipped["clip_end"]) == ("visual", 1002.0, 1003.0)
    assert {other["rtstream_id"] for other in others} == {stream}
    assert data["by"] == "words"
    assert data["note"].startswith("By words only.")


async def test_the_options_of_the_api_restrict_the_hits(api: httpx.AsyncClient, door: tuple[str, str]) -> None:
    stream, index = door
    path = f"/rtstream/{stream}/search"

    async def texts(**options: Any) -> list[str]:
        return [hit["text"] for hit in (await post(api, path, query="scene 1", **options))["results"]]

    assert (await texts())[0] == "scene 1"
    assert await texts(result_threshold=1) == ["scene 1"]
    assert await texts(score_threshold=0.99) == ["scene 1"]
    assert await texts(dynamic_score_percentage=20) == ["scene 1"]
    assert set(await texts(scene_index_id=index, filter=[])) == {"scene 0", "scene 1", "scene 2"}
    assert await texts(filter=[{"field": "start", "op": "==", "value": 1000.0}]) == ["scene 0"]
    assert await texts(start=1002.5, end=1009) == ["scene 2"]
    assert await texts(kinds=["transcript"]) == []
    assert (await post(api, path, query="unheard of"))["results"] == []


async def test_a_collection_search_sees_its_own_streams_only(
    api: httpx.AsyncClient, engine: Engine, door: tuple[str, str]
) -> None:
    other = await engine.collections.create("Other", "", False)

    async def names(collection: str, **options: Any) -> set[str]:
        data = await post(api, f"/rtstream/collection/{collection}/search", query="scene 0", **options)
        return {hit["rtstream_name"] for hit in data["results"]}

    assert await names("default", filter=[]) == {"Door", "Yard"}
    assert await names("default", streams=[door[0]]) == {"Door"}
    assert await names(other.id) == set()
    assert await names(other.id, all_collections=True) == {"Door", "Yard"}
    answer = await api.post("/rtstream/collection/c-nothing/search", json={"query": "scene"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "query",
    ['"', "AND OR NOT ( ) *", "🙂 scene", "scene NEAR(", "text:scene", "a" * 10_000, "scene\x00\ud7ff", "' OR 1=1 --"],
)
async def test_any_query_is_answered(api: httpx.AsyncClient, door: tuple[str, str], query: str) -> None:
    for path in (f"/rtstream/{door[0]}/search", "/rtstream/collection/default/search"):
        answer = await api.post(path, json={"query": query})
        assert answer.status_code == 200 or "no word or number" in answer.json()["message"]


async def test_what_cannot_be_meant_is_refused_with_a_sentence(api: httpx.AsyncClient, door: tuple[str, str]) -> None:
    for path, body, words in (
        (f"/rtstream/{door[0]}/search", {}, "query is missing"),
        (f"/rtstream/{door[0]}/search", {"query": " "}, "no word or number"),
        (
            f"/rtstream/{door[0]}/search",
            {"query": "a", "result_threshold": 0},
            "result_threshold: Input should be greater",
        ),
        (f"/rtstream/{door[0]}/search", {"query": "a", "scene_index_id": "idx-no"}, "idx-no"),
        (f"/rtstream/{door[0]}/search", {"query": "a", "mode": "deepsearch"}, "use 'default'"),
        (f"/rtstream/{door[0]}/search", {"query": "a", "sandbox_id": "box"}, "Omit sandbox_id"),
        ("/rtstream/rts-nothing/search", {"query": "a"}, "rts-nothing"),
    ):
        answer = await api.post(path, json=body)
        assert answer.status_code in (400, 404)
        assert words in answer.json()["message"]


async def test_options_without_an_effect_are_named_in_the_note(api: httpx.AsyncClient, door: tuple[str, str]) -> None:
    path = f"/rtstream/{door[0]}/search"
    plain = await post(api, path, query="open", mode="default", stitch=False, rerank=None)
    assert "no effect" not in plain["note"]
    noted = await post(api, path, query="open", stitch=True, rerank=True, rerank_params={"model": "x"}, mode=None)
    assert "stitch and rerank and rerank_params had no effect" in noted["note"]
    assert noted["results"] == plain["results"]


async def test_a_deleted_stream_is_found_no_more(api: httpx.AsyncClient, engine: Engine, door: tuple[str, str]) -> None:
    await engine.delete_stream(door[0])
    data = await post(api, "/rtstream/collection/default/search", query="scene 0")
    assert [hit["rtstream_name"] for hit in data["results"]] == ["Yard"]


async def test_the_engine_tells_how_search_stands(api: httpx.AsyncClient, door: tuple[str, str]) -> None:
    state = (await api.get("/rtstream/engine")).json()["data"]["search"]
    assert (state["model"], state["documents"], state["unread"], state["trouble"]) == ("", 4, 0, "")


async def test_the_client_searches_one_some_and_all_streams(served: Served, door: tuple[str, str]) -> None:
    client = RTStreamClient(served.url, KEY)
    one = await client.search(SearchStreams(query="scene 0", streams=[door[0]]))
    assert [(hit.rtstream_id, hit.text) for hit in one.results[:1]] == [(door[0], "scene 0")]
    every = await client.search(SearchStreams(query='"scene 0"', all_collections=True))
    assert {hit.rtstream_name for hit in every.results} == {"Door", "Yard"}
    await client.aclose()
