"""The base URL of links in responses, which is the public URL if it is set, else the one that the client used."""

from __future__ import annotations

import re

from starlette.requests import Request

from rtstream.api.routing import engine_of
from rtstream.rules.link_targets import LinkOrigin

CHAT_CLIENT = "rtstream-mcp"
"""Value of the header ``x-videodb-client`` in requests of the MCP server."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


def base_url(request: Request) -> str:
    """Return ``http://host:port`` without a trailing slash.

    If ``public_url`` is set, the Host header is ignored. Otherwise, it is used, because the engine may listen on
    several addresses and only the client knows which one it can reach. Only holders of the API key receive such links.
    """
    engine = engine_of(request)
    if engine.config.public_url:
        return engine.config.public_url.rstrip("/")
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        return engine.base_url.rstrip("/")
    scheme = "https" if request.scope["scheme"] in ("https", "wss") else "http"  # a proxy may report wss
    return f"{scheme}://{host}"


def origin(request: Request) -> LinkOrigin:
    """Return where the links of a response begin, and their purpose: a chat, or a program that calls the API."""
    chat = request.headers.get("x-videodb-client") == CHAT_CLIENT
    return LinkOrigin(base_url(request), "chat" if chat else "sdk")
