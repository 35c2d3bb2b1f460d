"""The newest journal entries in memory, read once and shared by all WebSocket connections.

A connection holds no queue, only its place: it takes entries from the shared memory at its own pace, and when it has
fallen out of it (or begins with an old cursor) it reads the journal until it has caught up. So a slow client costs no
memory, holds up nobody and still misses nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import anyio
from pydantic_core import to_json

from rtstream.engine.journal import Journal
from rtstream.models import Message

log = logging.getLogger(__name__)

MAX_ITEMS = 2000
MAX_BYTES = 8 * 1024 * 1024
MAX_MESSAGE = 1024 * 1024 - 1024
"""Bytes a client takes in one message are 1 MiB (API reference 3.1); longer ones are cut."""
BATCH = 16


@dataclass(frozen=True, slots=True)
class Item:
    """One message, ready to send, and what it belongs to: the (kind, id) pairs a connection may be bound to."""

    seq: int
    text: str
    targets: frozenset[tuple[str, str]]


def item(message: Message, *, index_id: str = "", alert_id: str = "") -> Item:
    """The wire form of a message."""
    targets = {("stream", message.rtstream_id), ("index", index_id), ("alert", alert_id)}
    if message.channel == "transcript":
        targets.add(("transcript", message.rtstream_id))
    return Item(message.seq, wire_text(message), frozenset(target for target in targets if target[1]))


def wire_text(message: Message) -> str:
    """JSON of at most ``MAX_MESSAGE`` bytes; what does not fit is cut and marked with ``data.truncated``."""
    text = to_json(message, inf_nan_mode="null", serialize_unknown=True)
    if len(text) > MAX_MESSAGE:
        room = MAX_MESSAGE // (8 * max(1, len(message.data)))
        data = {key: _cut(value, room) for key, value in message.data.items()}
        text = to_json(message.model_copy(update={"data": {**data, "truncated": True}}), inf_nan_mode="null")
    return text.decode()


def _cut(value: Any, room: int) -> Any:
    if len(to_json(value, inf_nan_mode="null", serialize_unknown=True)) <= room:
        return value
    return value[: room // 6] if isinstance(value, str) else None  # a character is at most 6 bytes of JSON


class JournalTail:
    """Follows the journal; ``items`` gives every entry after a cursor to any number of readers."""

    def __init__(self, journal: Journal, *, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES) -> None:
        self._journal = journal
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._kept: deque[Item] = deque()
        self._bytes = 0
        self._begin = 0
        """Place of the oldest kept item; places count every item that was ever added."""
        self._floor = 0
        """Every journal entry with a higher number is kept here, or will come."""
        self._ready = anyio.Event()
        self._grown = anyio.Event()

    async def run(self) -> None:
        """Read the journal for everybody, from now on. Runs until cancelled."""
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
            except Exception:
                log.exception("reading the journal failed; trying again")
                await anyio.sleep(1.0)

    def add(self, added: Item) -> None:
        """Hand an item to all readers. With ``seq`` 0 it is in no journal: only readers that keep up get it."""
        self._kept.append(added)
        self._bytes += len(added.text)
        while len(self._kept) > self._max_items or self._bytes > self._max_bytes:
            gone = self._kept.popleft()
            self._bytes -= len(gone.text)
            self._begin += 1
            self._floor = max(self._floor, gone.seq)
        grown, self._grown = self._grown, anyio.Event()
        grown.set()

    async def items(self, since: int) -> AsyncGenerator[Item]:
        """Every entry after ``since``, in order, each once, without end."""
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
                grown = self._grown
                batch = list(islice(self._kept, place - self._begin, place - self._begin + BATCH))
                if not batch:
                    await grown.wait()
                for new in batch:
                    if new.seq and new.seq <= cursor:
                        continue  # read from the journal before it came here
                    yield new
                    cursor = new.seq or cursor
                place += len(batch)

    async def _stored(self, cursor: int) -> AsyncGenerator[Item]:
        """Entries after ``cursor`` from the journal, until memory holds what follows."""
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
