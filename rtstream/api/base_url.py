"""The base address of links in answers: the public one if it is set, else the one the client itself used."""

from __future__ import annotations

import re

from starlette.requests import Request

from rtstream.api.routing import engine_of

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


def base_url(request: Request) -> str:
    """``http://host:port`` without a slash at the end.

    With ``public_url`` set the Host header has no say. Without, it decides: the engine may listen on several addresses
    and only the client knows which one it can reach. Only holders of the API key get such links.
    """
    engine = engine_of(request)
    if engine.config.public_url:
        return engine.config.public_url.rstrip("/")
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        return engine.base_url.rstrip("/")
    scheme = "https" if request.scope["scheme"] in ("https", "wss") else "http"  # a proxy may say wss
    return f"{scheme}://{host}"


def rebased(url: str, request: Request) -> str:
    """A link the engine made, on the address of ``base_url``."""
    made_on = engine_of(request).base_url.rstrip("/")
    return base_url(request) + url.removeprefix(made_on) if url.startswith(made_on + "/") else url
