"""Connections of the recorder, each to an address that was checked for this very connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from ipaddress import ip_address

from rtstream.errors import InvalidRequest
from rtstream.recorder.failures import SourceFailed, explain
from rtstream.recorder.trust import tls_context
from rtstream.rules.addresses import Allowed, check_addresses

RESOLVE_TIMEOUT_S = 5.0
MOST_ADDRESSES = 8  # of a name that are tried


@dataclass(frozen=True)
class Dialer:
    """Resolves names, checks addresses and connects. Raises SourceFailed with a reason for people."""

    allowed: Allowed
    timeout_s: float
    tls_verify: bool = True

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, which are all allowed.

        A name that cannot be resolved may be resolvable later.
        """
        found = _resolve(host, port)
        try:
            check_addresses(found, self.allowed)
        except InvalidRequest as exc:
            raise SourceFailed(exc.message[:1].lower() + exc.message[1:].removesuffix("."), True) from None
        return found[:MOST_ADDRESSES]

    def connect(self, host: str, port: int, secure: bool = False) -> socket.socket:
        """A TCP connection, with TLS for ``host`` where it is to be ``secure``."""
        deadline = time.monotonic() + self.timeout_s
        failure: OSError = TimeoutError()
        addresses = self.addresses(host, port)
        for left in range(len(addresses), 0, -1):
            try:
                share = max(0.1, (deadline - time.monotonic()) / left)
                connection = socket.create_connection((addresses[-left], port), share)
                connection.settimeout(self.timeout_s)
            except OSError as exc:
                failure = exc
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                return self._secured(connection, host) if secure else connection
            except OSError:
                connection.close()
                raise
        raise explain(failure, self.timeout_s) from None

    def _secured(self, connection: socket.socket, host: str) -> ssl.SSLSocket:
        try:
            return tls_context(self.tls_verify).wrap_socket(connection, server_hostname=host)
        except ssl.SSLCertVerificationError:
            raise SourceFailed(
                "the certificate of the source is not valid for its name; check it, or set RTSTREAM_TLS_VERIFY=false",
                True,
            ) from None
        except (ssl.SSLError, OSError) as exc:
            if isinstance(exc, TimeoutError | ConnectionError):
                raise explain(exc, self.timeout_s) from None
            raise SourceFailed("the source does not speak TLS on that port") from None


def _resolve(host: str, port: int) -> list[str]:
    """Resolve a host to its addresses, in the system's order. Uses a thread, because a look-up has no timeout."""
    with contextlib.suppress(ValueError):
        return [str(ip_address(host))]
    found: list[str] = []

    def look_up() -> None:
        try:
            for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append(str(entry[4][0]))
        except (OSError, UnicodeError):
            pass

    thread = threading.Thread(target=look_up, name="resolve", daemon=True)
    thread.start()
    thread.join(RESOLVE_TIMEOUT_S)
    addresses = list(dict.fromkeys(found))
    if not addresses:
        raise SourceFailed("the host name cannot be resolved; check its spelling and the network")
    return addresses
