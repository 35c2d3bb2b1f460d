"""Links in responses begin with the public URL, or with the address that the client used."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from rtstream.api.base_url import base_url, origin


def request(host: str | None = None, *, scheme: str = "http", public_url: str | None = None, **headers: str) -> Request:
    engine = SimpleNamespace(config=SimpleNamespace(public_url=public_url), base_url="http://127.0.0.1:8740/")
    app = SimpleNamespace(state=SimpleNamespace(engine=engine))
    given = {**({} if host is None else {"host": host}), **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    scope: dict[str, Any] = {"type": "http", "scheme": scheme, "headers": raw, "app": app}
    return Request(scope)


@pytest.mark.parametrize(
    ("host", "scheme", "url"),
    [
        ("cam.local:8740", "http", "http://cam.local:8740"),
        ("cam.local", "https", "https://cam.local"),
        ("[::1]:9", "http", "http://[::1]:9"),
        ("h", "wss", "https://h"),
        ("h", "ws", "http://h"),
        ('h"><script>', "http", "http://127.0.0.1:8740"),
        ("h/path", "http", "http://127.0.0.1:8740"),
        ("user@h", "http", "http://127.0.0.1:8740"),
        ("", "http", "http://127.0.0.1:8740"),
        (None, "http", "http://127.0.0.1:8740"),
    ],
)
def test_a_plain_host_is_used_and_any_other_is_replaced(host: str | None, scheme: str, url: str) -> None:
    assert base_url(request(host, scheme=scheme)) == url


def test_the_public_url_takes_precedence() -> None:
    assert base_url(request("h", public_url="https://public.example/rt/")) == "https://public.example/rt"


def test_links_for_a_chat_are_those_of_the_mcp_server() -> None:
    assert origin(request("h", x_videodb_client="rtstream-mcp")).purpose == "chat"
    assert origin(request("h", x_videodb_client="other")).purpose == origin(request("h")).purpose == "sdk"
