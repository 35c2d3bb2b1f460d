"""The requests and responses of each operation on stored streams. Live ones are in tests/integration/test_sdk.py."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import httpx
import pytest

from .conftest import AddStream

pytestmark = pytest.mark.anyio


async def data(answer: httpx.Response, status: int = 200) -> dict:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["success"] is True
    return body["data"]


async def test_streams_are_listed_by_page_filter_and_order(api: httpx.AsyncClient, add_stream: AddStream) -> None:
    for number, name in enumerate(["Door", "Garden", "door 100%"]):
        await add_stream(name, created_at=1000.0 + number)

    async def names(query: str) -> list[str]:
        return [stream["name"] for stream in (await data(await api.get(f"/rtstream?{query}")))["results"]]

    assert await names("") == ["door 100%", "Garden", "Door"]
    assert await names("ordering=created_at") == ["Door", "Garden", "door 100%"]
    assert await names("name=door") == ["door 100%", "Door"]
    assert await names("name=0%25") == ["door 100%"]
    assert await names("status=connected") == []
    assert await names("status=stopped&limit=1&offset=1&name=") == ["Garden"]


async def test_a_page_of_streams_names_its_neighbours(api: httpx.AsyncClient, add_stream: AddStream) -> None:
    for number in range(5):
        await add_stream(f"cam {number}", created_at=1000.0 + number)
    seen, url = [], "/rtstream?limit=2&name=cam+&ordering=created_at"
    while url:
        page = await data(await api.get(url))
        assert page["count"] == 5
        seen += [stream["name"] for stream in page["results"]]
        url = page["next"]
    assert seen == [f"cam {number}" for number in range(5)]
    assert page["next"] is None
    before = await data(await api.get(page["previous"]))
    assert [stream["name"] for stream in before["results"]] == ["cam 2", "cam 3"]
    assert (await data(await api.get("/rtstream?limit=2")))["previous"] is None


async def test_a_stream_is_shown_without_the_credentials_of_its_source(
    api: httpx.AsyncClient, add_stream: AddStream
) -> None:
    stream_id = await add_stream("Door")
    answer = await api.get(f"/rtstream/{stream_id}")
    shown = await data(answer)
    assert (shown["id"], shown["name"], shown["status"], shown["store"]) == (stream_id, "Door", "stopped", True)
    assert "secret" not in answer.text


async def test_a_stream_is_renamed(api: httpx.AsyncClient, add_stream: AddStream) -> None:
    stream_id = await add_stream("Door")
    assert (await data(await api.patch(f"/rtstream/{stream_id}", json={"name": "Gate"})))["name"] == "Gate"
    refused = await api.patch(f"/rtstream/{stream_id}", json={})
    assert (
        refused.json()["message"]
        == "Nothing to update. Send a name, sample_rate, retention, tracks, detect_url, vocabulary or audio."
    )


async def test_the_sample_rate_and_the_audio_of_a_stream_are_changed(
    api: httpx.AsyncClient, add_stream: AddStream
) -> None:
    path = f"/rtstream/{await add_stream()}"
    assert (await data(await api.patch(path, json={"sample_rate": 5})))["sample_rate"] == 5
    assert (await data(await api.patch(path, json={"audio": False})))["audio"] is False
    stored = await data(await api.get(path))
    assert (stored["sample_rate"], stored["audio"]) == (5, False)
    assert "sample_rate" in (await api.patch(path, json={"sample_rate": 0})).json()["message"]


async def test_a_stream_gets_limits_of_its_own_and_loses_them_again(
    api: httpx.AsyncClient, add_stream: AddStream
) -> None:
    stream_id = await add_stream("Door")
    limits = {"max_age_s": 86400, "max_bytes": 5_000_000_000}
    assert (await data(await api.patch(f"/rtstream/{stream_id}", json={"retention": limits})))["retention"] == limits
    assert (await data(await api.get(f"/rtstream/{stream_id}")))["name"] == "Door"
    none = {"max_age_s": None, "max_bytes": None}
    assert (await data(await api.patch(f"/rtstream/{stream_id}", json={"retention": {}})))["retention"] == none
    wrong = await api.patch(f"/rtstream/{stream_id}", json={"retention": {"max_age_s": -1}})
    assert "retention.max_age_s" in wrong.json()["message"]


async def test_a_stream_is_deleted_with_all_that_was_found_on_it(
    api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream
) -> None:
    stream_id, other = await add_stream("Door"), await add_stream("Gate")
    index_id = await add_index(stream_id, scenes=3)
    before = (await data(await api.get("/rtstream/journal")))["cursor"]
    assert (await api.delete(f"/rtstream/{stream_id}")).json()["success"]
    for gone in (f"/rtstream/{stream_id}", f"/rtstream/{stream_id}/index/scene/{index_id}"):
        assert (await api.get(gone)).status_code == 404
    assert (await api.delete(f"/rtstream/{stream_id}")).status_code == 404
    assert [s["id"] for s in (await data(await api.get("/rtstream")))["results"]] == [other]
    [entry] = (await data(await api.get("/rtstream/journal", params={"since": before})))["entries"]
    assert entry["data"] == {"change": "removed", "kind": "stream", "id": stream_id, "name": "Door"}


async def test_stopping_a_stopped_stream_is_fine(api: httpx.AsyncClient, add_stream: AddStream) -> None:
    stream_id = await add_stream("Door")
    stopped = await data(await api.patch(f"/rtstream/{stream_id}/status", json={"action": "stop"}))
    assert stopped["status"] == "stopped"
    odd = await api.patch(f"/rtstream/{stream_id}/status", json={"action": "pause"})
    assert odd.json()["message"] == "action: Input should be 'start' or 'stop'."


@pytest.mark.parametrize("query", ["", "start=5", "end=5", "start=9&end=5", "start=5&end=9", "start=5&end=5"])
async def test_a_window_that_cannot_be_played_gets_a_sentence(
    api: httpx.AsyncClient, add_stream: AddStream, query: str
) -> None:
    stream_id = await add_stream("Door")
    answer = await api.get(f"/rtstream/{stream_id}/stream?{query}")
    assert answer.status_code in (400, 404)
    assert answer.json()["message"].endswith(".")


async def test_what_costs_money_is_listed_and_stopped_but_not_started(
    api: httpx.AsyncClient, add_stream: AddStream
) -> None:
    path = f"/rtstream/{await add_stream('Door')}/paid"
    assert await data(await api.get(path)) == {"parts": []}
    assert await data(await api.patch(path, json={"action": "stop"})) == {"parts": []}
    assert (await api.patch(path, json={"action": "start"})).status_code == 400
    assert (await api.get("/rtstream/rts-none/paid")).status_code == 404
