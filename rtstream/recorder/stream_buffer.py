"""Keeps the newest bytes of a byte stream, so that another demuxer can read them again when the tracks have changed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

MOST_BYTES = 16 << 20
STARVED_S = 1.5
STARVED_BYTES = 16 * 1024
LONGEST_STARVED_S = 60.0
LONGEST_READ_S = 0.25
PIECE_BYTES = 32 * 1024
FIRST_LOOK_S, LONGEST_LOOK_S = 1.6, 4.0  # without packets until the tables are read, and until they are read again


class StreamBuffer:
    """A file for the codec library. Positions are bytes since the beginning of the source.

    If bytes arrive but no packet of a track that is read (``fed``), the source may have moved its media to other
    tracks. If ``moved`` confirms this, or does not know and it lasts, the file ends, and ``starved`` is true.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._kept: deque[bytes] = deque()
        self._begin = self._end = self._at = 0
        self._prefix = b""
        self._marks = (0, 0)
        self._unfed_s, self._read_at, self._fed_end = 0.0, time.monotonic(), 0
        self._patience_s, self._look_s = STARVED_S, FIRST_LOOK_S
        self._verdict: bool | None = None
        self._keeps = True
        self._watched = False  # whether packets have been read, so that the demuxer is open
        self.base = 0
        """Position of the first byte that the present demuxer has read, less the bytes of its prefix."""
        self.starved = False
        self.arrived: Callable[[], None] = lambda: None
        """Called when bytes arrive."""
        self.moved: Callable[[bytes], bool | None] = lambda data: None
        """Return whether the newest bytes describe other tracks than those that are read; None if that is unknown."""

    @property
    def waiting(self) -> int:
        """Bytes that will be read again."""
        return self._end - self._at

    @property
    def recent(self) -> bytes:
        """The bytes since ``fed`` was last called."""
        return self.kept(max(self._begin, self._fed_end), MOST_BYTES)

    def peek(self, least: int) -> bytes:
        """Return the first bytes, at least this many if there are, without consuming them."""
        data = b""
        while len(data) < least and (more := self.read(4096)):
            data += more
        self._at = 0
        return data

    def detach(self) -> Callable[[int], bytes]:
        """Return a function that reads the bytes that were peeked and all later ones, in place of this buffer."""
        rest = [self.kept(self._begin, MOST_BYTES)]
        return lambda size: (rest.pop() if rest else b"") or self._read(size)

    def keep_nothing(self) -> None:
        """Do not keep bytes that were read, because no other demuxer will read them again."""
        self._keeps = False

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes, as soon as there are some; none at the end."""
        if self._prefix:
            data, self._prefix = self._prefix[:size], self._prefix[size:]
            return data
        if self._at < self._end:
            return self._again(size)
        now = time.monotonic()
        # A process that stands still, as on a busy machine, finds many bytes and has not looked for packets in them.
        self._unfed_s += min(now - self._read_at, LONGEST_READ_S)
        self._read_at = now
        if self._watched and self._unfed_s > min(FIRST_LOOK_S, STARVED_S) and self._starves():
            self.starved = True
            return b""
        data = self._read(size)
        self.arrived()
        self._kept.append(data)
        self._at = self._end + min(size, len(data))  # a datagram may be larger
        self._end += len(data)
        while not self._keeps and self._kept and self._begin + len(self._kept[0]) <= self._at:
            self._begin += len(self._kept.popleft())
        while self._end - self._begin > MOST_BYTES:
            self._begin += len(self._kept.popleft())
        return data[:size]

    def _starves(self) -> bool:
        if self._unfed_s > self._look_s:
            self._look_s += min(self._look_s, LONGEST_LOOK_S)
            self._verdict = self.moved(self.kept(max(self._begin, self._marks[0]), MOST_BYTES))
        if self._verdict is not None:
            return self._verdict
        return self._end - self._fed_end > STARVED_BYTES and self._unfed_s > self._patience_s

    def close(self) -> None:
        """Do nothing, because the owner of the connection closes it."""

    def fed(self, position: int) -> None:
        """Note that packets arrive. To be called about once a second.

        Args:
            position: Position of the newest packet. ``rewind`` returns to that of the call before this one.
        """
        self._unfed_s, self._fed_end, self._watched = 0.0, self._end, True
        self._look_s, self._verdict = FIRST_LOOK_S, None
        if position <= self._marks[1]:
            return
        self._marks = self._marks[1], position
        while self._kept and self._begin + len(self._kept[0]) <= self._marks[0]:
            self._begin += len(self._kept.popleft())

    def kept(self, position: int, size: int) -> bytes:
        """Return at most ``size`` bytes from a position on; none if they are not kept any more."""
        begin, parts, left = self._begin, list[bytes](), size
        for data in self._kept if position >= begin else ():
            if begin + len(data) > position and left > 0:
                parts.append(data[max(0, position - begin) :][:left])
                left -= len(parts[-1])
            begin += len(data)
        return b"".join(parts)

    def newest(self) -> tuple[int, bytes]:
        """Return all kept bytes, and the position of the first."""
        return self._begin, self.kept(self._begin, self._end - self._begin)

    def rewind(self, prefix: bytes, start: int | None = None) -> None:
        """Begin again for another demuxer, with ``prefix`` and then the bytes from a position on.

        Args:
            prefix: Bytes to read first.
            start: The position. By default, the last mark but one.
        """
        if self.starved:
            self._patience_s = min(2 * self._patience_s, LONGEST_STARVED_S)
        self.starved = False
        self._at = max(self._begin, self._marks[0] if start is None else start)
        self._prefix, self.base = prefix, self._at - len(prefix)
        whole = b"".join(self._kept)  # datagrams are many, and each read looks for its own
        self._kept = deque(whole[at : at + PIECE_BYTES] for at in range(0, len(whole), PIECE_BYTES))
        self._watched = False
        self._marks = self._at, self._at

    def note_other_tracks(self) -> None:
        """Note that the demuxer found other tracks after ``rewind``, so that the file did not end without a reason."""
        self._patience_s = STARVED_S

    def _again(self, size: int) -> bytes:
        begin = self._begin
        for chunk in self._kept:
            if self._at < begin + len(chunk):
                data = chunk[self._at - begin : self._at - begin + size]
                self._at += len(data)
                return data
            begin += len(chunk)
        raise AssertionError("the kept bytes end before the newest one")
