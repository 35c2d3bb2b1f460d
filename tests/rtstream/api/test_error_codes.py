"""Every documented error code is provoked once, with its status and its body."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from rtstream.api.app import create_app
from rtstream.api.schema import error_codes
from rtstream.engine.backfill import forecast
from rtstream.engine.engine import Engine
from rtstream.engine.recordings import link_limits
from rtstream.errors import DatabaseUnavailable
from rtstream.store import tables

pytestmark = pytest.mark.anyio


@dataclass
class Place:
    """An engine with a recorded stream, ``stream_id``, and a link that plays it, ``link_id``."""

    engine: Engine
    api: httpx.AsyncClient
    stream_id: str
    link_id: str
    patch: pytest.MonkeyPatch

    async def fail_with(self, error: Exception) -> httpx.Response:
        """Request a collection while reading it fails."""

        async def fail(_collection_id: str) -> Any:
            raise error

        self.patch.setattr(self.engine.collections, "get", fail)
        return await self.api.get("/collection/default")


Provoke = Callable[[Place], Awaitable[httpx.Response]]
PROVOKED: dict[str, Provoke] = {}


def provokes(code: str) -> Callable[[Provoke], Provoke]:
    def add(provoke: Provoke) -> Provoke:
        PROVOKED[code] = provoke
        return provoke

    return add


@provokes("INVALID_REQUEST")
async def _(place: Place) -> httpx.Response:
    return await place.api.get("/rtstream", params={"limit": "many"})


@provokes("CONFIRMATION_NEEDED")
async def _(place: Place) -> httpx.Response:
    place.patch.setattr(forecast, "is_paid", lambda name: True)
    return await place.api.post(f"/rtstream/{place.stream_id}/index/scene", json={"start": 0})


@provokes("UNAVAILABLE")
async def _(place: Place) -> httpx.Response:
    place.patch.setattr(place.engine.playback._extractor, "_waiting", 0)
    return await place.api.get(f"/rtstream/{place.stream_id}/frame", params={"at": 1001})


@provokes("UNAUTHORIZED")
async def _(place: Place) -> httpx.Response:
    return await place.api.get("/rtstream", headers={"x-access-token": "sk-wrong"})


@provokes("NOT_FOUND")
async def _(place: Place) -> httpx.Response:
    return await place.api.get("/rtstream/rts-none")


@provokes("LINK_UNKNOWN")
async def _(place: Place) -> httpx.Response:
    return await place.api.get("/playback.json", params={"v": "A" * 22})


@provokes("METHOD_NOT_ALLOWED")
async def _(place: Place) -> httpx.Response:
    answer = await place.api.put("/rtstream")
    assert answer.headers["allow"] == "GET, POST"
    return answer


@provokes("CONFLICT")
async def _(place: Place) -> httpx.Response:
    made = (await place.api.post("/collection", json={"name": "Yard"})).json()["data"]["id"]
    of_stream = tables.streams.update().values(collection_id=made)
    await place.engine.db.write(lambda conn: conn.execute(of_stream))
    return await place.api.delete(f"/collection/{made}")


@provokes("LINK_EXPIRED")
async def _(place: Place) -> httpx.Response:
    later = time.time() + 8 * 86400
    place.patch.setattr(time, "time", lambda: later)
    return await place.api.get("/playback.json", params={"v": place.link_id})


@provokes("LINK_REVOKED")
async def _(place: Place) -> httpx.Response:
    await place.api.delete(f"/rtstream/links/{place.link_id}")
    return await place.api.get("/playback.json", params={"v": place.link_id})


@provokes("TOO_LARGE")
async def _(place: Place) -> httpx.Response:
    return await place.api.post("/rtstream", json={"name": "x" * 2**20})


@provokes("TOO_MANY_ATTEMPTS")
async def _(place: Place) -> httpx.Response:
    transport = httpx.ASGITransport(create_app(place.engine), client=("203.0.113.5", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as other:
        for _ in range(20):
            assert (await other.get("/rtstream", headers={"x-access-token": "sk-wrong"})).status_code == 401
        return await other.get("/rtstream", headers={"x-access-token": "sk-wrong"})


@provokes("LINK_BUSY")
async def _(place: Place) -> httpx.Response:
    place.patch.setattr(link_limits, "AT_ONCE", 0)
    return await place.api.get("/playback.json", params={"v": place.link_id})


@provokes("INTERNAL")
async def _(place: Place) -> httpx.Response:
    return await place.fail_with(ZeroDivisionError())


@provokes("DATABASE_UNAVAILABLE")
async def _(place: Place) -> httpx.Response:
    return await place.fail_with(DatabaseUnavailable("The database is locked.", "Close the other program."))


def test_every_documented_code_is_provoked() -> None:
    assert PROVOKED.keys() == error_codes().keys()


@pytest.mark.parametrize("code", PROVOKED)
async def test_the_code_has_its_status_and_a_sentence(
    engine: Engine,
    api: httpx.AsyncClient,
    recorded: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    code: str,
) -> None:
    answer = await PROVOKED[code](Place(engine, api, *recorded, monkeypatch))
    body = answer.json()
    assert (answer.status_code, body["error_code"]) == (error_codes()[code].status, code), body
    assert body.keys() == {"success", "message", "error_code"}
    assert body["success"] is False
    assert body["message"].endswith(".")
    if answer.status_code in (429, 503):
        assert int(answer.headers["retry-after"]) > 0
