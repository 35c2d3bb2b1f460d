"""Whatever a request holds, the API refuses or serves it; it never fails inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import anyio
import pytest
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from rtstream.api.app import create_app, routes
from rtstream.engine.engine import Engine
from tests.rtstream.api.conftest import KEY

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


SEARCHES = "/rtstream/cameras"
"""A path that searches the network for seconds, whatever other parameters are sent."""


def readable() -> list[str]:
    """Paths of everything that can be read."""
    return [route.path for route in routes() if isinstance(route, Route)]


def filled(path: str, stream_id: str, index_id: str) -> str:
    path = path.replace("{stream_id}", stream_id).replace("{index_id}", index_id).replace("{number:int}", "1")
    for part in ("collection_id", "event_id", "alert_id", "video_id", "job_id", "link_id", "name", "recording_id"):
        path = path.replace(f"{{{part}}}", "default")
    return path.replace("{rest:path}", "default").replace("{at:int}", "1")


@pytest.fixture
def app(engine: Engine) -> ASGIApp:
    return create_app(engine)


async def status_of(app: ASGIApp, path: str, query: bytes = b"") -> int:
    """Request a path. HTTP clients take ten times longer, because they parse and quote thousands of long URLs."""
    ended = anyio.Event()
    statuses: list[int] = []
    requests: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if requests:
            return requests.pop()
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        elif not message.get("more_body"):
            ended.set()

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": query,
        "headers": [(b"host", b"api.test"), (b"x-access-token", KEY.encode())],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("api.test", 80),
        "client": ("127.0.0.1", 50_000),
        "root_path": "",
    }
    try:
        await app(scope, receive, send)
    except Exception as exc:  # noqa: BLE001 - the server would respond with 500
        pytest.fail(f"{path}?{query[:100]!r}: {exc!r}")
    return statuses[0]


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_query_value_is_refused_or_harmless(
    app: ASGIApp, add_stream: Callable[..., Any], add_index: Callable[..., Any], value: str
) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id, scenes=1)
    queries = {parameter: urlencode({parameter: value}).encode() for parameter in PARAMETERS}
    failed = []
    for path in readable():
        for parameter, query in queries.items():
            if path == SEARCHES and parameter != "wait_s":
                continue
            status = await status_of(app, filled(path, stream_id, index_id), query)
            if status >= 500:
                failed.append(f"{path}?{parameter}: {status}")
    assert failed == []


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_id_in_a_path_is_refused(app: ASGIApp, value: str) -> None:
    for path in readable():
        if path == SEARCHES:
            continue
        where = filled(path, "default", "default").replace("default", value[:15_000], 1)
        assert await status_of(app, where) < 500, path
