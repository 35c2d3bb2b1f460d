"""A relay on loopback between the codec library and a source: the source is dialled, and its TLS spoken, by us."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import ssl
import stat
import sys
import threading
import time

from rtstream.recorder.dialer import Dialer
from rtstream.recorder.failures import SourceFailed
from rtstream.rules.source_urls import SourceUrl

log = logging.getLogger(__name__)

BUNDLE_S = 0.05  # data within this time is passed on together, because each wake-up is expensive
BLOCK = 256 * 1024
LAST_WORDS_S = 0.5
LAST_RECEIVED = 52
"""Place of ``tcpi_last_data_recv``, in milliseconds, in the ``tcp_info`` of Linux."""


class Relay:
    """Accepts one connection from this process and passes bytes between it and the source."""

    def __init__(self, source: SourceUrl, dialer: Dialer) -> None:
        """Connect to the source. Raises SourceFailed."""
        self.failure: SourceFailed | None = None
        self._source, self._dialer = source, dialer
        self._upstream = self._dial(source)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self._listener.settimeout(dialer.timeout_s)
        self._port: int = self._listener.getsockname()[1]
        self._local: socket.socket | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 to connect to."""
        return self._port

    def close(self) -> None:
        """End both connections, once the last words of a closed codec library (TEARDOWN) have been passed on."""
        if self._local is not None and threading.current_thread() is not self._thread:
            self._thread.join(LAST_WORDS_S)
        self._closed = True
        for each in (self._listener, self._local, self._upstream):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _silence_s(self) -> float:
        """Return the seconds since the source last sent anything, or 0 if that is not known."""
        with contextlib.suppress(OSError, ValueError):
            return silence_of(self._upstream.fileno())
        return 0.0

    def _dial(self, source: SourceUrl) -> socket.socket:
        return self._dialer.connect(source.host, source.port, source.scheme in ("rtsps", "rtmps"))

    def _run(self) -> None:
        try:
            self._local = self._accept()
            self._serve(self._local)
        except SourceFailed as failed:
            self.failure = failed
        except (OSError, ValueError) as exc:
            log.debug("relay: %s", type(exc).__name__)
        finally:
            self.close()

    def _accept(self) -> socket.socket:
        """Return the connection of this process. Other programs of this machine can connect to the port as well."""
        while True:
            local, _ = self._listener.accept()
            if not can_find_descriptors() or descriptor_of(local.getpeername()) is not None:
                self._listener.close()
                local.setblocking(True)
                return local
            local.close()

    def _serve(self, local: socket.socket) -> None:
        raise NotImplementedError

    def _pump(self, local: socket.socket, bundle_s: float) -> None:
        """Pass bytes both ways until one side ends."""
        upstream = self._upstream
        while not self._closed:
            ready, _, _ = select.select([local, upstream], [], [])
            if upstream in ready:
                data = receive(upstream)
                if data == b"":
                    return
                local.sendall(data or b"")
            if local in ready:
                data = local.recv(BLOCK)
                if not data:
                    return
                upstream.sendall(data)
            if bundle_s:
                time.sleep(bundle_s)


class TlsRelay(Relay):
    """The relay for protocols over TLS that the codec library supports only without TLS."""

    def _serve(self, local: socket.socket) -> None:
        self._pump(local, BUNDLE_S)


def receive(connection: socket.socket) -> bytes | None:
    """Return the data of a readable connection: empty at its end, and None for TLS records without data."""
    if not isinstance(connection, ssl.SSLSocket):
        return connection.recv(BLOCK)
    patience = connection.gettimeout()
    connection.setblocking(False)
    data = bytearray()
    try:
        while not data or connection.pending():
            more = connection.recv(BLOCK)
            if not more:
                break
            data += more
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return bytes(data) or None
    finally:
        connection.settimeout(patience)
    return bytes(data)


def silence_of(descriptor: int) -> float:
    """Return the seconds since a TCP connection last received data.

    Linux knows it even for a time in which this process stood still. Elsewhere, and while there is data to read, it
    is 0.
    """
    if sys.platform != "linux" or select.select([descriptor], [], [], 0)[0]:
        return 0.0
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        info = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_RECEIVED + 4)
    return int.from_bytes(info[LAST_RECEIVED:], sys.byteorder) / 1000 if len(info) == LAST_RECEIVED + 4 else 0.0


def can_find_descriptors() -> bool:
    """Whether the open files of this process can be listed (not on Windows)."""
    return os.name == "posix"


def descriptor_of(address: tuple[str, int]) -> int | None:
    """The descriptor of this process's socket that is bound to ``address``."""
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError, ValueError):
            number = int(name)
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as copy:
                if copy.family == socket.AF_INET and copy.getsockname() == address:
                    return number
    return None
