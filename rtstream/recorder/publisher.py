"""Connections on which a publisher sends to this recorder, handed over by the engine that accepted them.

The recorder owns the connection, so a publisher is not cut when the engine ends.
"""

from __future__ import annotations

import functools
import logging
import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path

from rtstream.ipc.sockets import listen, publisher_socket, trusted
from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.srt_publisher import SrtPublisher
from rtstream.rules.flv import FLV_HEADER
from rtstream.rules.rtmp_reader import RtmpError
from rtstream.rules.rtmp_session import MOST_BEFORE_PUBLISH, RtmpSession
from rtstream.states import HealthCode

log = logging.getLogger(__name__)

HAND_OVER_S = 3.0
SEND_S = 5.0
RECEIVE_BYTES = 65536
NO_PUBLISHER = "no publisher is connected; start it, with the URL and the stream key of this stream"


class Publisher:
    """One connection, read as FLV."""

    container = "live_flv"
    silent_s = 2.0
    """Seconds without a byte after which another connection of the same publisher replaces one that is still open."""

    def __init__(self, connection: socket.socket, received: bytes) -> None:
        """Take over a connection on which ``received`` has arrived so far. Raises RtmpError and OSError."""
        self._connection = connection
        self._session = RtmpSession(b"")
        self._session.receive(received)
        if self._session.request is None:
            raise RtmpError("the client does not publish")
        self._session.take_output()  # sent by the engine
        self._media = bytearray(FLV_HEADER)
        self.arrived_at = time.monotonic()
        """Monotonic time of the last byte."""
        self.ended = False
        connection.settimeout(SEND_S)

    def begin(self) -> None:
        """Tell the publisher to send. Raises OSError."""
        self._session.accept()
        self._respond()

    def open(self) -> None:
        """Do nothing, because the connection is open."""

    def set_patience(self, seconds: float) -> None:
        """Set the time without a byte after which a read fails."""
        self._connection.settimeout(seconds)

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes of FLV; none at the end. Raises OSError."""
        while not self._media:
            if self.ended or self._session.ended:
                return b""
            data = self._connection.recv(RECEIVE_BYTES)
            if not data:
                return b""
            self.arrived_at = time.monotonic()
            try:
                self._session.receive(data)
            except RtmpError as exc:
                log.warning("the publisher is disconnected: %s", exc)
                return b""
            self._respond()
            self._media += self._session.take_tags()
        found = bytes(self._media[:size])
        del self._media[:size]
        return found

    def end(self) -> None:
        """End the connection and a read that waits, from another thread than that of the reader."""
        self.ended = True
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection. No read may follow."""
        self.end()
        self._connection.close()

    def _respond(self) -> None:
        output = self._session.take_output()
        if output:
            self._connection.sendall(output)


class PublisherQueue:
    """Receives connections from the engine in a thread, and holds at most one that sends."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._changed = threading.Condition()
        self._current: Publisher | SrtPublisher | None = None
        self._is_new = False
        self._thread = threading.Thread(target=self._run, name="publishers", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> Publisher | SrtPublisher:
        """Return a publisher that was not returned before. Raises SourceFailed if none comes in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_new, seconds):
                raise SourceFailed(NO_PUBLISHER, code=HealthCode.SOURCE_UNREACHABLE)
            self._is_new = False
            assert self._current is not None
            return self._current

    def close(self) -> None:
        """Stop, and close the connection of the publisher."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(HAND_OVER_S)
        self._listener.close()
        if self._current is not None:
            self._current.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.settimeout(HAND_OVER_S)
                    if trusted(connection):
                        connection.sendall(b"1" if self._take(*_received(connection)) else b"0")
                except (OSError, ValueError) as exc:
                    log.info("a publisher was not taken: %s", exc)

    def _take(self, publisher: socket.socket, received: bytes) -> bool:
        """Take a connection over, unless there is a publisher that sends."""
        with self._changed:
            before = self._current
            if before is not None and not before.ended:
                if self._is_new or time.monotonic() - before.arrived_at < before.silent_s:
                    publisher.close()
                    return False
                before.end()  # its reader closes it
            try:
                new = (SrtPublisher if publisher.type == socket.SOCK_DGRAM else Publisher)(publisher, received)
                new.begin()
            except (OSError, ValueError):
                publisher.close()
                raise
            self._current, self._is_new = new, True
            self._changed.notify_all()
            return True


def _received(connection: socket.socket) -> tuple[socket.socket, bytes]:
    """Receive a connection, and the bytes that have arrived on it. Raises OSError."""
    head, descriptors, _, _ = socket.recv_fds(connection, 4, 1)
    if not descriptors:
        raise OSError("no connection was handed over")
    publisher = socket.socket(fileno=descriptors[0])
    try:
        (length,) = struct.unpack(">I", head)
        if length > MOST_BEFORE_PUBLISH:
            raise OSError("too much was received before")
        received = b""
        while len(received) < length and (more := connection.recv(length - len(received))):
            received += more
    except (OSError, struct.error) as exc:
        publisher.close()
        raise OSError("a connection was handed over incompletely") from exc
    return publisher, received


@functools.cache
def publishers(folder: str, stream_id: str) -> PublisherQueue:
    """Return the publishers of the stream that this process records. Raises OSError."""
    return PublisherQueue(listen(Path(folder), publisher_socket(stream_id)))
