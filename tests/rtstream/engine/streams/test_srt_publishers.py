"""SRT publishers are told apart by their stream ids on one port, and refused in time."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from rtstream.engine.streams import publisher_routing, srt_publishers
from rtstream.engine.streams.publisher_routing import PublisherRouting
from rtstream.engine.streams.srt_publishers import SrtListener
from rtstream.ipc.sockets import SUPPORTED, listen, publisher_socket
from rtstream.recorder.publisher import PublisherQueue
from tests.rtstream.rules.srt_client import ENCRYPTED, INDUCTION, Caller, conclusion
from tests.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not SUPPORTED, reason="publishers are accepted on Linux only")]
NAMES = {"phone": "rts-1", "obs": "rts-2", "drone": "rts-3", "door": "rts-4"}
Recorders = Callable[[str], PublisherQueue]
UNAUTHORIZED, CONFLICT, DOWN, WRONG_VERSION = 2401, 2409, 2503, 1008
SHUTDOWN = b"\x80\x05"


class Front:
    """A listener, and its callers."""

    def __init__(self, routing: PublisherRouting) -> None:
        self.routing = routing
        self.listener = SrtListener("127.0.0.1", 0, routing)
        self.callers: list[Caller] = []

    def key_of(self, name: str) -> str:
        return self.routing.keys_of(name).stream_key

    def caller(self) -> Caller:
        self.callers.append(Caller(self.listener.port))
        return self.callers[-1]

    async def called(self, stream_id: str) -> Caller:
        caller = self.caller()
        await anyio.to_thread.run_sync(caller.call, stream_id)
        return caller


@asynccontextmanager
async def accepting(folder: Path) -> AsyncIterator[Front]:
    async def names() -> dict[str, str]:
        return NAMES

    front = Front(PublisherRouting(folder, "sk-key", names))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(front.listener.run)
        try:
            yield front
        finally:
            for caller in front.callers:
                caller.socket.close()
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


async def refusal(caller: Caller) -> int:
    return await anyio.to_thread.run_sync(caller.refusal)


async def test_four_callers_on_one_port_reach_the_recorders_of_their_keys(recorders: Recorders, tmp_path: Path) -> None:
    queues = {name: recorders(stream_id) for name, stream_id in NAMES.items()}
    async with accepting(tmp_path) as front:
        for name, queue in queues.items():
            caller = await front.called(front.key_of(name) if name != "obs" else f"#!::r={front.key_of(name)}")
            taken = await anyio.to_thread.run_sync(queue.wait, 5)
            # What it sends goes to the recorder from now on, and what the recorder sends comes from the same port.
            await anyio.to_thread.run_sync(caller.socket.send, name.encode())
            connection: socket.socket = vars(taken)["_connection"]
            connection.settimeout(5)
            assert await anyio.to_thread.run_sync(connection.recv, 100) == name.encode()
            connection.send(b"reply")
            assert await anyio.to_thread.run_sync(caller.socket.recv, 100) == b"reply"


@pytest.mark.parametrize("stream_id", ["", "wrong", "a" * 24, "#!::m=request,r=x"])
async def test_a_wrong_key_is_refused_within_a_second(tmp_path: Path, stream_id: str) -> None:
    async with accepting(tmp_path) as front:
        with anyio.fail_after(1):
            assert await refusal(await front.called(stream_id)) == UNAUTHORIZED


async def test_a_second_caller_on_a_key_is_refused_once_the_first_is_known_to_send(
    recorders: Recorders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(srt_publishers, "PATIENCE_S", 0.2)
    queue = recorders("rts-2")
    async with accepting(tmp_path) as front:
        await front.called(front.key_of("obs"))
        await eventually(lambda: vars(queue)["_is_new"], what="the first caller")
        began = time.monotonic()
        assert await refusal(await front.called(front.key_of("obs"))) == CONFLICT
        assert time.monotonic() - began >= 0.2


async def test_a_recorder_that_is_starting_is_waited_for(recorders: Recorders, tmp_path: Path) -> None:
    async with accepting(tmp_path) as front:
        await front.called(front.key_of("obs"))
        await anyio.to_thread.run_sync(recorders("rts-2").wait, 5)


async def test_a_key_of_a_stream_without_a_recorder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_routing, "STARTING_S", 0.2)
    async with accepting(tmp_path) as front:
        assert await refusal(await front.called(front.key_of("obs"))) == DOWN


async def test_only_a_caller_that_receives_at_its_address_gets_further(tmp_path: Path) -> None:
    async with accepting(tmp_path) as front:
        caller = front.caller()
        for packet in (conclusion("wrong"), ENCRYPTED, b"", b"x" * 2000):
            caller.socket.send(packet)
        await anyio.to_thread.run_sync(caller.call, "wrong")
        assert await refusal(caller) == UNAUTHORIZED  # the first packet that it receives after the induction


async def test_an_old_version_is_refused(tmp_path: Path) -> None:
    async with accepting(tmp_path) as front:
        caller = front.caller()
        caller.socket.send(INDUCTION)
        reply = await anyio.to_thread.run_sync(caller.socket.recv, 1500)
        packet = conclusion("x", int.from_bytes(reply[44:48], "big"))
        caller.socket.send(packet[:19] + b"\x04" + packet[20:])
        assert await refusal(caller) == WRONG_VERSION


async def test_a_publisher_whose_recorder_has_ended_is_told(recorders: Recorders, tmp_path: Path) -> None:
    queue = recorders("rts-2")
    async with accepting(tmp_path) as front:
        caller = await front.called(front.key_of("obs"))
        taken = await anyio.to_thread.run_sync(queue.wait, 5)
        taken.close()
        caller.socket.setblocking(False)

        def told() -> bool:
            caller.socket.send(bytes(100))  # media
            with suppress(BlockingIOError):
                return caller.socket.recv(100)[:2] == SHUTDOWN
            return False

        await eventually(told, what="the publisher is told")
