"""The base URL of links in responses, which is the public URL if it is set, else the one that the client used."""

from __future__ import annotations

import re

from starlette.requests import Request

from rtstream.api.routing import engine_of

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


def base_url(request: Request) -> str:
    """``http://host:port`` without a trailing slash.

    If ``public_url`` is set, the Host header is ignored. Otherwise it is used, because the engine may listen on several
    addresses and only the client knows which one it can reach. Only holders of the API key receive such links.
    """
    engine = engine_of(request)
    if engine.config.public_url:
        return engine.config.public_url.rstrip("/")
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        return engine.base_url.rstrip("/")
    scheme = "https" if request.scope["scheme"] in ("https", "wss") else "http"  # a proxy may report wss
    return f"{scheme}://{host}"


def rebased(url: str, request: Request) -> str:
    """Move a link of the engine to ``base_url``."""
    made_on = engine_of(request).base_url.rstrip("/")
    return base_url(request) + url.removeprefix(made_on) if url.startswith(made_on + "/") else url
