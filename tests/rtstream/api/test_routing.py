"""Paths in all spellings, wrong methods and missing keys."""

from __future__ import annotations

import httpx
import pytest
from starlette.routing import Route

from rtstream.api.app import create_app, routes
from rtstream.engine.engine import Engine
from tests.rtstream.api.test_app import refusal

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("headers", [{}, {"x-access-token": ""}, {"x-access-token": "wrong"}, {"x-access-token": "ü"}])
@pytest.mark.parametrize("path", ["/rtstream", "/collection/default", "/rtstream/x/index/scene", "/video/m-1"])
async def test_without_the_key_nothing_is_answered(engine: Engine, path: str, headers: dict[str, str]) -> None:
    transport = httpx.ASGITransport(create_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        answer = await client.get(path, headers=[(k.encode(), v.encode()) for k, v in headers.items()])
    assert "API key is" in refusal(answer, 401)


async def test_every_route_that_needs_the_key_refuses_without_it(engine: Engine) -> None:
    open_to_all = {
        "/health",
        "/identity",  # its proof can be verified only with the key, and reveals nothing about it
        "/m/{link_id}/index.m3u8",
        "/m/{link_id}/video.mp4",
        "/m/{link_id}/init/{name}.mp4",
        "/m/{link_id}/segment/{recording_id}/{at:int}.m4s",
        "/m/{link_id}/fragment/{place:int}/{at:int}.m4s",
        "/m/{link_id}/file/{video_id}.mp4",
        "/m/{link_id}/aac/init/{name}.mp4",
        "/m/{link_id}/aac/segment/{recording_id}/{at:int}.m4s",
        "/m/{link_id}/audio/segment/{recording_id}/{at:int}.m4s",
        "/m/{link_id}/aac/fragment/{place:int}/{at:int}.m4s",
        "/m/{link_id}/audio/fragment/{place:int}/{at:int}.m4s",
        "/manifests/{rest:path}",
        "/media/{rest:path}",
        "/p/{link_id}",
        "/openapi.json",
        "/docs",
        "/playback.json",
        "/watch",
        "/embed",
    }
    guarded = [route.path for route in routes() if isinstance(route, Route) and route.path not in open_to_all]
    assert len(guarded) >= 17
    transport = httpx.ASGITransport(create_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        for path in guarded:
            for method in ("GET", "POST", "PATCH", "DELETE", "OPTIONS"):
                answer = await client.request(method, path.replace("{", "").replace("}", ""))
                assert answer.status_code == 401, (method, path)


@pytest.mark.parametrize("path", ["/rtstream", "/rtstream/", "//rtstream", "//rtstream//"])
async def test_all_spellings_of_a_path_are_answered_directly(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(f"http://api.test{path}", headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["data"]["results"] == []


async def test_a_post_keeps_its_body_with_a_trailing_slash(api: httpx.AsyncClient) -> None:
    answer = await api.post("/rtstream/event/", json={"event_prompt": "a dog", "label": "dog"})
    assert answer.status_code == 201
    assert answer.json()["data"]["label"] == "dog"


async def test_a_wrong_method_names_the_right_ones(api: httpx.AsyncClient) -> None:
    answer = await api.delete("/rtstream/event")
    assert refusal(answer, 405) == "DELETE is not offered on /rtstream/event. Use GET, POST."
    assert answer.headers["allow"] == "GET, POST"
