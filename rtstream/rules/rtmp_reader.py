"""Joins the chunks of an RTMP connection to messages (RTMP specification 1.0, section 5.3). Input is untrusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

DEFAULT_CHUNK = 128
MAX_CHUNK_STREAMS = 32
_EXTENDED = 0xFFFFFF
_HEADER_BYTES = (11, 7, 3, 0)  # by the format of the header


class RtmpError(ValueError):
    """The peer does not speak RTMP as it must, so the connection has to be closed."""


class RtmpMessage(NamedTuple):
    """One message."""

    kind: int
    timestamp: int  # milliseconds, 32 bits
    stream_id: int
    body: bytes


@dataclass(slots=True)
class _ChunkStream:
    """The last header of a chunk stream, and the part of its message that has arrived."""

    timestamp: int = 0
    delta: int = 0
    length: int = 0
    kind: int = 0
    stream_id: int = 0
    is_extended: bool = False
    body: bytearray = field(default_factory=bytearray)


class RtmpChunkReader:
    """Reads chunks.

    Attributes:
        largest: Size in bytes of the largest message that is accepted. Unfinished messages together may not be larger.
        chunk_size: Largest payload of a chunk in bytes, which the peer announces.
    """

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.chunk_size = DEFAULT_CHUNK
        self._streams: dict[int, _ChunkStream] = {}
        self._data = bytearray()
        self._at = 0
        self._unfinished = 0

    def feed(self, data: bytes) -> None:
        """Add bytes from the connection."""
        if self._at:
            del self._data[: self._at]
            self._at = 0
        self._data += data

    def next(self) -> RtmpMessage | None:
        """Return the next complete message, or None if more bytes are needed. Raises RtmpError."""
        while True:
            before = self._at
            found = self._chunk()
            if found is not None or self._at == before:
                return found

    def abort(self, number: int) -> None:
        """Forget the unfinished message of a chunk stream."""
        stream = self._streams.get(number)
        if stream is not None:
            self._unfinished -= len(stream.body)
            stream.body = bytearray()

    def _chunk(self) -> RtmpMessage | None:
        """Consume the next chunk if all of it is there. Returns the message that it completes."""
        data, at = self._data, self._at
        if at == len(data):
            return None
        form, number = data[at] >> 6, data[at] & 63
        head = at + (number + 2 if number < 2 else 1)
        size = _HEADER_BYTES[form]
        if len(data) < head + size:
            return None
        if number < 2:
            number = 64 + int.from_bytes(data[at + 1 : head], "little")
        stream = self._stream(number, form)
        if size and stream.body:
            raise RtmpError("a message begins before the last one of its chunk stream has ended")
        time = int.from_bytes(data[head : head + 3], "big") if size else stream.delta
        length = int.from_bytes(data[head + 3 : head + 6], "big") if form < 2 else stream.length
        extended = time == _EXTENDED if size else stream.is_extended
        payload = head + size + (4 if extended else 0)
        if length + self._unfinished - len(stream.body) > self.largest:
            raise RtmpError(f"messages of more than {self.largest} bytes")
        taken = min(self.chunk_size, length - len(stream.body))
        if len(data) < payload + taken:
            return None
        if size and extended:
            time = int.from_bytes(data[head + size : payload], "big")
        if not stream.body:
            stream.timestamp = time if form == 0 else (stream.timestamp + time) & 0xFFFFFFFF
            stream.delta = 0 if form == 0 else time
        stream.length, stream.is_extended = length, extended
        if form < 2:
            stream.kind = data[head + 6]
        if form == 0:
            stream.stream_id = int.from_bytes(data[head + 7 : head + 11], "little")
        return self._take(stream, payload, taken)

    def _stream(self, number: int, form: int) -> _ChunkStream:
        stream = self._streams.get(number)
        if stream is None:
            if form > 1:
                raise RtmpError("the first message of a chunk stream has no header")
            if len(self._streams) >= MAX_CHUNK_STREAMS:
                raise RtmpError(f"more than {MAX_CHUNK_STREAMS} chunk streams")
            stream = self._streams[number] = _ChunkStream()
        return stream

    def _take(self, stream: _ChunkStream, payload: int, size: int) -> RtmpMessage | None:
        """Add a chunk to its message, which is returned once it is complete."""
        self._at = payload + size
        if size == stream.length:  # all of the message, so it is copied once
            return RtmpMessage(stream.kind, stream.timestamp, stream.stream_id, bytes(self._data[payload : self._at]))
        stream.body += self._data[payload : self._at]
        self._unfinished += size
        if len(stream.body) < stream.length:
            return None
        body, stream.body = bytes(stream.body), bytearray()
        self._unfinished -= len(body)
        return RtmpMessage(stream.kind, stream.timestamp, stream.stream_id, body)
