"""Pages of the origins in the settings may call, and requests of others pass unchanged."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rtstream.api.cors import AllowedOrigins, parse_origins

pytestmark = pytest.mark.anyio


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


def calling(*origins: str) -> httpx.AsyncClient:
    app = AllowedOrigins(Starlette(routes=[Route("/", hello)]), origins)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")


def test_origins_are_written_as_browsers_send_them() -> None:
    assert parse_origins(" https://A.example/ ,, http://localhost:3000") == [
        "https://a.example",
        "http://localhost:3000",
    ]
    assert parse_origins("") == []


async def test_an_allowed_page_may_call_with_its_key() -> None:
    async with calling("https://a.example") as client:
        headers = {"origin": "https://a.example", "access-control-request-method": "PATCH"}
        preflight = await client.options("/", headers=headers | {"access-control-request-headers": "x-access-token"})
        assert preflight.status_code == 200
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == "x-access-token"
        answer = await client.get("/", headers=headers)
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert "X-Frame-Time" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["https://b.example", "https://a.example.evil", "null", "http://a.example"])
async def test_another_page_gets_no_permission(origin: str) -> None:
    async with calling("https://a.example") as client:
        answer = await client.get("/", headers={"origin": origin})
        assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (200, False)
        preflight = await client.options("/", headers={"origin": origin, "access-control-request-method": "POST"})
        assert preflight.status_code == 405
