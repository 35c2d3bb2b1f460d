"""A recorder reads the SRT connections that it takes over as MPEG-TS, through an ffmpeg of its own."""

from __future__ import annotations

import io
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import av
import pytest

from rtstream.ipc.sockets import SUPPORTED, connect, listen
from rtstream.recorder.publisher import PublisherQueue
from rtstream.recorder.srt_publisher import SrtPublisher
from rtstream.rules.srt_handshake import CONCLUSION, induction_response, parse_handshake
from tests.rtstream.recorder.recorder_sources import transport_stream
from tests.waiting import eventually_sync

pytestmark = [
    pytest.mark.skipif(not SUPPORTED, reason="connections are handed over on Linux only"),
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg"),
]
NAME = "rts-1.publisher"
PASSPHRASE = "correct-horse-battery"
COOKIE = 0x01020305


class Door:
    """A queue, and the engine's side of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = ExitStack()
        self.queue = PublisherQueue(listen(folder, NAME))
        self.socket = self.stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)

    def publish(self, media: Path, options: str = "") -> subprocess.Popen[bytes]:
        """Start ffmpeg as a publisher, which ends with the test."""
        url = f"srt://127.0.0.1:{self.socket.getsockname()[1]}?streamid=key{options}"
        command = ["ffmpeg", "-v", "error", "-re", "-i", str(media), "-c", "copy", "-f", "mpegts", url]
        process = self.stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE))
        self.stack.callback(process.kill)
        return process

    def hand_over(self, passphrase: str = "") -> bytes:
        """Respond to the publisher that calls, and hand it over. Returns the reply of the recorder."""
        while True:
            packet, peer = self.socket.recvfrom(1500)
            found = parse_handshake(packet)
            assert found is not None
            if found.kind == CONCLUSION:
                break
            self.socket.sendto(induction_response(found, COOKIE), peer)
        received = bytes([len(passphrase)]) + passphrase.encode() + packet
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own, connect(self.folder, NAME) as engine:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            own.bind(self.socket.getsockname())
            own.connect(peer)
            socket.send_fds(engine, [struct.pack(">I", len(received)) + received], [own.fileno()])
            return engine.recv(1)

    def opened(self) -> SrtPublisher:
        """The publisher that was handed over."""
        found = self.queue.wait(5)
        assert isinstance(found, SrtPublisher)
        self.stack.callback(found.close)
        found.set_patience(5)
        found.open()
        return found

    def close(self) -> None:
        self.stack.close()
        self.queue.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    opened = Door(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def media(clip: Path, tmp_path: Path) -> Path:
    """A second of a transport stream."""
    path = tmp_path / "media.ts"
    path.write_bytes(transport_stream(clip, seconds=1))
    return path


def times(data: bytes) -> list[float]:
    """The seconds between the first picture and each picture."""
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        found = [float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.pts is not None]
    return [round(at - found[0], 2) for at in found]


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_all_that_a_publisher_sends_is_read_up_to_its_end(door: Door, media: Path, passphrase: str) -> None:
    sender = door.publish(media, f"&passphrase={passphrase}" if passphrase else "")
    assert door.hand_over(passphrase) == b"1"
    taken = door.opened()
    data = b""
    while more := taken.read(4096):
        data += more
    assert sender.wait(10) == 0
    sent, read = times(media.read_bytes()), times(data)
    assert len(read) > 15  # the sender itself may lose the last ones
    assert read == sent[: len(read)]


def test_a_publisher_that_sends_keeps_others_out_and_its_kill_lets_the_next_one_in(door: Door, media: Path) -> None:
    first = door.publish(media)
    door.hand_over()
    taken = door.opened()
    assert taken.read(4096)
    door.publish(media)
    assert door.hand_over() == b"0"
    first.kill()
    killed = time.monotonic()
    door.publish(media)
    eventually_sync(lambda: door.hand_over() == b"1", what="another one is taken")
    assert time.monotonic() - killed < 2
    assert door.opened().read(4096)


def test_a_publisher_that_stands_still_is_replaced(door: Door, media: Path) -> None:
    first = door.publish(media)
    door.hand_over()
    taken = door.opened()
    assert taken.read(4096)
    first.send_signal(signal.SIGSTOP)
    door.publish(media)
    eventually_sync(lambda: door.hand_over() == b"1", what="another one is taken")
    assert taken.read(4096) == b""


def test_a_publisher_whose_stream_is_stopped_is_told(door: Door, media: Path) -> None:
    sender = door.publish(media)
    door.hand_over()
    taken = door.opened()
    assert taken.read(4096)
    taken.close()
    assert sender.wait(3)


def test_a_wrong_passphrase_ends_the_connection(door: Door, media: Path) -> None:
    sender = door.publish(media, "&passphrase=another-passphrase")
    door.hand_over(PASSPHRASE)
    assert door.opened().read(4096) == b""
    assert sender.wait(5)


@pytest.mark.parametrize("received", [b"", b"\0", b"\3abc" + bytes(64), b"\xff"])
def test_something_else_than_a_caller_is_not_taken(received: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection, pytest.raises(ValueError, match="publish"):
        SrtPublisher(connection, received)
