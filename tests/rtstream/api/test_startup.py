"""Requests that arrive while the engine starts."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rtstream.api import startup as module
from rtstream.api.server import ApiServer
from rtstream.api.startup import Startup
from rtstream.config import EngineConfig
from rtstream.rules.identity import PATH, proof

pytestmark = pytest.mark.anyio

KEY, SECRET, NONCE = "sk-key-of-the-tests-of-starts", "5" * 64, "0123456789abcdef" * 2
REQUESTS = [("GET", "/rtstream"), ("POST", "/rtstream"), ("GET", "/m/x/index.m3u8"), ("GET", "/"), ("POST", "/mcp")]


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """A server whose API is not ready."""
    async with ApiServer(EngineConfig(), Startup(KEY, SECRET), "127.0.0.1", 0) as listening:
        yield listening


async def send(server: ApiServer, answers: dict[tuple[str, str], httpx.Response], method: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        answers[method, path] = await http.request(method, path)


async def test_the_identity_and_the_progress_are_told_while_everything_else_waits(server: ApiServer) -> None:
    async def api(scope, receive, send) -> None:
        request = Request(scope)
        await PlainTextResponse(f"{request.method} {request.url.path}")(scope, receive, send)

    answers: dict[tuple[str, str], httpx.Response] = {}
    async with httpx.AsyncClient(base_url=server.url) as http, anyio.create_task_group() as tasks:
        for method, path in REQUESTS:
            tasks.start_soon(send, server, answers, method, path)
        assert (await http.get("/health")).json() == {"success": True, "starting": "loading the program"}
        server.startup.step = "opening the database"
        assert (await http.get("/health")).json()["starting"] == "opening the database"
        url = httpx.URL(server.url)
        expected = proof(KEY, SECRET, NONCE, url.host, url.port or 0)
        assert (await http.get(PATH, params={"nonce": NONCE})).json()["data"] == {"proof": expected}
        assert answers == {}
        server.startup.open(api)
    assert {key: answer.text for key, answer in answers.items()} == {key: " ".join(key) for key in REQUESTS}


async def test_requests_that_wait_are_refused_when_the_start_fails(server: ApiServer) -> None:
    answers: dict[tuple[str, str], httpx.Response] = {}
    refused: list[int] = []

    async def socket() -> None:
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{server.url.replace('http', 'ws')}/ws")
        refused.append(caught.value.response.status_code)

    async with anyio.create_task_group() as tasks:
        for method, path in REQUESTS:
            tasks.start_soon(send, server, answers, method, path)
        tasks.start_soon(socket)
        async with httpx.AsyncClient(base_url=server.url) as http:
            await http.get("/health")  # the others were sent before
        await server.close()
    for answer in answers.values():
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert "ended while it started" in answer.json()["message"]
    assert len(answers) == len(REQUESTS)
    assert refused == [503]


async def test_a_long_start_is_a_refusal_that_says_what_it_does(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.1)
    server.startup.step = "checking the database"
    async with httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.get("/rtstream")
        assert answer.status_code == 503
        assert answer.json()["message"] == (
            "The engine is still starting (checking the database). Try again in a few seconds."
        )


async def test_a_request_that_was_begun_before_the_end_is_finished(server: ApiServer) -> None:
    begun, finish = anyio.Event(), anyio.Event()

    async def api(scope, receive, send) -> None:
        begun.set()
        await finish.wait()
        await Response("done")(scope, receive, send)

    answers: dict[tuple[str, str], httpx.Response] = {}
    server.startup.open(api)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, server, answers, "GET", "/rtstream")
        await begun.wait()
        tasks.start_soon(server.close)
        await anyio.lowlevel.checkpoint()
        finish.set()
    assert answers["GET", "/rtstream"].text == "done"
