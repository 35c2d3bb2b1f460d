"""Wrong keys are limited per address. Other addresses and the right key are not locked out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from rtstream.api.app import create_app
from rtstream.engine.engine import Engine
from tests.rtstream.api.conftest import KEY, Served

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def calling(app: Any, address: str, key: str = "wrong", **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=(address, 4711))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api.test", headers={"x-access-token": key, **headers}
    ) as client:
        yield client


async def statuses(client: httpx.AsyncClient, count: int, path: str = "/rtstream") -> list[int]:
    return [(await client.get(path)).status_code for _ in range(count)]


async def test_wrong_keys_of_one_address_are_limited_and_others_are_not_locked_out(engine: Engine) -> None:
    app = create_app(engine)
    async with calling(app, "203.0.113.5") as guessing:
        assert await statuses(guessing, 20) == [401] * 20
        refused = await guessing.get("/video/x")
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["error_code"] == "TOO_MANY_ATTEMPTS"
        assert (await guessing.get("/health")).status_code == 200
    async with calling(app, "203.0.113.5", KEY) as same:  # or guesses would still be told apart
        assert (await same.get("/rtstream")).status_code == 429
    async with calling(app, "203.0.113.6", KEY) as other:
        assert (await other.get("/rtstream")).status_code == 200


async def test_a_client_with_a_whole_ipv6_network_is_one_client(engine: Engine) -> None:
    app = create_app(engine)
    for number in range(21):
        async with calling(app, f"2001:db8:1:2::{number:x}") as guessing:
            last = await guessing.get("/rtstream")
    assert last.status_code == 429  # pyright: ignore[reportPossiblyUnboundVariable]
    async with calling(app, "2001:db8:1:3::1", KEY) as other:
        assert (await other.get("/rtstream")).status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_on_this_machine_the_right_key_is_never_locked_out(engine: Engine, address: str) -> None:
    app = create_app(engine)
    async with calling(app, address) as guessing:
        assert (await statuses(guessing, 22))[-2:] == [429, 429]
    async with calling(app, address, KEY) as right:
        assert await statuses(right, 3) == [200] * 3


async def test_a_missing_key_is_no_guess(engine: Engine) -> None:
    app = create_app(engine)
    async with calling(app, "203.0.113.5", "") as without:
        assert set(await statuses(without, 30)) == {401}


async def test_forged_websocket_tickets_are_limited_and_valid_ones_are_not(served: Served) -> None:
    async with served.client() as http:
        upgrade = {
            "connection": "upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        answers = [await http.get("/ws?ticket=forged", headers=upgrade) for _ in range(22)]
        assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) > 0
        from websockets.asyncio.client import connect

        async with connect(await served.ws_url()) as socket:
            assert "connection_id" in str(await socket.recv())


async def test_behind_a_proxy_the_last_forwarded_address_counts(engine: Engine) -> None:
    engine.config.behind_proxy = True
    app = create_app(engine)
    for number in range(21):  # what the client itself wrote into the header stays on the left
        async with calling(app, "127.0.0.1", **{"x-forwarded-for": f"10.0.0.{number}, 203.0.113.5"}) as guessing:
            last = await guessing.get("/rtstream")
    assert last.status_code == 429  # pyright: ignore[reportPossiblyUnboundVariable]
    async with calling(app, "127.0.0.1", KEY, **{"x-forwarded-for": "203.0.113.6"}) as other:
        assert (await other.get("/rtstream")).status_code == 200


async def test_without_a_proxy_the_header_is_ignored(engine: Engine) -> None:
    app = create_app(engine)
    for number in range(21):
        async with calling(app, "203.0.113.5", **{"x-forwarded-for": f"203.0.113.{number + 10}"}) as guessing:
            last = await guessing.get("/rtstream")
    assert last.status_code == 429  # pyright: ignore[reportPossiblyUnboundVariable]
