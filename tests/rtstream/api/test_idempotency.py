"""Requests that are repeated with their Idempotency-Key."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import ok
from rtstream.api.idempotency import MAX_KEYS, TTL_S, RepeatedRequests
from rtstream.errors import Conflict, InvalidRequest, Unavailable

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


async def test_a_repeated_request_returns_the_first_response_for_ten_minutes() -> None:
    clock, count = Clock(), Counter()
    repeats = RepeatedRequests(clock)
    first = await repeats.serve(request(), count)
    clock.now = TTL_S - 1
    again = await repeats.serve(request(body=b'{ "ws_connection_id": "wsc-2" }'), count)
    assert (again.status_code, count.calls) == (201, 1)
    assert bytes(again.body) == bytes(first.body)[:-1] + b',"repeated":true}'
    assert (await repeats.serve(request(path="/rtstream/alert"), count)).body != first.body
    clock.now = TTL_S
    assert b"event-3" in bytes((await repeats.serve(request(), count)).body)


async def test_a_key_belongs_to_one_request() -> None:
    repeats, count = RepeatedRequests(), Counter()
    await repeats.serve(request(body=b'{"label": "a"}'), count)
    with pytest.raises(Conflict, match="Choose another key"):
        await repeats.serve(request(body=b'{"label": "b"}'), count)
    assert (await repeats.serve(request("other", b'{"label": "b"}'), count)).status_code == 201
    for key in ("", "k" * 256, "schlüssel"):
        with pytest.raises(InvalidRequest, match="Idempotency-Key must"):
            await repeats.serve(request(key), count)


async def test_a_failed_request_may_be_repeated_and_a_deleted_object_is_forgotten() -> None:
    repeats, count = RepeatedRequests(), Counter()

    async def fail(_request: Request) -> Response:
        raise Unavailable("Try again.")

    with pytest.raises(Unavailable):
        await repeats.serve(request(), fail)
    await repeats.serve(request(), count)
    repeats.forget("event-1")
    assert b"event-2" in bytes((await repeats.serve(request(), count)).body)


async def test_requests_at_the_same_time_are_served_once() -> None:
    repeats, count, responses = RepeatedRequests(), Counter(), []
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


async def test_the_number_of_known_requests_is_bounded() -> None:
    repeats, count = RepeatedRequests(), Counter()
    for number in range(MAX_KEYS + 1):
        await repeats.serve(request(f"k{number}"), count)
    await repeats.serve(request("k1"), count)
    assert count.calls == MAX_KEYS + 1
    await repeats.serve(request("k0"), count)
    assert count.calls == MAX_KEYS + 2


async def test_the_api_creates_one_event_for_a_key(api: httpx.AsyncClient) -> None:
    event = {"event_prompt": '"OPEN" is shown', "label": "open"}
    for _ in range(2):
        await api.post("/rtstream/event", json=event, headers={"Idempotency-Key": "one"})
    [listed] = (await api.get("/rtstream/event")).json()["data"]["events"]
    await api.delete(f"/rtstream/event/{listed['event_id']}")
    again = await api.post("/rtstream/event", json=event, headers={"Idempotency-Key": "one"})
    assert "repeated" not in again.json()
