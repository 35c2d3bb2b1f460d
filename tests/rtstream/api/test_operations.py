"""The annotations of an operation parse its request and shape its response."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import pytest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rtstream.api.operations import Created, JsonBody, Operation
from rtstream.errors import InvalidRequest

pytestmark = pytest.mark.anyio


class Slice(BaseModel):
    limit: int = 10


class Wanted(BaseModel):
    name: str


class Thing(BaseModel):
    name: str
    limit: int = 0


async def call(function: Any, method: str = "POST", **options: Any) -> httpx.Response:
    app = Starlette(routes=[Route("/", Operation(function).respond, methods=["GET", "POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
        return await client.request(method, "/", **options)


async def test_query_and_body_are_parsed_and_the_result_is_the_data() -> None:
    async def create(request: Request, query: Slice, body: Wanted) -> Created[Thing]:
        """Create a thing."""
        return Thing(name=body.name, limit=query.limit)

    answer = await call(create, params={"limit": 3}, json={"name": "a", "more": 1})
    assert answer.status_code == 201
    assert answer.json() == {"success": True, "data": {"name": "a", "limit": 3}}
    with pytest.raises(InvalidRequest, match="name is missing"):
        await call(create, json={})
    with pytest.raises(InvalidRequest, match="limit"):
        await call(create, params={"limit": "x"}, json={"name": "a"})


async def test_a_list_of_objects_is_parsed() -> None:
    async def count(request: Request, body: list[Wanted]) -> list[Thing]:
        """Count things."""
        return [Thing(name=one.name) for one in body]

    assert [one["name"] for one in (await call(count, json=[{"name": "a"}, {"name": "b"}])).json()["data"]] == [
        "a",
        "b",
    ]
    with pytest.raises(InvalidRequest, match="JSON list"):
        await call(count, json={"name": "a"})


async def test_no_result_is_an_empty_object_and_a_response_is_sent_as_it_is() -> None:
    async def forget(request: Request) -> None:
        """Forget."""

    async def plain(request: Request) -> Annotated[Response, JsonBody(Thing)]:
        """Respond."""
        return Response("plain", 202)

    assert (await call(forget)).json() == {"success": True, "data": {}}
    answer = await call(plain, "GET")
    assert (answer.status_code, answer.text) == (202, "plain")
    assert Operation(plain).shape.result == JsonBody(Thing)
