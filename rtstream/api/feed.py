"""The newest journal entries in memory, read once and shared by all WebSocket connections.

A connection holds a position instead of a queue. It takes entries from the shared memory at its own pace. When it has
fallen behind the memory, or starts with an old cursor, it reads the journal until it reaches the memory. A slow client
therefore costs no memory, delays no other client and misses nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice

import anyio
from pydantic_core import to_json

from rtstream.concurrency import Broadcast, log_failure
from rtstream.engine.journal import Journal
from rtstream.models import Message

log = logging.getLogger(__name__)

MAX_ITEMS = 2000
MAX_BYTES = 8 * 1024 * 1024
MAX_MESSAGE = 1024 * 1024 - 1024
"""Clients accept messages of up to 1 MiB (API reference 3.1). Longer messages are truncated."""
BATCH = 16


@dataclass(frozen=True, slots=True)
class Item:
    """One message, ready to send, with the (kind, id) pairs to which a connection may subscribe."""

    seq: int
    text: str
    targets: frozenset[tuple[str, str]]


def item(message: Message, *, index_id: str = "", alert_id: str = "") -> Item:
    """The wire form of a message."""
    targets = {("stream", message.rtstream_id), ("index", index_id), ("alert", alert_id)}
    if message.channel == "transcript":
        targets.add(("transcript", message.rtstream_id))
    if message.channel == "alert" and isinstance(at := message.data.get("timestamp"), int | float):
        # The journal has seconds here, and the published API has milliseconds.
        message = message.model_copy(update={"data": {**message.data, "timestamp": round(1000 * at)}})
    return Item(message.seq, wire_text(message), frozenset(target for target in targets if target[1]))


def wire_text(message: Message) -> str:
    """Encode as JSON of at most ``MAX_MESSAGE`` bytes. Longer fields are truncated, and ``data.truncated`` is set."""
    text = to_json(message, inf_nan_mode="null", serialize_unknown=True)
    if len(text) > MAX_MESSAGE:
        room = MAX_MESSAGE // (8 * max(1, len(message.data)))
        data = {key: _cut(value, room) for key, value in message.data.items()}
        text = to_json(message.model_copy(update={"data": {**data, "truncated": True}}), inf_nan_mode="null")
    return text.decode()


def _cut(value: object, room: int) -> object:
    if len(to_json(value, inf_nan_mode="null", serialize_unknown=True)) <= room:
        return value
    return value[: room // 6] if isinstance(value, str) else None  # a character is at most 6 bytes of JSON


class JournalTail:
    """Follows the journal. ``items`` yields every entry after a cursor to any number of readers."""

    def __init__(self, journal: Journal, *, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES) -> None:
        self._journal = journal
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._kept: deque[Item] = deque()
        self._bytes = 0
        self._begin = 0
        """Position of the oldest item in memory. Positions count all items that were ever added."""
        self._floor = 0
        """Every journal entry with a higher number is in memory or will be added."""
        self._ready = anyio.Event()
        self._grown = Broadcast()

    async def run(self) -> None:
        """Read the journal for all connections from now on. Runs until cancelled."""
        last: int | None = None
        while True:
            try:
                if last is None:
                    self._floor = last = await self._journal.latest()
                    self._ready.set()
                async for batch in self._journal.follow(last):
                    for message, row in batch:
                        self.add(item(message, index_id=row.index_id, alert_id=row.alert_id))
                        last = message.seq
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "Reading the journal failed and is retried", exc)
                await anyio.sleep(1.0)

    def add(self, added: Item) -> None:
        """Pass an item to all readers. With ``seq`` 0, it has no journal entry and reaches only current readers."""
        self._kept.append(added)
        self._bytes += len(added.text)
        while len(self._kept) > self._max_items or self._bytes > self._max_bytes:
            gone = self._kept.popleft()
            self._bytes -= len(gone.text)
            self._begin += 1
            self._floor = max(self._floor, gone.seq)
        self._grown.notify()

    async def items(self, since: int) -> AsyncGenerator[Item]:
        """Yield every entry after ``since`` once, in order, without end."""
        await self._ready.wait()
        cursor = since
        while True:
            if cursor < self._floor:
                async with aclosing(self._stored(cursor)) as stored:
                    async for old in stored:
                        yield old
                        cursor = old.seq
            place = self._place_after(cursor)
            while place >= self._begin:  # still in memory
                grown = self._grown.next
                batch = list(islice(self._kept, place - self._begin, place - self._begin + BATCH))
                if not batch:
                    await grown.wait()
                for new in batch:
                    if new.seq and new.seq <= cursor:
                        continue  # already read from the journal
                    yield new
                    cursor = new.seq or cursor
                place += len(batch)

    async def _stored(self, cursor: int) -> AsyncGenerator[Item]:
        """Yield entries after ``cursor`` from the journal until the memory contains the next one."""
        async with aclosing(self._journal.follow(cursor, batch=BATCH)) as batches:  # pyright: ignore[reportArgumentType]
            async for batch in batches:
                for message, row in batch:
                    yield item(message, index_id=row.index_id, alert_id=row.alert_id)
                if batch[-1][0].seq >= self._floor:
                    return

    def _place_after(self, cursor: int) -> int:
        for place, kept in enumerate(self._kept, self._begin):
            if kept.seq > cursor:
                return place
        return self._begin + len(self._kept)
