"""The requests and responses of each operation on stored streams. Live ones are in tests/integration/test_sdk.py."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import anyio
import httpx
import pytest

from rtstream.engine.engine import Engine
from rtstream.store.journal import Entry

from .conftest import AddStream

pytestmark = pytest.mark.anyio


async def data(answer: httpx.Response, status: int = 200) -> dict:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["success"] is True
    return body["data"]


async def test_collections_are_made_listed_and_changed(api: httpx.AsyncClient) -> None:
    made = await data(await api.post("/collection", json={"name": "Yard", "description": "Outside"}), 201)
    assert (made["name"], made["description"], made["is_public"]) == ("Yard", "Outside", False)
    listed = await data(await api.get("/collection"))
    assert [collection["id"] for collection in listed["collections"]] == ["default", made["id"]]
    changed = await data(await api.patch(f"/collection/{made['id']}", json={"is_public": True}))
    assert changed == {**made, "is_public": True}
    assert (await data(await api.get("/collection/default")))["id"] == "default"
    assert (await api.get("/collection/c-unknown")).status_code == 404


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
    assert refused.json()["message"] == "Nothing to update. Send a name, or limits of retention."


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
    assert (await data(await api.patch(path + "/status", json={"action": "start"})))["status"] == "running"


@pytest.mark.parametrize(
    "wrong",
    [
        {"extraction_type": "shot"},
        {"extraction_config": {"time": 0}},
        {"extraction_config": {"time": "soon"}},
        {"extraction_config": {"time": 2, "frame_count": -1}},
        {"extraction_config": [1]},
        {"prompt": ["x"]},
    ],
)
async def test_an_impossible_index_gets_a_sentence(
    api: httpx.AsyncClient, add_stream: AddStream, wrong: dict[str, object]
) -> None:
    answer = await api.post(f"/rtstream/{await add_stream()}/index/scene", json=wrong)
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"].endswith(".")


async def test_events_and_alerts_are_made_listed_and_switched(
    api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream
) -> None:
    event = await data(
        await api.post("/rtstream/event", json={"event_prompt": '"OPEN" is shown', "label": "open"}), 201
    )
    [listed] = (await data(await api.get("/rtstream/event")))["events"]
    assert listed == event
    stream_id = await add_stream()
    path = f"/rtstream/{stream_id}/index/{await add_index(stream_id)}/alert"
    assert await data(await api.get(path)) == {"alerts": []}
    made = await data(await api.post(path, json={"event_id": event["event_id"], "callback_url": ""}), 201)
    assert (made["label"], made["callback_url"], made["status"]) == ("open", None, "enabled")
    status = f"{path}/{made['alert_id']}/status"
    for change, result in [
        ({"action": "disable"}, "disabled"),
        ({"action": "disable"}, "disabled"),
        ({"action": "enable"}, "enabled"),
        ({"status": "disabled"}, "disabled"),
        ({"status": "enabled", "action": None}, "enabled"),
    ]:
        assert (await data(await api.patch(status, json=change)))["status"] == result
        [alert] = (await data(await api.get(path)))["alerts"]
        assert alert["status"] == result
    assert (await api.patch(status, json={})).json()["message"] == "The action is missing. Send enable or disable."
    assert (await api.post(path, json={"event_id": "event-unknown"})).status_code == 404
    assert (await api.post(path, json={"event_id": event["event_id"], "callback_url": "ftp://x"})).status_code == 400


async def test_the_engine_tells_what_it_is(api: httpx.AsyncClient, add_stream: AddStream) -> None:
    await add_stream()
    info = await data(await api.get("/rtstream/engine"))
    assert (info["engine"], info["streams"], info["streams_running"]) == ("rtstream", 1, 0)


def alert(number: int, **fields: object) -> Entry:
    return Entry("alert", {"label": "open", "text": f"hit {number}", **fields}, stream_id="rts-1", stream_name="Door")


async def test_the_journal_is_read_with_a_cursor_and_filters(engine: Engine, api: httpx.AsyncClient) -> None:
    await engine.journal.append(*[alert(number) for number in range(3)], Entry("health", {"state": "connected"}))
    first = await data(await api.get("/rtstream/journal?since=0&limit=2"))
    assert [entry["data"]["text"] for entry in first["entries"]] == ["hit 0", "hit 1"]
    assert first["has_more"] is True
    rest = await data(await api.get(f"/rtstream/journal?since={first['cursor']}"))
    assert [entry["channel"] for entry in rest["entries"]] == ["alert", "health"]
    assert rest["entries"][0]["rtstream_name"] == "Door"
    filtered = await data(
        await api.get("/rtstream/journal?since=0&channels=alert,scene_index&text=hit+2&labels=open,x")
    )
    assert [entry["data"]["text"] for entry in filtered["entries"]] == ["hit 2"]
    assert (await data(await api.get("/rtstream/journal?since=0&streams=rts-2")))["entries"] == []
    newest = await data(await api.get("/rtstream/journal?limit=1"))
    assert [entry["channel"] for entry in newest["entries"]] == ["health"]
    for bad in ["since=-1", "limit=0", "wait_s=51", "wait_s=nan", "channels=gossip", "min_confidence=2", "since=x"]:
        assert (await api.get(f"/rtstream/journal?{bad}")).status_code == 400, bad


async def test_a_long_poll_ends_with_the_first_entry(engine: Engine, api: httpx.AsyncClient) -> None:
    answers: list[dict] = []

    async def poll() -> None:
        answers.append(await data(await api.get("/rtstream/journal?since=0&wait_s=20&channels=alert")))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await anyio.wait_all_tasks_blocked()
            await engine.journal.append(Entry("health", {}))
            await engine.journal.append(alert(1))
    assert [entry["data"]["text"] for entry in answers[0]["entries"]] == ["hit 1"]
    assert answers[0]["cursor"] == 2


async def test_a_long_poll_without_entries_ends_after_its_time(api: httpx.AsyncClient) -> None:
    with anyio.fail_after(5):
        page = await data(await api.get("/rtstream/journal?since=0&wait_s=0.2"))
    assert page == {"entries": [], "cursor": 0, "has_more": False, "truncated": False}
