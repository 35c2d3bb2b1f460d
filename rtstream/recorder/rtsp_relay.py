"""Relays RTSP until the stream plays, so that no response can direct the codec library to another address.

The codec library would follow a redirect, and send packets to the ``source`` of a Transport header, without asking. It
therefore talks to a relay that passes on only the parts that it needs. The relay follows redirects after a check, and
restores the name and path of the server in its requests. Once an unencrypted stream plays over TCP, nothing is left to
filter. The connection to the source then replaces that of the codec library, so the media has no overhead. The
exception is a login that the codec library does not support. Then, every request passes through the relay, which adds
the credentials.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import select
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from rtstream.errors import InvalidRequest
from rtstream.recorder.dialer import Dialer
from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.relay import BUNDLE_S, Relay, can_find_descriptors, descriptor_of, receive, silence_of
from rtstream.recorder.rtsp_login import RtspLogin
from rtstream.rules.sdp import without_backchannels
from rtstream.rules.source_urls import SourceUrl, parse_source

MAX_HEAD = 64 * 1024
MAX_BODY = 1024 * 1024
MAX_REDIRECTS = 5
HAND_OVER_S = 2.0  # longest wait for the codec library to read the relayed data

_HEADERS = {
    *("cseq", "content-type", "content-base", "content-length", "session", "transport", "www-authenticate", "public"),
    *("rtp-info", "range", "server", "date", "scale", "speed"),
}
_TRANSPORT = ("unicast", "interleaved", "client_port", "server_port", "ssrc", "mode")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class _Message:
    """A request or response; ``start`` is empty for an interleaved packet, which is in ``body``."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def get(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each.lower() == name]

    def without(self, name: str) -> _Message:
        return replace(self, headers=tuple(each for each in self.headers if each[0].lower() != name))

    def with_length(self, length: int) -> _Message:
        """Return this message with another length of its body, if it states one."""
        name = "Content-Length"
        pairs = ((each, str(length) if each.lower() == name.lower() else value) for each, value in self.headers)
        return replace(self, headers=tuple(pairs))

    def encode(self) -> bytes:
        if not self.start:
            return self.body
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode(errors="surrogateescape") + self.body


class RtspRelay(Relay):
    """The relay of one RTSP source. ``url`` is the address for the codec library."""

    def __init__(self, source: SourceUrl, query: str, transport: str, dialer: Dialer) -> None:
        """Connect to the source. Raises SourceFailed."""
        self._secret = secrets.token_urlsafe(16)
        self._server = replace(source, query=query)
        self._transport = transport
        self._redirects = 0
        self._asked: _Message | None = None  # the request that waits for its response
        self._login = RtspLogin(source)
        self._playing = False
        self._handed_over: int | None = None
        super().__init__(source, dialer)

    @property
    def url(self) -> str:
        """The address for the codec library, with the credentials."""
        return self._base.replace("://", f"://{self._source.login}", 1)

    @property
    def _base(self) -> str:
        return f"rtsp://127.0.0.1:{self._port}/{self._secret}"

    def silent_s(self) -> float:
        """Return the seconds since the source last sent anything over TCP, or 0 if that is not known."""
        if self._handed_over is not None:
            return silence_of(self._handed_over)
        return 0.0 if self._closed else self._silence_s()

    def _serve(self, local: socket.socket) -> None:
        requests, responses = bytearray(), bytearray()
        while not self._playing or self._login.is_ours:
            # While the stream plays over UDP, nothing may arrive here for minutes.
            ready, _, _ = select.select(
                [local, self._upstream], [], [], None if self._playing else self._dialer.timeout_s
            )
            if not ready:
                return
            if local in ready:
                _receive(local, requests)
                for message in _messages(requests):
                    self._upstream.sendall(self._request(message).encode())
            elif self._upstream in ready:
                _receive(self._upstream, responses)
                for message in _messages(responses):
                    passed = self._response(message)
                    if passed is not None:
                        local.sendall(passed.encode())
                if self._playing and self._transport == "tcp":
                    time.sleep(BUNDLE_S)
        local.sendall(responses)
        self._upstream.sendall(requests)
        secure = isinstance(self._upstream, ssl.SSLSocket)
        if self._transport == "tcp" and not secure and can_find_descriptors() and self._hand_over(local):
            return
        self._pump(local, BUNDLE_S if self._transport == "tcp" else 0.0)

    def _request(self, message: _Message) -> _Message:
        if not message.start:
            return message
        method, _, rest = message.start.partition(" ")
        uri, _, version = rest.rpartition(" ")
        if uri.startswith(self._base):
            uri = self._uri + uri[len(self._base) :]
        self._asked = self._with_login(_Message(f"{method} {uri} {version}", message.headers, message.body))
        return self._asked

    def _with_login(self, message: _Message) -> _Message:
        """Return a request with the credentials for its address. The codec library's are for the relay's own."""
        method, uri, _ = message.start.split(" ", 2)
        value = self._login.header(message.get("authorization"), method, uri, message.body)
        message = message.without("authorization")
        return replace(message, headers=(*message.headers, ("Authorization", value))) if value else message

    @property
    def _uri(self) -> str:
        server = self._server
        host = f"[{server.host}]" if ":" in server.host else server.host
        return f"{server.scheme}://{host}:{server.port}{server.path}" + (f"?{server.query}" if server.query else "")

    def _response(self, message: _Message) -> _Message | None:
        """Return the part of a response for the codec library, or None for a redirect or a request of the server."""
        if not message.start:
            return message
        found = re.match(r"RTSP/1\.\d (\d{3})", message.start)
        if found is None or self._asked is None:
            return None
        status = int(found[1])
        if 300 <= status < 400:
            if not self._playing:
                self._follow(message.get("location"))
            return None
        if status == 401:
            challenge = self._login.refused(message.all("www-authenticate"), bool(self._asked.get("authorization")))
            if challenge is None:
                self._asked = self._with_login(self._asked)
                self._upstream.sendall(self._asked.encode())
                return None
            message = message.without("www-authenticate")
            message = replace(message, headers=(*message.headers, ("WWW-Authenticate", challenge)))
        else:
            self._login.accepted()
        method = self._asked.start.partition(" ")[0]
        body = message.body
        if method == "DESCRIBE":
            body = without_backchannels(body)
            message = message.with_length(len(body))
        headers = [(name, self._value(name, value)) for name, value in message.headers if name.lower() in _HEADERS]
        if method == "DESCRIBE" and status == 200 and not message.get("content-base"):
            headers.append(("Content-Base", self._uri))
        self._playing |= method == "PLAY" and status == 200
        return _Message(_CONTROL.sub("", message.start), tuple(headers), body)

    def _value(self, name: str, value: str) -> str:
        if name.lower() != "transport":
            return value
        protocol, *parts = value.split(",")[0].split(";")
        kept = [part.strip() for part in parts if part.strip().partition("=")[0].lower() in _TRANSPORT]
        if self._transport == "udp":
            # The target of RTCP and of the packets that open a firewall is always the connected address.
            kept.append(f"source={self._upstream.getpeername()[0]}")
        return ";".join([protocol.strip(), *kept])

    def _follow(self, location: str) -> None:
        """Connect to the target of a redirect after a check, and repeat the request."""
        self._redirects += 1
        if self._redirects > MAX_REDIRECTS:
            raise SourceFailed(f"the source redirects more than {MAX_REDIRECTS} times")
        try:
            target = parse_source(urljoin(self._uri, location) if location else "")
        except (InvalidRequest, ValueError):
            target = None
        if target is None or target.scheme not in ("rtsp", "rtsps"):
            raise SourceFailed("the source redirects to an address that is not an rtsp:// one", True)
        before = self._upstream
        self._upstream = self._dial(target)
        before.close()
        if (target.scheme, target.host, target.port) != (self._server.scheme, self._server.host, self._server.port):
            self._login.forget()
        asked, old = self._asked, self._uri
        self._server = target
        assert asked is not None
        asked = replace(asked, start=asked.start.replace(f" {old}", f" {self._uri}", 1))
        self._asked = self._with_login(asked)
        self._upstream.sendall(self._asked.encode())

    def _hand_over(self, local: socket.socket) -> bool:
        """Replace the codec library's connection by that to the source, once the former has been read to its end."""
        import fcntl
        import termios

        peer = local.getpeername()
        theirs = descriptor_of(peer)
        if theirs is None:
            return False
        deadline = time.monotonic() + HAND_OVER_S
        while time.monotonic() < deadline and not self._closed:
            unread = sum(
                int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), "little") for fd in (theirs, local.fileno())
            )
            if not unread:
                self._upstream.setblocking(False)
                os.dup2(self._upstream.fileno(), theirs)
                self._handed_over = theirs
                with contextlib.suppress(OSError):
                    local.setblocking(False)
                    if late := local.recv(65536):
                        self._upstream.send(late)
                os.close(self._upstream.detach())
                return True
            if select.select([local], [], [], 0.005)[0]:
                self._upstream.sendall(local.recv(65536))
        return False


def _receive(connection: socket.socket, buffer: bytearray) -> None:
    data = receive(connection)
    if data == b"":
        raise ConnectionResetError
    buffer += data or b""


def _end_of_packets(buffer: bytearray) -> int:
    """Return the length of the whole interleaved packets at the beginning of ``buffer``."""
    place = 0
    while len(buffer) >= place + 4 and buffer[place] == ord("$"):
        end = place + 4 + int.from_bytes(buffer[place + 2 : place + 4], "big")
        if end > len(buffer):
            break
        place = end
    return place


def _messages(buffer: bytearray) -> Iterator[_Message]:
    """Take the complete messages out of ``buffer``. Raises ValueError for a message that is too long."""
    while True:
        while buffer[:1] in (b"\r", b"\n"):
            del buffer[:1]
        if packets := _end_of_packets(buffer):
            message = _Message("", (), bytes(buffer[:packets]))
            del buffer[:packets]
            yield message
            continue
        if buffer[:1] == b"$":
            return
        end = re.search(rb"\r?\n\r?\n", buffer[:MAX_HEAD])
        if end is None:
            if len(buffer) >= MAX_HEAD:
                raise ValueError("too long")
            return
        head = bytes(buffer[: end.start()]).decode(errors="surrogateescape")
        start, *lines = re.split(r"\r?\n", head)
        pairs = [line.partition(":") for line in lines if ":" in line and line[:1] not in " \t"]
        headers = tuple((name.strip(), _CONTROL.sub("", value).strip()) for name, _, value in pairs)
        sizes = [value for name, value in headers if name.lower() == "content-length"]
        size = int(sizes[0]) if sizes and sizes[0].isascii() and sizes[0].isdigit() else 0
        if size > MAX_BODY:
            raise ValueError("too long")
        if len(buffer) < end.end() + size:
            return
        message = _Message(start, headers, bytes(buffer[end.end() : end.end() + size]))
        del buffer[: end.end() + size]
        yield message
