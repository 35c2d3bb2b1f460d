"""A recorder takes over one publisher at a time, and reads it as FLV."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtstream.ipc.sockets import SUPPORTED, connect, listen
from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.publisher import Publisher, PublisherQueue
from rtstream.rules.flv import FLV_HEADER, flv_tag
from tests.rtstream.rules.rtmp_client import VIDEO, chunks, command, opening

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="connections are handed over on Linux only")
NAME = "rts-1.publisher"


class Door:
    """A queue, and the engine's side of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.queue = PublisherQueue(listen(folder, NAME))
        self._clients: list[socket.socket] = []

    def hand_over(self, received: bytes) -> tuple[bytes, socket.socket]:
        """Hand over a new connection. Returns the reply and the end of the publisher."""
        ours, theirs = socket.socketpair()
        ours.settimeout(5)
        self._clients.append(ours)
        with theirs, connect(self.folder, NAME) as engine:
            socket.send_fds(engine, [struct.pack(">I", len(received)) + received], [theirs.fileno()])
            return engine.recv(1), ours

    def close(self) -> None:
        self.queue.close()
        for client in self._clients:
            client.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    opened = Door(tmp_path)
    yield opened
    opened.close()


def test_a_publisher_is_told_to_send_and_read_as_flv(door: Door) -> None:
    reply, client = door.hand_over(opening())
    assert reply == b"1"
    assert b"NetStream.Publish.Start" in client.recv(1000)
    taken = door.queue.wait(5)
    assert taken.read(1000) == FLV_HEADER
    client.sendall(chunks(VIDEO, b"x" * 500, timestamp=40))
    tag = flv_tag(VIDEO, 40, b"x" * 500)
    assert taken.read(100) == tag[:100]
    assert taken.read(1000) == tag[100:]
    client.sendall(command("deleteStream", 7, None, 1))
    assert taken.read(1000) == b""
    taken.close()


def test_a_second_publisher_is_refused_while_the_first_sends(door: Door) -> None:
    _, first = door.hand_over(opening())
    taken = door.queue.wait(5)
    assert door.hand_over(opening())[0] == b"0"
    taken.close()
    assert first.recv(1000)
    assert first.recv(1000) == b""
    assert door.hand_over(opening())[0] == b"1"


def test_a_publisher_that_comes_back_replaces_its_silent_connection(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.hand_over(opening())
    silent = door.queue.wait(5)
    monkeypatch.setattr(Publisher, "silent_s", 0.0)
    silent.read(1000)
    ended = threading.Event()

    def read() -> None:
        assert silent.read(1000) == b""
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    assert door.hand_over(opening())[0] == b"1"
    assert ended.wait(5)
    assert door.queue.wait(5) is not silent
    silent.close()


def test_a_publisher_that_leaves_rtmp_is_disconnected(door: Door) -> None:
    _, client = door.hand_over(opening())
    taken = door.queue.wait(5)
    taken.read(1000)
    client.sendall(b"\xff" * 100)
    assert taken.read(1000) == b""


def test_without_a_publisher_the_reason_says_so(door: Door) -> None:
    with pytest.raises(SourceFailed, match="no publisher is connected"):
        door.queue.wait(0.01)


@pytest.mark.parametrize("received", [b"", b"\x16", opening()[:-5]])
def test_a_connection_that_does_not_publish_is_not_taken(door: Door, received: bytes) -> None:
    assert door.hand_over(received)[0] == b""
    assert door.hand_over(opening())[0] == b"1"
