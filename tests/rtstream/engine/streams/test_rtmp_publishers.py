"""Publishers are told apart by their stream keys, and everything else is refused in time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import pytest
from anyio.abc import SocketStream

from rtstream.engine.streams import publisher_routing, rtmp_publishers
from rtstream.engine.streams.publishers import Publishers
from rtstream.ipc.sockets import SUPPORTED, listen, publisher_socket
from rtstream.recorder.publisher import PublisherQueue
from tests.rtstream.rules.rtmp_client import HANDSHAKE, opening

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not SUPPORTED, reason="publishers are accepted on Linux only")]
NAMES = {"phone": "rts-1", "obs": "rts-2", "drone": "rts-3", "door": "rts-4"}
Recorders = Callable[[str], PublisherQueue]
BASE = "http://127.0.0.1:1"


class Front:
    """Publishers that are accepted, and their clients."""

    def __init__(self, checked: Publishers) -> None:
        self.checked = checked
        self.clients: list[SocketStream] = []

    def key_of(self, name: str) -> str:
        return self.checked.urls(name, BASE)[0].rpartition("/")[2]

    async def connected(self, data: bytes) -> SocketStream:
        client = await anyio.connect_tcp("127.0.0.1", urlsplit(self.checked.urls("obs", BASE)[0]).port or 0)
        self.clients.append(client)
        await client.send(data)
        return client


@asynccontextmanager
async def accepting(folder: Path) -> AsyncIterator[Front]:
    async def names() -> dict[str, str]:
        return NAMES

    checked = Publishers("rtmp://127.0.0.1:0", folder, names)
    async with anyio.create_task_group() as tasks:
        checked.start(tasks, "sk-key")
        front = Front(checked)
        try:
            yield front
        finally:
            for client in front.clients:
                await client.aclose()
        tasks.cancel_scope.cancel()


@pytest.fixture
def recorders(tmp_path: Path) -> Iterator[Recorders]:
    """Starts the recorder's side of a stream."""
    with ExitStack() as stack:

        def start(stream_id: str) -> PublisherQueue:
            queue = PublisherQueue(listen(tmp_path, publisher_socket(stream_id)))
            stack.callback(queue.close)
            return queue

        yield start


async def received(client: SocketStream, text: bytes = b"") -> bytes:
    """Everything up to ``text``, or to the end of the connection."""
    found = b""
    with anyio.fail_after(10):
        while not text or text not in found:
            try:
                found += await client.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                break
    return found


async def test_four_publishers_at_once_reach_the_recorders_of_their_keys(recorders: Recorders, tmp_path: Path) -> None:
    queues = {name: recorders(stream_id) for name, stream_id in NAMES.items()}
    async with accepting(tmp_path) as front:
        clients = [await front.connected(opening(front.key_of(name))) for name in NAMES]
        for name, client in zip(NAMES, clients, strict=True):
            assert b"Publish.Start" in await received(client, b"Publish.Start")
            await client.send(name.encode())
            await anyio.to_thread.run_sync(queues[name].wait, 5)


@pytest.mark.parametrize("key", ["", "wrong", "a" * 24, "../../x"])
async def test_a_wrong_key_is_refused_within_a_second(tmp_path: Path, key: str) -> None:
    async with accepting(tmp_path) as front:
        with anyio.fail_after(1):
            client = await front.connected(opening(key))
            said = await received(client, b"key is unknown")
            await client.aclose()
        assert b"NetStream.Publish.BadName" in said


async def test_a_second_publisher_on_a_key_is_refused(recorders: Recorders, tmp_path: Path) -> None:
    recorders("rts-2")
    async with accepting(tmp_path) as front:
        first = await front.connected(opening(front.key_of("obs")))
        await received(first, b"Publish.Start")
        second = await front.connected(opening(front.key_of("obs")))
        assert b"Another publisher is sending" in await received(second, b"is sending")


async def test_a_recorder_that_is_starting_is_waited_for(recorders: Recorders, tmp_path: Path) -> None:
    async with accepting(tmp_path) as front:
        client = await front.connected(opening(front.key_of("obs")))
        await received(client, b"Connect.Success")
        recorders("rts-2")
        assert b"Publish.Start" in await received(client, b"Publish.Start")


async def test_a_key_of_a_stream_without_a_recorder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_routing, "STARTING_S", 0.2)
    async with accepting(tmp_path) as front:
        client = await front.connected(opening(front.key_of("obs")))
        assert b"recorder of this stream" in await received(client)


@pytest.mark.parametrize("data", [b"", b"\x03", HANDSHAKE, b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_client_that_does_not_publish_is_disconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(rtmp_publishers, "PUBLISH_S", 0.3)
    async with accepting(tmp_path) as front:
        client = await front.connected(data)
        assert b"Publish" not in await received(client)


async def test_connections_that_do_not_publish_are_limited_per_address(tmp_path: Path) -> None:
    async with accepting(tmp_path) as front:
        held = [await front.connected(b"\x03") for _ in range(rtmp_publishers.MOST_PER_ADDRESS)]
        assert await received(await front.connected(b"\x03")) == b""
        await held.pop().aclose()
        with anyio.fail_after(5):
            while b"unknown" not in await received(await front.connected(opening("wrong")), b"unknown"):
                await anyio.lowlevel.checkpoint()
