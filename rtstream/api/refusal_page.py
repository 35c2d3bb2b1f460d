"""The page of one sentence that a browser shows for a link that does not work."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rtstream.api.envelope import retry_after
from rtstream.errors import RTStreamError

PAGES = ("/watch", "/embed")
"""Paths that browsers open."""

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>Recording</title>
<style>body {{ margin: 3rem auto }} p {{ max-width: 32em }} * {{ font-family: system-ui }}</style>
</head>
<body><p role="alert">{sentence}</p></body>
</html>
"""


def wants_page(request: Request) -> bool:
    """Return whether a client that is refused shows HTML. The others receive JSON."""
    accepted = request.headers.get("accept", "")
    if "text/html" in accepted:
        return True
    return request.url.path.rstrip("/") in PAGES and "application/json" not in accepted


def refusal_page(error: RTStreamError) -> Response:
    """Return an expected failure as a page."""
    return HTMLResponse(_PAGE.format(sentence=escape(error.message)), error.status, {**_HEADERS, **retry_after(error)})
