"""Resolves the hosts of sources and webhooks, and checks every address before a connection is opened."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from rtstream.config import EngineConfig
from rtstream.errors import InvalidRequest
from rtstream.rules.addresses import check_addresses, check_local_path, parse_allowed
from rtstream.rules.source_options import check_listening, parse_ports
from rtstream.rules.source_urls import ANY_ADDRESS, PUSH, SourceUrl, is_address, parse_source, parse_webhook

RESOLVE_TIMEOUT_S = 5.0


class Addresses:
    """Checks addresses by the engine's settings. Raises InvalidRequest for an invalid setting."""

    def __init__(self, config: EngineConfig) -> None:
        self._allowed = parse_allowed(config.allow_networks)
        self._ports = parse_ports(config.listen_ports)
        self._webhooks = parse_allowed(config.webhook_allow_networks, "webhook")
        separator = ";" if ";" in config.media_folders else ":"
        self._folders = [Path(part).expanduser().resolve() for part in config.media_folders.split(separator) if part]

    async def source(self, url: str) -> str:
        """Check the URL of a source and return the URL to open. Raises InvalidRequest."""
        source = await self._parsed(url)
        if _has_address(source):
            check_addresses(await resolve(source.host, source.port), self._allowed)
        return source.url

    async def stored_source(self, url: str) -> str:
        """Check a source that was accepted earlier, without resolving names, and return the URL to open.

        A machine that starts before its network cannot resolve names, or resolves them to a sign-in page. The recorder
        therefore resolves and checks the name at every connection, and retries. Raises InvalidRequest for problems that
        a retry cannot solve.
        """
        source = await self._parsed(url)
        if _has_address(source) and is_address(source.host):
            check_addresses([source.host], self._allowed)
        return source.url

    async def _parsed(self, url: str) -> SourceUrl:
        """Parse the URL of a source, and check its file or the port that it would listen on."""
        source = parse_source(url)
        if source.scheme == "file":
            path = await anyio.to_thread.run_sync(lambda: Path(source.file).resolve())
            check_local_path(path, self._folders)
            if not await anyio.Path(path).is_file():
                raise InvalidRequest("The media file does not exist. Check the path.")
            return replace(source, file=path.as_uri())
        if source.listens:
            check_listening(source.port, self._ports)
        return source

    async def webhook(self, url: str) -> list[str]:
        """Check the URL of a webhook receiver and return the addresses to connect to. Raises InvalidRequest."""
        source = parse_webhook(url)
        found = await resolve(source.host, source.port)
        check_addresses(found, self._webhooks, "webhook")
        return found


def _has_address(source: SourceUrl) -> bool:
    """Return whether the source names a host.

    Files and publishers do not, and a listener may accept senders on all addresses.
    """
    return source.scheme not in ("file", PUSH) and not (source.listens and source.host == ANY_ADDRESS)


async def resolve(host: str, port: int) -> list[str]:
    """Return all addresses of a host. An address needs no resolver, which would occupy a thread."""
    if is_address(host):
        return [host]
    try:
        with anyio.fail_after(RESOLVE_TIMEOUT_S):
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InvalidRequest("The host name cannot be resolved. Check its spelling and the network.") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
