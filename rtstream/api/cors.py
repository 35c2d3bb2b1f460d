"""Cross-origin requests (CORS) of web pages on the origins in the settings."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

EXPOSED = (
    "Mcp-Session-Id",
    "Mcp-Protocol-Version",
    "WWW-Authenticate",
    "Retry-After",
    "Content-Length",
    "Content-Range",
    "Accept-Ranges",
    "X-Frame-Time",
    "X-Frame-Times",
    "X-Frame-Width",
    "X-Frame-Height",
)
"""Headers of responses that pages may read."""


def parse_origins(setting: str) -> list[str]:
    """Return the origins in a comma-separated setting, written as browsers send them."""
    return [origin for part in setting.split(",") if (origin := part.strip().rstrip("/").lower())]


class AllowedOrigins:
    """Middleware that allows web pages of some origins to call the API and MCP. Requests still need the key.

    Requests of other origins pass unchanged: routes without a key have headers of their own for any origin.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)
        # All methods and headers, because the key decides about access. A preflight never reaches a route.
        self._cors = CORSMiddleware(
            app, allow_origins=list(self._origins), allow_methods=["*"], allow_headers=["*"], expose_headers=EXPOSED
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection (ASGI)."""
        allowed = scope["type"] == "http" and Headers(scope=scope).get("origin") in self._origins
        await (self._cors if allowed else self._app)(scope, receive, send)
