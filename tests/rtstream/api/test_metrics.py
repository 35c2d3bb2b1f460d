"""Metrics need the key, as a bearer token or in the header of the API."""

from __future__ import annotations

import httpx
import pytest

from rtstream.api.app import create_app
from rtstream.engine.engine import Engine
from tests.rtstream.api.conftest import KEY

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Basic {KEY}"}, 401),
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer {KEY}"}, 200),
        ({"x-access-token": KEY}, 200),
    ],
)
async def test_metrics_need_the_key(engine: Engine, headers: dict[str, str], status: int) -> None:
    transport = httpx.ASGITransport(create_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers) as client:
        response = await client.get("/metrics")
    assert response.status_code == status
    if status == 200:
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "rtstream_journal_seq" in response.text
