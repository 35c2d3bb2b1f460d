"""Whatever a request holds, the API refuses or serves it; it never fails inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.routing import Route

from rtstream.api.app import routes

pytestmark = pytest.mark.anyio

PARAMETERS = (
    *("name", "status", "ordering", "collection_id", "limit", "offset", "page", "page_size", "start", "end", "since"),
    *("at", "max_side", "count", "engine", "segmenter", "length", "channels", "streams", "wait_s", "player_title", "v"),
)
HOSTILE = {
    "longer than a database pattern": "a" * 55_000,
    "wildcards": "%_\\" * 5_000,
    "beyond 64 bits": "9" * 40,
    "infinite": "1e999",
    "NUL": "a\x00b",
    "undecodable": "\udcff\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
}


def readable() -> list[str]:
    """Paths of everything that can be read."""
    return [route.path for route in routes() if isinstance(route, Route)]


def filled(path: str, stream_id: str, index_id: str) -> str:
    path = path.replace("{stream_id}", stream_id).replace("{index_id}", index_id).replace("{number:int}", "1")
    for part in ("collection_id", "event_id", "alert_id", "video_id", "job_id", "link_id", "name", "recording_id"):
        path = path.replace(f"{{{part}}}", "default")
    return path.replace("{rest:path}", "default").replace("{at:int}", "1")


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_query_value_is_refused_or_harmless(
    api: httpx.AsyncClient, add_stream: Callable[..., Any], add_index: Callable[..., Any], value: str
) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id, scenes=1)
    failed = []
    for path in readable():
        for parameter in PARAMETERS:
            response = await api.get(filled(path, stream_id, index_id), params={parameter: value})
            if response.status_code >= 500:
                failed.append(f"{path}?{parameter}: {response.status_code}")
    assert failed == []


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_id_in_a_path_is_refused(api: httpx.AsyncClient, value: str) -> None:
    for path in readable():
        where = filled(path, "default", "default").replace("default", quote(value[:15_000]), 1)
        response = await api.get(where)
        assert response.status_code < 500, path
