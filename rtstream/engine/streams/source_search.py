"""Finds the stream that already has a source, and lets equal sources be connected one after the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio

from rtstream.engine.streams.addresses import resolve
from rtstream.errors import InvalidRequest
from rtstream.rules.source_identity import SourceIdentity, identity_of, same_host
from rtstream.rules.source_urls import PUSH, SourceUrl, is_address, parse_source
from rtstream.store.streams import StreamRow

MAX_CANDIDATES = 32
"""Streams that differ in their host alone, and whose hosts are resolved."""
RESOLVE_S = 5.0


class SourceSearch:
    """The sources that are being connected at present, by their identity."""

    def __init__(self) -> None:
        self._turns: dict[SourceIdentity, tuple[anyio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncGenerator[None]:
        """Hold other calls for equal sources until the block ends, so that the second one finds the first stream."""
        key = identity_of(parse_source(url))
        lock, users = self._turns.get(key, (anyio.Lock(), 0))
        self._turns[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            _, users = self._turns.pop(key)
            if users > 1:
                self._turns[key] = (lock, users - 1)

    async def find(self, url: str, streams: Sequence[StreamRow]) -> StreamRow | None:
        """Return the stream with the same source, the oldest one if there are several.

        Args:
            url: The URL of a source, as it is opened.
            streams: All streams, oldest first.
        """
        wanted = parse_source(url)
        key = identity_of(wanted)
        alike = [(row, source) for row in streams if (source := _parsed(row.url)) and identity_of(source) == key]
        same = next((row for row, source in alike if source.host == wanted.host), None)
        if same is not None or not wanted.host or wanted.scheme == PUSH:  # the name of a publisher is not a host
            return same
        hosts = [wanted, *(source for _, source in alike[:MAX_CANDIDATES])]
        addresses = await _addresses(hosts)
        for row, source in alike[:MAX_CANDIDATES]:
            if same_host(wanted, source, addresses[wanted.host], addresses[source.host]):
                return row
        return None


def is_same_source(url: str, other: str) -> bool:
    """Return whether two URLs of one host lead to the same media. The spelling of the host counts."""
    first, second = _parsed(url), _parsed(other)
    if first is None or second is None:
        return url == other
    return identity_of(first) == identity_of(second) and first.host == second.host


def _parsed(url: str) -> SourceUrl | None:
    try:
        return parse_source(url)
    except InvalidRequest:  # stored by an earlier version
        return None


async def _addresses(sources: Sequence[SourceUrl]) -> dict[str, list[str]]:
    """The addresses of each host, none for a host that cannot be resolved in time."""
    found: dict[str, list[str]] = {
        source.host: [source.host] if is_address(source.host) else [] for source in sources if source.host
    }

    async def look_up(source: SourceUrl) -> None:
        try:
            found[source.host] = await resolve(source.host, source.port)
        except (InvalidRequest, TimeoutError):
            return

    if len(found) == 1:
        return found
    with anyio.move_on_after(RESOLVE_S):
        async with anyio.create_task_group() as tasks:
            for host in [host for host, known in found.items() if not known]:
                tasks.start_soon(look_up, next(source for source in sources if source.host == host))
    return found
