"""Rules for every path, such as the key, the envelope and the errors."""

from __future__ import annotations

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rtstream.api.app import create_app
from rtstream.engine.engine import Engine

pytestmark = pytest.mark.anyio


def refusal(answer: httpx.Response, status: int) -> str:
    """The message of an error body, after checking its form."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"success", "message", "error_code"}
    assert body["success"] is False
    assert answer.headers["content-type"] == "application/json"
    return body["message"]


async def test_health_needs_no_key(engine: Engine) -> None:
    transport = httpx.ASGITransport(create_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        answer = await client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"success": True})


async def test_an_unknown_path_is_named(api: httpx.AsyncClient) -> None:
    assert refusal(await api.get("/nowhere/at/all"), 404) == "There is nothing at /nowhere/at/all."
    assert refusal(await api.get("/static/nothing.js"), 404) == "There is nothing at /static/nothing.js."


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/rtstream/rts-1/sing"),
        ("POST", "/video/m-1/understand"),
        ("POST", "/audio/a-1/sing"),
        ("POST", "/capture/session/token"),
        ("GET", "/job/1"),
    ],
)
async def test_an_operation_of_the_published_api_that_is_missing_is_said_to_be(
    api: httpx.AsyncClient, method: str, path: str
) -> None:
    assert refusal(await api.request(method, path), 404) == f"This engine does not offer {method} {path}."


async def test_a_crash_is_answered_neutrally_and_left_to_the_server_to_log(engine: Engine) -> None:
    async def crash(_request: Request) -> Response:
        raise RuntimeError("rtsp://user:secret@cam")

    app = create_app(engine, [Route("/crash", crash)])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        answer = await client.get("/crash")
        assert refusal(answer, 500) == "Internal error of the engine. Its log has the details."
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        with pytest.raises(RuntimeError):
            await client.get("/crash")


async def test_routes_of_others_come_first_and_see_their_paths_as_sent(engine: Engine) -> None:
    async def fine(_request: Request) -> Response:
        return PlainTextResponse("fine")

    transport = httpx.ASGITransport(create_app(engine, [Route("/rtstream/", fine)]))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        assert (await client.get("/rtstream/")).text == "fine"
        assert refusal(await client.get("/rtstream"), 401)


HOSTILE_IDS = [
    "..",
    "%2e%2e",
    "a%00b",
    "%ff%fe",
    "x" * 5000,
    "'; DROP TABLE streams; --",
    "%F0%9F%8E%A5",
    "{id}",
    "*",
    " ",
]


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
async def test_hostile_ids_are_no_server_error(api: httpx.AsyncClient, hostile: str) -> None:
    for method, path, body in [
        ("GET", "/collection/{}", None),
        ("PATCH", "/collection/{}", {"name": "a"}),
        ("GET", "/collection/{}/websocket", None),
        ("GET", "/rtstream/{}", None),
        ("PATCH", "/rtstream/{}", {"name": "a"}),
        ("PATCH", "/rtstream/{}/status", {"action": "start"}),
        ("GET", "/rtstream/{}/stream?start=1&end=2", None),
        ("GET", "/rtstream/{}/frame", None),
        ("POST", "/rtstream/{}/index/scene", {}),
        ("GET", "/rtstream/rts-1/index/{}", None),
        ("GET", "/rtstream/rts-1/index/scene/{}", None),
        ("POST", "/rtstream/rts-1/index/{}/alert", {"event_id": hostile}),
        ("PATCH", "/rtstream/rts-1/index/scene-idx-1/alert/{}/status", {"action": "enable"}),
        ("GET", "/manifests/rts-1/{}.m3u8?token=x", None),
        ("GET", "/m/{}/init/rec-1.mp4", None),
        ("GET", "/m/{}/index.m3u8", None),
        ("DELETE", "/rtstream/links/{}", None),
        ("GET", "/playback.json?v={}", None),
    ]:
        answer = await api.request(method, path.format(hostile), json=body)
        # Some ids make another path. The request still gets a response, and nothing crashes.
        assert answer.status_code < 500, (method, path, answer.text)
        assert answer.json()["success"] is (answer.status_code < 400)
        if answer.status_code >= 400:
            assert answer.json()["message"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=1e9",
        "limit=99999999999999999999999",
        "offset=-5",
        "offset=99999999999999999999999",
        "status=asleep",
        "ordering=url",
        "ordering=-",
        "ordering=" + "x" * 100,
    ],
)
async def test_bad_list_queries_get_a_sentence(api: httpx.AsyncClient, query: str) -> None:
    assert refusal(await api.get(f"/rtstream?{query}"), 400).endswith(".")


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e300", "yesterday", "2026-03-02", "9" * 400])
async def test_bad_times_get_a_sentence(api: httpx.AsyncClient, value: str) -> None:
    assert "start: " in refusal(await api.get(f"/rtstream/rts-1/stream?start={value}&end=5"), 400)
    assert "at: " in refusal(await api.get(f"/rtstream/rts-1/frame?at={value}"), 400)


async def test_a_call_with_the_key_counts_as_use_and_monitoring_does_not(
    engine: Engine, api: httpx.AsyncClient
) -> None:
    engine._last_used = 0.0
    await api.get("/health")
    await api.get("/metrics")
    await api.get("/rtstream", headers={"x-access-token": "wrong"})
    assert engine._last_used == 0.0
    await api.get("/rtstream")
    assert engine._last_used > 0.0
