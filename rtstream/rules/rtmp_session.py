"""The server's side of an RTMP connection that publishes (Adobe RTMP specification 1.0). Bytes in, bytes out.

Only what a publisher needs is spoken: the handshake, ``connect``, ``createStream`` and ``publish``. Everything else is
accepted without a response or closes the connection.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from rtstream.rules.amf import AmfValue, decode_amf, encode_amf
from rtstream.rules.flv import flv_tag
from rtstream.rules.rtmp_reader import RtmpChunkReader, RtmpError, RtmpMessage

LARGEST_COMMAND = 16 * 1024
"""Bytes of the largest message before a publisher was accepted."""
LARGEST_MEDIA = 8 << 20
MOST_BEFORE_PUBLISH = 64 * 1024
"""Bytes that a client may send until it publishes."""
LONGEST_NAME = 256
HANDSHAKE = 1536
ACKNOWLEDGE_EVERY = 1 << 20  # bytes
WINDOW = 2_500_000  # bytes
_PUBLISHED_STREAM = 1

_SET_CHUNK_SIZE, _ABORT, _USER_CONTROL, _WINDOW_SIZE, _BANDWIDTH = 1, 2, 4, 5, 6
_ACKNOWLEDGEMENT = 3
_AUDIO, _VIDEO, _COMMAND_AMF3, _COMMAND = 8, 9, 17, 20
_PING, _PONG = 6, 7
_ENDS = ("deleteStream", "closeStream", "FCUnpublish")


class PublishRequest(NamedTuple):
    """A client that wants to publish."""

    application: str
    key: str


class RtmpSession:
    """One connection. Raises RtmpError for bytes after which it has to be closed.

    Attributes:
        request: What the client wants to publish, once it has said so. Until ``accept`` or ``refuse``, nothing more is
            read.
        received: All bytes that have arrived before ``accept``, with which another session gets into the same state.
        ended: Whether the client has stopped publishing.
    """

    def __init__(self, nonce: bytes) -> None:
        """Begin with ``nonce``, random bytes of which the handshake has 1528."""
        self.request: PublishRequest | None = None
        self.received = bytearray()
        self.ended = False
        self._nonce = nonce.ljust(HANDSHAKE - 8, b"\0")[: HANDSHAKE - 8]
        self._reader = RtmpChunkReader(LARGEST_COMMAND)
        self._greeting: bytearray | None = bytearray()
        self._greeted = False
        self._application = ""
        self._accepted = False
        self._output = bytearray()
        self._tags: list[bytes] = []
        self._bytes = self._acknowledged = 0
        self._commands: dict[str, Callable[[float, list[AmfValue]], None]] = {
            "connect": self._connect,
            "createStream": self._create_stream,
            "publish": self._publish,
            "releaseStream": self._nothing,
            "FCPublish": self._nothing,
        }

    def receive(self, data: bytes) -> None:
        """Read bytes from the client."""
        if not self._accepted:
            self.received += data
            if len(self.received) > MOST_BEFORE_PUBLISH:
                raise RtmpError("the client sends too much before it publishes")
        if self._greeting is not None:
            data = self._greet(data)
        self._bytes += len(data)
        self._reader.feed(data)
        self._read()
        if self._bytes - self._acknowledged >= ACKNOWLEDGE_EVERY:
            self._acknowledged = self._bytes
            self._control(_ACKNOWLEDGEMENT, struct.pack(">I", self._bytes & 0xFFFFFFFF))

    def take_output(self) -> bytes:
        """Return the bytes to send to the client."""
        data, self._output = bytes(self._output), bytearray()
        return data

    def take_tags(self) -> bytes:
        """Return the media that has arrived, as FLV tags."""
        data, self._tags = b"".join(self._tags), []
        return data

    def accept(self) -> None:
        """Let the client send its media."""
        self._accepted = True
        self._reader.largest = LARGEST_MEDIA
        self.received = bytearray()
        self._status("status", "NetStream.Publish.Start", "Publishing.")
        self._read()

    def refuse(self, reason: str) -> None:
        """Tell the client that it may not publish. The caller closes the connection."""
        self._status("error", "NetStream.Publish.BadName", reason)

    def _greet(self, data: bytes) -> bytes:
        """Carry out the handshake. Returns the bytes that follow it."""
        assert self._greeting is not None
        self._greeting += data
        if self._greeting and self._greeting[0] != 3:
            raise RtmpError("the client does not speak RTMP")
        if not self._greeted and len(self._greeting) > HANDSHAKE:
            self._greeted = True
            first = bytes(self._greeting[1 : 1 + HANDSHAKE])
            self._output += b"\x03" + bytes(8) + self._nonce + first
        if len(self._greeting) <= 2 * HANDSHAKE:
            return b""
        rest = bytes(self._greeting[1 + 2 * HANDSHAKE :])
        self._greeting = None
        return rest

    def _read(self) -> None:
        while not self.ended and (self.request is None or self._accepted):
            message = self._reader.next()
            if message is None:
                return
            self._take(message)

    def _take(self, message: RtmpMessage) -> None:
        kind, body = message.kind, message.body
        if kind in (_AUDIO, _VIDEO):
            if self._accepted and body:
                self._tags.append(flv_tag(kind, message.timestamp, body))
        elif kind == _COMMAND:
            self._command(body)
        elif kind == _COMMAND_AMF3:
            self._command(body[1:])
        elif kind == _SET_CHUNK_SIZE and len(body) >= 4:
            size = int.from_bytes(body[:4], "big") & 0x7FFFFFFF
            if not size:
                raise RtmpError("chunks of no bytes")
            self._reader.chunk_size = min(size, LARGEST_MEDIA)
        elif kind == _ABORT and len(body) >= 4:
            self._reader.abort(int.from_bytes(body[:4], "big"))
        elif kind == _USER_CONTROL and body[:2] == struct.pack(">H", _PING) and len(body) >= 6:
            self._control(_USER_CONTROL, struct.pack(">H", _PONG) + body[2:6])

    def _command(self, body: bytes) -> None:
        if len(body) > LARGEST_COMMAND:
            raise RtmpError("a command is too long")
        try:
            name, number, *arguments = decode_amf(body)
        except ValueError as exc:
            raise RtmpError(f"a command cannot be read: {exc}") from None
        if not isinstance(name, str) or not isinstance(number, float | int):
            raise RtmpError("a command has no name or number")
        if name in _ENDS and self._accepted:
            self.ended = True
        elif name in self._commands:
            self._commands[name](float(number), arguments)

    def _connect(self, number: float, arguments: list[AmfValue]) -> None:
        details = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
        self._application = str(details.get("app") or "")[:LONGEST_NAME]
        self._control(_WINDOW_SIZE, struct.pack(">I", WINDOW))
        self._control(_BANDWIDTH, struct.pack(">IB", WINDOW, 2))
        server = {"fmsVer": "FMS/3,0,1,123", "capabilities": 31}
        status = {
            "level": "status",
            "code": "NetConnection.Connect.Success",
            "description": "Connection succeeded.",
            "objectEncoding": 0,
        }
        self._send(0, encode_amf("_result", number, server, status))

    def _create_stream(self, number: float, arguments: list[AmfValue]) -> None:
        self._send(0, encode_amf("_result", number, None, _PUBLISHED_STREAM))

    def _publish(self, number: float, arguments: list[AmfValue]) -> None:
        key = arguments[1] if len(arguments) > 1 else None
        if self.request is not None or not isinstance(key, str) or len(key) > LONGEST_NAME:
            raise RtmpError("a request to publish without a key, or a second one")
        self.request = PublishRequest(self._application, key.partition("?")[0])

    def _nothing(self, number: float, arguments: list[AmfValue]) -> None:
        self._send(0, encode_amf("_result", number, None))

    def _status(self, level: str, code: str, text: str) -> None:
        status = {"level": level, "code": code, "description": text}
        self._send(_PUBLISHED_STREAM, encode_amf("onStatus", 0, None, status))

    def _control(self, kind: int, body: bytes) -> None:
        self._output += b"\x02" + _header(kind, len(body), 0) + body

    def _send(self, stream_id: int, body: bytes) -> None:
        """Send a command in chunks of the size that applies without an announcement."""
        self._output += b"\x03" + _header(_COMMAND, len(body), stream_id)
        self._output += b"\xc3".join(body[at : at + 128] for at in range(0, len(body), 128))


def _header(kind: int, length: int, stream_id: int) -> bytes:
    return bytes(3) + length.to_bytes(3, "big") + bytes([kind]) + stream_id.to_bytes(4, "little")
