"""Requests that are repeated with their Idempotency-Key."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.app import create_app
from rtstream.api.envelope import ok
from rtstream.api.idempotency import MAX_KEYS, TTL_S, RepeatedRequests
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.errors import Conflict, DatabaseUnavailable, InvalidRequest, Unavailable
from rtstream.store import responses as rows
from rtstream.store.database import Database

pytestmark = pytest.mark.anyio


def request(key: str = "k", body: bytes = b"{}", path: str = "/rtstream/event") -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"idempotency-key", key.encode()), (b"content-length", str(len(body)).encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": headers,
        "query_string": b"",
        "server": ("h", 1),
    }
    return Request({**scope, "scheme": "http", "root_path": ""}, receive)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database.below(tmp_path)
    yield database
    await database.aclose()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Counter:
    """An operation that returns how often it was called."""

    calls = 0

    async def __call__(self, request: Request) -> Response:
        self.calls += 1
        return ok({"id": f"event-{self.calls}"}, 201)


async def test_a_repeated_request_returns_the_first_response_for_ten_minutes(db: Database) -> None:
    clock, count = Clock(), Counter()
    repeats = RepeatedRequests(lambda: db, clock)
    first = await repeats.serve(request(), count)
    clock.now = TTL_S - 1
    again = await repeats.serve(request(body=b'{ "ws_connection_id": "wsc-2" }'), count)
    assert (again.status_code, count.calls) == (201, 1)
    assert bytes(again.body) == bytes(first.body)[:-1] + b',"repeated":true}'
    assert (await repeats.serve(request(path="/rtstream/alert"), count)).body != first.body
    clock.now = TTL_S
    assert b"event-3" in bytes((await repeats.serve(request(), count)).body)


async def test_a_key_belongs_to_one_request(db: Database) -> None:
    repeats, count = RepeatedRequests(lambda: db), Counter()
    await repeats.serve(request(body=b'{"label": "a"}'), count)
    with pytest.raises(Conflict, match="Choose another key"):
        await repeats.serve(request(body=b'{"label": "b"}'), count)
    assert (await repeats.serve(request("other", b'{"label": "b"}'), count)).status_code == 201
    for key in ("", "k" * 256, "schlüssel"):
        with pytest.raises(InvalidRequest, match="Idempotency-Key must"):
            await repeats.serve(request(key), count)


async def test_a_failed_request_may_be_repeated_and_a_deleted_object_is_forgotten(db: Database) -> None:
    repeats, count = RepeatedRequests(lambda: db), Counter()

    async def fail(_request: Request) -> Response:
        raise Unavailable("Try again.")

    with pytest.raises(Unavailable):
        await repeats.serve(request(), fail)
    await repeats.serve(request(), count)
    await repeats.forget("event-1")
    assert b"event-2" in bytes((await repeats.serve(request(), count)).body)


async def test_requests_at_the_same_time_are_served_once(db: Database) -> None:
    repeats, count, responses = RepeatedRequests(lambda: db), Counter(), []
    begun, go_on = anyio.Event(), anyio.Event()

    async def slow(request: Request) -> Response:
        begun.set()
        await go_on.wait()
        return await count(request)

    async def serve() -> None:
        responses.append(bytes((await repeats.serve(request(), slow)).body))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(serve)
            await begun.wait()
            go_on.set()
    assert (count.calls, len(responses)) == (1, 3)
    assert sum(b"repeated" in response for response in responses) == 2


async def test_the_number_of_known_requests_is_bounded(db: Database) -> None:
    repeats, count = RepeatedRequests(lambda: db), Counter()
    for number in range(MAX_KEYS + 1):
        await repeats.serve(request(f"k{number}"), count)
    await repeats.serve(request("k1"), count)
    assert count.calls == MAX_KEYS + 1
    await repeats.serve(request("k0"), count)
    assert count.calls == MAX_KEYS + 2


async def test_a_request_is_repeated_after_a_restart_unless_its_object_was_deleted(db: Database) -> None:
    count = Counter()
    before = RepeatedRequests(lambda: db)
    for key in ("a", "b", "c"):
        await before.serve(request(key), count)
    await before.forget("event-2")
    after = RepeatedRequests(lambda: db)
    await after.forget("event-3")
    again = await after.serve(request("a"), count)
    assert (again.status_code, b'"id":"event-1"' in again.body, b'"repeated":true' in again.body) == (201, True, True)
    with pytest.raises(Conflict):
        await after.serve(request("a", b'{"label": "b"}'), count)
    assert count.calls == 3
    for number, key in enumerate(("b", "c")):
        assert f"event-{4 + number}".encode() in bytes((await after.serve(request(key), count)).body)
    assert [response.key for response in await db.read(rows.load)] == ["a", "b", "c"]


async def test_a_response_is_returned_even_if_it_cannot_be_stored(
    db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise DatabaseUnavailable("The disk is full.", "Free some space.")

    monkeypatch.setattr(rows, "put", fail)
    count, repeats = Counter(), RepeatedRequests(lambda: db)
    responses = [await repeats.serve(request(), count) for _ in range(2)]
    assert ([response.status_code for response in responses], count.calls) == ([201, 201], 1)
    assert "cannot be stored" in caplog.text


async def test_expired_responses_are_removed_from_the_database(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    count = Counter()
    now = time.time()
    with monkeypatch.context() as earlier:
        earlier.setattr(time, "time", lambda: now - TTL_S)
        await RepeatedRequests(lambda: db).serve(request("a"), count)
    repeats = RepeatedRequests(lambda: db)
    assert b"event-2" in bytes((await repeats.serve(request("a"), count)).body)
    [response] = await db.read(rows.load)
    assert response.at == pytest.approx(now, abs=60)


async def test_the_api_creates_one_event_for_a_key(api: httpx.AsyncClient) -> None:
    event = {"event_prompt": '"OPEN" is shown', "label": "open"}
    for _ in range(2):
        await api.post("/rtstream/event", json=event, headers={"Idempotency-Key": "one"})
    [listed] = (await api.get("/rtstream/event")).json()["data"]["events"]
    await api.delete(f"/rtstream/event/{listed['event_id']}")
    again = await api.post("/rtstream/event", json=event, headers={"Idempotency-Key": "one"})
    assert "repeated" not in again.json()


async def test_an_event_is_created_once_even_if_the_engine_is_restarted_in_between(tmp_path: Path) -> None:
    config = EngineConfig(data_dir=tmp_path / "data", api_key="sk-key-of-the-repeated-requests", local_vision=False)
    event = {"event_prompt": '"OPEN" is shown', "label": "open"}
    responses: list[dict[str, Any]] = []
    for _ in range(2):
        async with Engine(config) as engine:
            transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
            headers = {"x-access-token": config.api_key, "Idempotency-Key": "one"}
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers) as api:
                responses.append((await api.post("/rtstream/event", json=event)).json())
                assert len((await api.get("/rtstream/event")).json()["data"]["events"]) == 1
    assert responses[1] == {**responses[0], "repeated": True}
