"""A connection on which a publisher sends SRT to this recorder, handed over by the engine that checked its key.

libsrt runs in an ffmpeg program, which listens on a port of this machine. The packets of the publisher are passed on to
it and back, unread, so loss, order and encryption are between the publisher and libsrt.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from contextlib import suppress

from rtstream.recorder.bridge import Bridge
from rtstream.rules.srt_handshake import (
    CONCLUSION,
    INDUCTION,
    LONGEST_PACKET,
    SrtHandshake,
    induction_request,
    is_shutdown,
    parse_handshake,
    shutdown,
    with_cookie,
)

log = logging.getLogger(__name__)

OPEN_S = 3.0
"""Longest time until the program listens and accepts the publisher."""
ASK_S = 0.05
REPEATED_S = 0.4
"""Longest time until a caller repeats the last packet of its handshake; libsrt needs 0.25 s."""
MOST_AT_ONCE = 256
"""Packets of one side that are passed on before the other side is looked at."""
GONE_S = 0.3
"""Seconds without a packet after which the publisher is gone if its machine reports that the port is closed."""
MARGIN_S = 0.1
BUFFER_BYTES = 4 << 20


class SrtPublisher:
    """One connection, read as MPEG-TS."""

    container = "mpegts"
    silent_s = 1.0
    """Seconds without a packet after which the publisher is gone. libsrt sends at least one per second."""

    def __init__(self, connection: socket.socket, received: bytes) -> None:
        """Take over a connection.

        Args:
            connection: A UDP socket that is connected to the publisher.
            received: The length of the passphrase in one byte, the passphrase, and the last packet of the handshake.

        Raises:
            ValueError: ``received`` is something else.
        """
        length = received[0] if received else 0
        self._passphrase, self._conclusion = received[1 : 1 + length].decode("ascii"), received[1 + length :]
        caller = parse_handshake(self._conclusion)
        if caller is None or caller.kind != CONCLUSION:
            raise ValueError("the caller does not publish")
        self._caller: SrtHandshake = caller
        self._connection = connection
        connection.setblocking(False)
        with suppress(OSError):  # limited by the system; a keyframe of a fast sender arrives as a burst
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._listener.setblocking(False)
        self._listener_id = self._cookie = 0
        self._delay_s = 0.0
        self._woken, self._waker = socket.socketpair()
        self._bridge: Bridge | None = None
        self._relay: threading.Thread | None = None
        self._patience_s = OPEN_S
        self._accepted = threading.Event()  # or refused, by the program
        self.arrived_at = time.monotonic()
        """Monotonic time of the last packet."""
        self.ended = False

    def begin(self) -> None:
        """Do nothing, because the program accepts the publisher."""

    def open(self) -> None:
        """Start the program. To be called by the thread that reads. Raises SourceFailed."""
        port = _free_port()
        url = f"srt://127.0.0.1:{port}?mode=listener&payload_size=1456"
        if self._passphrase:
            url += f"&passphrase={self._passphrase}"
        self._bridge = Bridge(url, self._patience_s)
        self._listener.connect(("127.0.0.1", port))
        self._relay = threading.Thread(target=self._run, name="srt", daemon=True)
        self._relay.start()

    def set_patience(self, seconds: float) -> None:
        """Set the time without a byte after which a read fails. To be called before ``open``."""
        self._patience_s = seconds

    def read(self, size: int) -> bytes:
        """Return MPEG-TS, more than ``size`` bytes if they are there; none at the end. Raises OSError."""
        assert self._bridge is not None
        # Another program of this machine may have connected first. The publisher is not accepted then.
        if not self._accepted.wait(OPEN_S) or self.ended or not self._listener_id:
            return b""
        ready, _, _ = select.select([self._bridge.output, self._woken], [], [], self._patience_s)
        if not ready:
            raise TimeoutError
        return self._bridge.read(size) if self._bridge.output in ready else b""

    def end(self) -> None:
        """End the connection and a read that waits, from another thread than that of the reader."""
        self.ended = True
        self._accepted.set()
        with suppress(OSError):
            self._waker.send(b"0")

    def close(self) -> None:
        """Close the connection. No read may follow."""
        if self._bridge is not None:
            self._bridge.close(farewell=True)  # its last packet tells the publisher
        self.end()
        if self._relay is not None:
            self._relay.join(OPEN_S)
        for each in (self._connection, self._listener, self._woken, self._waker):
            each.close()

    def _run(self) -> None:
        try:
            if self._introduce():
                self._pass_on()
        except OSError as exc:
            log.info("a publisher is disconnected: %s", exc.strerror)
        finally:
            self._accepted.set()

    def _introduce(self) -> bool:
        """Repeat the handshake of the publisher to the program, once that listens. Returns whether it responds."""
        until = time.monotonic() + OPEN_S
        while time.monotonic() < until and not self.ended:
            with suppress(ConnectionRefusedError):
                self._listener.send(induction_request(self._caller))
            select.select([self._listener], [], [], ASK_S)
            with suppress(BlockingIOError, ConnectionRefusedError):
                reply = parse_handshake(self._listener.recv(LONGEST_PACKET))
                if reply is not None and reply.kind == INDUCTION:
                    self._cookie = reply.cookie
                    self._listener.send(with_cookie(self._repeated(), self._cookie))
                    return True
        return False

    def _repeated(self) -> bytes:
        """Return the last packet of the handshake, as the publisher has just repeated it.

        From its arrival and the time in it, libsrt concludes how long it has to hold the media back.
        """
        until = time.monotonic() + REPEATED_S
        old = True
        while (left := until - time.monotonic()) > 0:
            if not select.select([self._connection], [], [], 0.0 if old else left)[0]:
                old = False
                continue
            found = self._connection.recv(LONGEST_PACKET)
            if not old and parse_handshake(found) is not None:
                return found
        return self._conclusion

    def _pass_on(self) -> None:
        """Pass packets on until the publisher has ended and its media was passed on."""
        until = float("inf")
        while not self.ended and time.monotonic() < until:
            ready, _, _ = select.select([self._connection, self._listener], [], [], ASK_S)
            gone = False
            try:
                if self._connection in ready:
                    gone = self._from_publisher()
                if self._listener in ready:
                    self._from_program()
            except ConnectionRefusedError:  # nothing receives at the address of the publisher any more
                gone = time.monotonic() - self.arrived_at > GONE_S
            if gone and until == float("inf"):
                self.arrived_at, until = float("-inf"), time.monotonic() + self._delay_s
        self._send_on(shutdown(self._listener_id))

    def _from_publisher(self) -> bool:
        """Pass packets of the publisher on. Returns whether it has ended."""
        for _ in range(MOST_AT_ONCE):
            try:
                packet = self._connection.recv(LONGEST_PACKET)
            except BlockingIOError:
                return False
            if is_shutdown(packet):
                return True
            self.arrived_at = time.monotonic()
            # The program accepts one caller, which may repeat the last packet of its handshake.
            self._send_on(with_cookie(packet, self._cookie) if parse_handshake(packet) else packet)
        return False

    def _send_on(self, packet: bytes) -> None:
        with suppress(BlockingIOError, ConnectionRefusedError):  # lost, and sent again
            self._listener.send(packet)

    def _from_program(self) -> None:
        """Pass packets of the program on."""
        for _ in range(MOST_AT_ONCE):
            try:
                packet = self._listener.recv(LONGEST_PACKET)
            except (BlockingIOError, ConnectionRefusedError):
                return
            reply = None if self._accepted.is_set() else parse_handshake(packet)
            if reply is not None and (reply.kind == CONCLUSION or reply.is_rejection):
                if not reply.is_rejection:
                    self._listener_id, self._delay_s = reply.socket_id, reply.delay_s + MARGIN_S
                self._accepted.set()
            with suppress(BlockingIOError):
                self._connection.send(packet)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
