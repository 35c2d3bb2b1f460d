"""Messages over a socket: whole, bounded in size and time, and ended from either side."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from rtstream.ipc.channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    channel = Channel(ours, 5 << 20)
    with closing(channel), closing(theirs):
        yield channel, theirs


@pytest.mark.parametrize("length", [0, 1, 4096, 1_000_000, 5 << 20])
def test_a_message_arrives_whole(ends: tuple[Channel, socket.socket], length: int) -> None:
    channel, far = ends
    other = Channel(far)
    message = bytes(range(256)) * (length // 256) + b"x" * (length % 256)
    sender = threading.Thread(target=other.send_bytes, args=(message,))
    sender.start()
    assert channel.recv_bytes() == message
    sender.join()


@pytest.mark.parametrize("length", [(5 << 20) + 1, 2**31, 2**32 - 1])
def test_a_message_that_is_too_long_ends_the_connection(ends: tuple[Channel, socket.socket], length: int) -> None:
    channel, far = ends
    far.sendall(struct.pack("!I", length))
    with pytest.raises(OSError, match="longer than the limit"):
        channel.recv_bytes()
    assert far.recv(1) == b""


@pytest.mark.parametrize("sent", [b"", b"\0\0", b"\0\0\0\x09part"])
def test_a_message_that_does_not_arrive_in_time_ends_the_connection(
    ends: tuple[Channel, socket.socket], sent: bytes
) -> None:
    channel, far = ends
    far.sendall(sent)
    with pytest.raises(TimeoutError):
        channel.recv_bytes(0.05)
    assert far.recv(1) == b""


def test_a_sender_that_drips_bytes_does_not_prolong_the_time(ends: tuple[Channel, socket.socket]) -> None:
    channel, far = ends
    far.sendall(struct.pack("!I", 1000))
    ended = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            while not ended.wait(0.02):
                far.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises(TimeoutError):
        channel.recv_bytes(0.3)
    ended.set()
    thread.join()


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\0\0\x05abc"])
def test_an_end_in_the_middle_of_a_message_is_an_end(ends: tuple[Channel, socket.socket], sent: bytes) -> None:
    channel, far = ends
    far.sendall(sent)
    far.close()
    with pytest.raises(EOFError):
        channel.recv_bytes()


def test_closing_wakes_a_thread_that_waits_for_a_message(ends: tuple[Channel, socket.socket]) -> None:
    channel, _ = ends
    outcome: list[BaseException] = []

    def receive() -> None:
        try:
            channel.recv_bytes()
        except (EOFError, OSError) as exc:
            outcome.append(exc)

    thread = threading.Thread(target=receive)
    thread.start()
    channel.close()
    thread.join(5)
    assert len(outcome) == 1


def test_closing_wakes_a_thread_that_waits_for_a_reader(ends: tuple[Channel, socket.socket]) -> None:
    channel, _ = ends
    outcome: list[BaseException] = []

    def send() -> None:
        try:
            while True:
                channel.send_bytes(bytes(1_000_000))
        except OSError as exc:
            outcome.append(exc)

    thread = threading.Thread(target=send)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    channel.close()
    thread.join(5)
    assert len(outcome) == 1


@pytest.mark.parametrize("sent", [b"[]", b"3", b"null", b"{", b"\xff"])
def test_something_else_than_an_object_is_refused(ends: tuple[Channel, socket.socket], sent: bytes) -> None:
    channel, far = ends
    Channel(far).send_bytes(sent)
    with pytest.raises(ValueError):  # noqa: PT011 - of the JSON and Unicode decoders as well
        channel.recv_json(1)
