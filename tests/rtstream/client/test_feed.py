"""The feed: every message once and in order, through ends of the connection and of the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from rtstream.client import Endpoint, Feed, JournalFilter, RTStreamClient
from rtstream.models import Message
from tests.rtstream.client.hosted import hosted_service
from tests.server.mcp_servers import KEY, LIMIT_S, serving

pytestmark = pytest.mark.anyio


class Received:
    """The messages that came, and a way to wait for them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.gaps = 0
        self._grown = anyio.Event()

    def __call__(self, message: Message) -> None:
        self.messages.append(message)
        self._wake()

    def gap(self) -> None:
        self.gaps += 1
        self._wake()

    def _wake(self) -> None:
        grown, self._grown = self._grown, anyio.Event()
        grown.set()

    async def until(self, check: Callable[[], bool]) -> None:
        with anyio.fail_after(LIMIT_S):
            while not check():
                await self._grown.wait()


def feed_at(places: list[str], received: Received) -> Feed:
    """A feed of the engine that is at the last of these places."""

    async def locate(start: bool) -> Endpoint:
        return Endpoint(places[-1], KEY)

    return Feed(RTStreamClient.located_by(locate), received, received.gap)


async def test_nothing_is_missed_or_repeated_when_the_engine_goes_away_and_comes_back(tmp_path: Path) -> None:
    received, places = Received(), []
    feed = feed_at(places, received)
    assert feed.state.state == "idle"
    async with feed.running():
        async with serving(tmp_path / "data") as served:
            places.append(served.url)
            await served.happen("health", "rts-1", state="connecting")  # before anybody asked
            assert await feed.need(LIMIT_S)
            first = await served.happen("alert", "rts-1", label="one")
            await received.until(lambda: len(received.messages) == 1)
            assert feed.state.state == "connected"
        async with serving(tmp_path / "data") as served:
            places.append(served.url)
            second = await served.happen("alert", "rts-1", label="two")
            third = await served.happen("scene_index", "rts-1", text="three")
            await received.until(lambda: len(received.messages) == 3)
            await feed.client.aclose()
    assert [message.seq for message in received.messages] == [first, second, third]
    assert received.gaps == 1, "only the first connection, which began in the middle"


async def test_a_new_data_folder_is_noticed_and_followed(tmp_path: Path) -> None:
    received, places = Received(), []
    feed = feed_at(places, received)
    async with feed.running():
        async with serving(tmp_path / "old") as served:
            places.append(served.url)
            assert await feed.need(LIMIT_S)
            for _ in range(5):
                await served.happen("alert", "rts-1", label="old")
            await received.until(lambda: len(received.messages) == 5)
        async with serving(tmp_path / "new") as served:
            places.append(served.url)
            await received.until(lambda: received.gaps == 2)
            assert await served.happen("alert", "rts-1", label="new") == 1
            await received.until(lambda: len(received.messages) == 6)
            await feed.client.aclose()
    assert received.messages[-1].data["label"] == "new"


async def test_a_service_without_a_journal_is_followed_with_numbers_of_our_own() -> None:
    received = Received()
    async with hosted_service() as service:
        client = RTStreamClient(service.url, KEY)
        feed = Feed(client, received, received.gap, ring_size=3)
        async with feed.running():
            assert await feed.connection_id() == "wsc-1"
            start = await feed.cursor()
            await service.send("visual_index", text="a parcel", start=1.0, end=2.0)
            await service.send("capture_session", status="active")
            await service.send("alert", label="parcel", confidence=0.4)
            page = await feed.read(start, JournalFilter(channels=("scene_index",)), wait_s=5)
            assert [(m.seq, m.channel, m.data["text"]) for m in page.entries] == [(1, "scene_index", "a parcel")]
            await received.until(lambda: len(received.messages) == 2)
            alerts = JournalFilter(channels=("alert",), min_confidence=0.5)
            page = await feed.read(page.cursor, alerts, wait_s=0.05)
            assert (page.entries, page.cursor) == ([], 2)
            await service.sockets[-1].close(1001)
            await received.until(lambda: received.gaps == 2)
            assert await feed.connection_id() == "wsc-2"
            for number in range(3):
                await service.send("alert", label=f"later {number}", confidence=0.9)
            await received.until(lambda: len(received.messages) == 5)
            page = await feed.read(1, limit=2)
            assert ([m.seq for m in page.entries], page.cursor, page.has_more, page.truncated) == (
                [3, 4],
                4,
                True,
                True,
            )
        await client.aclose()
