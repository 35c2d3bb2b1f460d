"""The live feed of an engine's messages: a WebSocket that reconnects, and the journal read with a cursor.

The engine numbers its messages, so a connection resumes where the previous one ended. Messages of a service without
numbers (the hosted one) are numbered locally, and its journal is the ring of messages received here.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import anyio
import anyio.to_thread

from rtstream.client.client import MAX_WAIT_S, RTStreamClient
from rtstream.client.journal import JournalFilter, Ring
from rtstream.concurrency import Broadcast
from rtstream.errors import RTStreamError, Unavailable
from rtstream.json_types import JsonObject
from rtstream.models import Channel, JournalPage, Message
from rtstream.rules.backoff import delay
from rtstream.rules.remote_clients import is_loopback

if TYPE_CHECKING:
    from socket import socket as Socket
    from ssl import SSLContext

    from rtstream.rules.identity import EngineIdentity

log = logging.getLogger(__name__)

RING_SIZE = 5000
RECONNECT_MAX_S = 15.0
HELLO_TIMEOUT_S = 10.0
ABSENCE_S = 10.0
"""Seconds for which a waiting read tolerates an engine that does not respond."""
ABSENCE_PAUSE_S = 0.5
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
CHANNELS = frozenset(get_args(Channel))
_SYNONYMS = {"visual_index": "scene_index", "spoken_index": "audio_index"}  # the hosted service's other names


@dataclass(frozen=True)
class FeedState:
    """State of the feed. It is ``idle`` until first needed. ``since`` is the Unix time at which the state began."""

    state: Literal["idle", "connected", "reconnecting"]
    since: float
    reason: str = ""


class Feed:
    """A live feed, run by ``async with feed.running(): ...``.

    It connects on the first ``need`` and then stays connected.

    Args:
        client: The client of the service.
        on_message: Called once with every numbered message, in order. Must not block or raise.
        on_gap: Called when messages may have been missed, that is on the first connection and after a connection that
            could not be resumed. Must not block or raise.
        ring_size: Number of messages retained for a service without a journal.
    """

    def __init__(
        self,
        client: RTStreamClient,
        on_message: Callable[[Message], None] = lambda _: None,
        on_gap: Callable[[], None] = lambda: None,
        ring_size: int = RING_SIZE,
    ) -> None:
        self.client = client
        self.state = FeedState("idle", time.time())
        self._on_message = on_message
        self._on_gap = on_gap
        self._ring = Ring(ring_size)
        self._grown = Broadcast()
        self._needed = anyio.Event()
        self._hurry = anyio.Event()  # a reader waits, so skip the pause before the next attempt
        self._ready = anyio.Event()
        self._hosted: bool | None = None  # None while unknown
        self._cursor: int | None = None
        self._connection_id: str | None = None
        self._was_connected = False  # in the most recent attempt

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the feed while the block is active."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def need(self, wait_s: float = 0.0) -> bool:
        """Request the feed.

        Waits up to ``wait_s`` seconds until its position is known. From then on, no message is missed.

        Returns:
            Whether the position is known.
        """
        self._needed.set()
        self._hurry.set()
        with anyio.move_on_after(wait_s):
            await self._ready.wait()
        return self._ready.is_set()

    async def hosted(self) -> bool:
        """Return whether the service lacks our extensions.

        Such a service has no journal and sends messages to this connection only.
        """
        if self._hosted is None:
            self._hosted = await self.client.info() is None
        return self._hosted

    async def connection_id(self) -> str | None:
        """Return the value for ``ws_connection_id``.

        This is the id of this connection for the hosted service, and None for our engine.
        """
        if not await self.hosted():
            return None
        if not await self.need(wait_s=HELLO_TIMEOUT_S):
            raise Unavailable("The service's WebSocket cannot be reached, so results would be lost. Try again.")
        return self._connection_id

    async def cursor(self) -> int:
        """Return the number of the newest entry. A read after it returns what happens from now on."""
        return (await self.read(None, limit=1)).cursor

    async def read(
        self,
        since: int | None,
        which: JournalFilter = JournalFilter(),  # noqa: B008 - a frozen value
        limit: int = 100,
        wait_s: float = 0.0,
    ) -> JournalPage:
        """Return entries that pass the filter, oldest first.

        Args:
            since: Return entries after this number. Without it, the newest entries are returned.
            which: Filter for the entries.
            limit: Maximum number of entries.
            wait_s: Seconds to wait (at most 50) for the first entry.
        """
        self._needed.set()
        if not await self.hosted():
            return await self._stored(since, which, limit, min(wait_s, MAX_WAIT_S))
        await self.need(wait_s=HELLO_TIMEOUT_S)
        truncated = False
        with anyio.move_on_after(min(wait_s, MAX_WAIT_S)):
            while True:
                grown = self._grown.next  # taken before the read, so that a message in between is not missed
                page = self._ring.page(since, which, limit)
                truncated |= page.truncated
                if page.entries or wait_s <= 0:
                    break
                since = page.cursor
                await grown.wait()
        page = self._ring.page(since, which, limit)
        return page.model_copy(update={"truncated": truncated or page.truncated})

    async def _stored(self, since: int | None, which: JournalFilter, limit: int, wait_s: float) -> JournalPage:
        """Read from the engine's journal. A wait survives a restart of the engine."""
        deadline = anyio.current_time() + wait_s
        truncated, patience_s = False, ABSENCE_S
        while True:
            left = max(0.0, deadline - anyio.current_time())
            try:
                page = await self.client.journal(since, which, limit, left)
            except Unavailable:
                if left <= ABSENCE_PAUSE_S or patience_s <= 0 or since is None:
                    raise
                patience_s -= ABSENCE_PAUSE_S
                await anyio.sleep(ABSENCE_PAUSE_S)
                continue
            truncated |= page.truncated
            if page.entries or anyio.current_time() >= deadline - ABSENCE_PAUSE_S:
                return page.model_copy(update={"truncated": truncated})
            since, patience_s = page.cursor, ABSENCE_S  # an engine that shuts down responds before the time is up

    async def _run(self) -> None:
        await self._needed.wait()
        attempt = 0
        while True:
            self._was_connected = False
            try:
                await self._follow()
            except (RTStreamError, OSError) as exc:
                self._lost(str(exc))
            except Exception as exc:  # a defect must not end the feed permanently
                log.exception("The feed failed")
                self._lost(type(exc).__name__)
            attempt = 1 if self._was_connected else attempt + 1
            self._hurry = anyio.Event()
            with anyio.move_on_after(delay(attempt, RECONNECT_MAX_S, random.random())):  # noqa: S311 - no secret
                await self._hurry.wait()

    async def _follow(self) -> None:
        """Run one connection, from the handshake to its end."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        # Following does not start an engine, because that would prevent it from ever becoming idle.
        url, gap = await self._connection_url()
        options: JsonObject = {"max_size": MAX_MESSAGE_BYTES, "open_timeout": HELLO_TIMEOUT_S, "close_timeout": 1}
        if is_loopback(urlsplit(url).hostname or ""):
            options["proxy"] = None
        endpoint = await self.client.endpoint(start=False)
        try:
            if endpoint.identity is not None:
                # The engine that proves itself, even when it names a public address for others.
                scheme, _, place = endpoint.url.partition("://")
                parts = urlsplit(url)._replace(scheme=scheme.replace("http", "ws"), netloc=place.partition("/")[0])
                url = urlunsplit(parts)
                options["proxy"] = None
                options |= await _proven(url, endpoint.api_key, endpoint.identity)
            async with connect(url, **options) as socket:
                with anyio.fail_after(HELLO_TIMEOUT_S):
                    hello = _object(await socket.recv())
                self._connection_id = str(hello.get("connection_id") or "") or None
                self.state = FeedState("connected", time.time())
                if gap:
                    self._on_gap()
                self._ready.set()
                self._was_connected = True
                async for raw in socket:
                    self._take(_object(raw))
            self._lost("the engine closed the connection")
        except (WebSocketException, TimeoutError) as exc:
            self._lost(f"{type(exc).__name__}")

    async def _connection_url(self) -> tuple[str, bool]:
        """Return the URL to connect to, and whether messages since the last connection are lost."""
        self._hosted = await self.client.info(start=False) is None
        url = await self.client.websocket_url(start=False)
        if self._hosted:
            return url, True
        page = await self.client.journal(self._cursor, limit=1, start=False)
        # A cursor beyond the newest entry belongs to another data folder. Continue from the newest entry.
        gap = self._cursor is None or page.truncated
        if self._cursor is None or page.cursor < self._cursor:
            self._cursor = page.cursor
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query)) | {"scope": "all", "since": str(self._cursor)}
        return urlunsplit(parts._replace(query=urlencode(query))), gap

    def _take(self, raw: JsonObject) -> None:
        message = _message(raw)
        if message is None:
            return
        if self._hosted:
            message = self._ring.append(message)
        elif message.seq <= (self._cursor or 0):
            return  # a partial transcript (number 0), or a message seen before the connection was resumed
        else:
            self._cursor = message.seq
        self._grown.notify()
        self._on_message(message)

    def _lost(self, reason: str) -> None:
        if self.state.state != "reconnecting":
            log.info("The feed is reconnecting: %s", reason)
            self.state = FeedState("reconnecting", time.time(), reason)
        self._connection_id = None
        if self._ready.is_set():
            self._ready = anyio.Event()


class _Proof(TypedDict, total=False):
    ssl: SSLContext
    sock: Socket


async def _proven(url: str, api_key: str, identity: EngineIdentity) -> _Proof:
    """Options of a WebSocket that leads to the engine: the ticket in its URL is as good as the key."""
    from rtstream.client.identity import open_proven, pinned

    if url.startswith("wss:"):
        return {"ssl": pinned(identity.certificate)}
    return {"sock": await anyio.to_thread.run_sync(open_proven, url, api_key, identity)}


def _object(raw: str | bytes) -> JsonObject:
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _message(raw: JsonObject) -> Message | None:
    """Return a journal message, or None for anything else."""
    channel = _SYNONYMS.get(str(raw.get("channel")), raw.get("channel"))
    if channel not in CHANNELS or not isinstance(raw.get("data"), dict):
        return None
    data: JsonObject = raw["data"]
    if channel == "alert" and isinstance(at := data.get("timestamp"), int | float):
        data = {**data, "timestamp": at / 1000}  # seconds, as everywhere else
    try:
        return Message.model_validate({"timestamp": "", **raw, "channel": channel, "data": data})
    except ValueError:
        return None
