"""The handshake of SRT (draft-sharabayko-srt-01, section 3.2.1), by which callers are told apart. Bytes in, bytes out.

A listener reads the stream id of a caller from here, and refuses it or passes its packets on. Everything after the
handshake is left to libsrt.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass

VERSION = 5
INDUCTION, CONCLUSION = 1, 0xFFFFFFFF
HAS_KEY = 2
"""Flag of the field ``flags`` in a conclusion: the caller encrypts its media."""
REJECTED = 1000
"""Kinds of handshakes from here on refuse the caller, with the reason added to it."""
WRONG_VERSION, UNAUTHORIZED, CONFLICT, DOWN = 8, 1401, 1409, 1503
"""Reasons of libsrt. Those from 1400 on are numbered like the statuses of HTTP."""
LONGEST_PACKET = 1500

_HEAD, _BODY = struct.Struct(">HHIII"), struct.Struct(">IHHIIIIII16s")
_LEAST = _HEAD.size + _BODY.size
_COOKIE = slice(_HEAD.size + 28, _HEAD.size + 32)
_CONTROL, _SHUTDOWN = 0x8000, 0x8005
_CALLS = 0x4A17  # in the response to an induction, the mark of a listener that speaks SRT
_DATAGRAMS = 2  # in an induction, the type of socket
_ACCEPTED, _STREAM_ID = 2, 5  # kinds of extensions
_NAMED = "#!::"
"""Beginning of a stream id that consists of fields, such as ``#!::r=name,m=publish`` (SRT access control)."""


@dataclass(frozen=True)
class SrtHandshake:
    """A handshake packet of a caller, or of a listener that accepts it."""

    version: int
    flags: int
    sequence: int
    kind: int
    socket_id: int
    cookie: int
    extensions: bytes = b""

    @property
    def is_rejection(self) -> bool:
        """Whether the packet refuses the caller."""
        return REJECTED <= self.kind < CONCLUSION

    @property
    def is_encrypted(self) -> bool:
        """Whether the caller encrypts its media."""
        return bool(self.flags & HAS_KEY)

    @property
    def stream_id(self) -> str:
        """The stream id of the caller, or an empty string."""
        value = self._extension(_STREAM_ID)
        ordered = b"".join(value[at : at + 4][::-1] for at in range(0, len(value), 4))
        return ordered.rstrip(b"\0").decode(errors="replace")

    @property
    def delay_s(self) -> float:
        """Seconds for which the listener that accepts a caller holds its media back."""
        value = self._extension(_ACCEPTED)
        return int.from_bytes(value[8:10], "big") / 1000

    def _extension(self, wanted: int) -> bytes:
        rest = self.extensions
        while len(rest) >= 4:
            kind, words = struct.unpack_from(">HH", rest)
            value, rest = rest[4 : 4 + 4 * words], rest[4 + 4 * words :]
            if kind == wanted and len(value) == 4 * words:
                return value
        return b""


def parse_handshake(packet: bytes) -> SrtHandshake | None:
    """Read a handshake packet. Returns None for all others."""
    if len(packet) < _LEAST or packet[:4] != bytes([0x80, 0, 0, 0]):
        return None
    version, _, flags, sequence, _, _, kind, socket_id, cookie, _ = _BODY.unpack_from(packet, _HEAD.size)
    return SrtHandshake(version, flags, sequence, kind, socket_id, cookie, packet[_LEAST:])


def stream_key_of(stream_id: str) -> str:
    """Return the stream key in a stream id: all of it, or its field ``r`` (resource). Empty if it does not publish."""
    if not stream_id.startswith(_NAMED):
        return stream_id
    fields = {name: value for name, _, value in (word.partition("=") for word in stream_id[len(_NAMED) :].split(","))}
    return fields.get("r", "") if fields.get("m", "publish") == "publish" else ""


def cookie_of(secret: bytes, peer: tuple[str, int], minute: int) -> int:
    """Return the cookie of 32 bits, never 0, by which a caller proves its address."""
    digest = hmac.new(secret, f"{peer[0]} {peer[1]} {minute}".encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:4], "big") | 1


def induction_request(caller: SrtHandshake) -> bytes:
    """Return the first packet of a caller, as the one that sent this conclusion would repeat it."""
    return _packed(SrtHandshake(4, _DATAGRAMS, caller.sequence, INDUCTION, caller.socket_id, 0), 0)


def induction_response(request: SrtHandshake, cookie: int) -> bytes:
    """Return the reply to the first packet of a caller, which is to return the cookie."""
    reply = SrtHandshake(VERSION, _CALLS, request.sequence, INDUCTION, request.socket_id, cookie)
    return _packed(reply, request.socket_id)


def with_cookie(packet: bytes, cookie: int) -> bytes:
    """Return a handshake packet with another cookie."""
    return packet[: _COOKIE.start] + cookie.to_bytes(4, "big") + packet[_COOKIE.stop :]


def rejection(request: SrtHandshake, reason: int) -> bytes:
    """Return the packet that refuses a caller."""
    reply = SrtHandshake(VERSION, 0, request.sequence, REJECTED + reason, request.socket_id, request.cookie)
    return _packed(reply, request.socket_id)


def shutdown(socket_id: int) -> bytes:
    """Return the packet that ends a connection. ``socket_id``: that of the receiver."""
    return _HEAD.pack(_SHUTDOWN, 0, 0, 0, socket_id) + bytes(4)


def is_shutdown(packet: bytes) -> bool:
    """Return whether a packet ends the connection."""
    return packet[:2] == _SHUTDOWN.to_bytes(2, "big")


def _packed(handshake: SrtHandshake, destination: int) -> bytes:
    body = _BODY.pack(
        *(handshake.version, 0, handshake.flags, handshake.sequence, LONGEST_PACKET, 8192),
        *(handshake.kind, handshake.socket_id, handshake.cookie, bytes(16)),
    )
    return _HEAD.pack(_CONTROL, 0, 0, 0, destination) + body + handshake.extensions
