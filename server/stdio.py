"""MCP over stdin and stdout, for a chat client or an IDE. No engine is contacted before a request needs one."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from rtstream import keys
from rtstream.client import Endpoint, Locate, RTStreamClient
from rtstream.errors import Unauthorized
from rtstream.rules.remote_clients import is_loopback
from server.engine_file import read_identity
from server.local_engine import LocalEngine
from server.mcp_server import create_mcp_server
from server.settings import Settings, renamed

log = logging.getLogger(__name__)


async def serve_stdio(settings: Settings) -> None:
    """Serve until stdin closes."""
    client = RTStreamClient.located_by(locate(settings))
    notices = renamed()
    for notice in notices:
        log.warning(notice)
    endpoint = create_mcp_server(settings, client, notices)
    await endpoint.mcp.run_stdio_async()


def locate(settings: Settings) -> Locate:
    """Create the function that finds the engine of the settings."""
    url = settings.api_url
    if url is None:
        return LocalEngine(
            settings.data_dir,
            settings.api_key,
            start_timeout_s=settings.engine_start_timeout_s,
            idle_exit_s=settings.engine_idle_exit_s,
        )

    async def given(start: bool) -> Endpoint:
        if settings.api_key:
            return Endpoint(url.rstrip("/"), settings.api_key)
        # The key in the data folder is that of the engine there: for no other service, and only once that is proven.
        key, identity = keys.read(settings.data_dir), read_identity(settings.data_dir)
        if not key or identity is None or not is_loopback(urlsplit(url).hostname or ""):
            raise Unauthorized("The API key for RTSTREAM_API_URL is missing. Set RTSTREAM_API_KEY.")
        return Endpoint(url.rstrip("/"), key, identity)

    return given
