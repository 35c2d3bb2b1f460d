"""Finds JPEG pictures in a stream of bytes, whatever is between them (ITU-T T.81, annex B).

Cameras send pictures over HTTP as the parts of a multipart message. Many get its boundary, its line ends or the headers
of its parts wrong, or leave them out. A picture itself shows where it ends.
"""

from __future__ import annotations

import re

LARGEST_PICTURE = 16 << 20  # bytes
_BEGINNING = b"\xff\xd8\xff"
_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # a marker that ends the entropy-coded data
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_BEGIN, _END, _SCAN = 0xD8, 0xD9, 0xDA
_EOI = b"\xff\xd9"


class JpegPictures:
    """Splits bytes into pictures. A picture without an end is ended where the next one begins."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._in_picture = False  # then, the data begins with it
        self._in_scan = self._has_scan = False
        self._at = 0  # next byte to examine

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes. Returns the pictures that end in them."""
        self._data += data
        found: list[bytes] = []
        while self._step(found):
            pass
        if len(self._data) > LARGEST_PICTURE:
            self._begin_at(len(self._data))
        return found

    def _step(self, found: list[bytes]) -> bool:
        """Examine the next marker. Returns whether there may be another one."""
        if not self._in_picture:
            begin = self._data.find(_BEGINNING)
            if begin < 0:
                del self._data[: max(0, len(self._data) - len(_BEGINNING) + 1)]
                return False
            self._begin_at(begin)
            self._in_picture, self._at = True, 2
        if self._in_scan:
            match = _IN_SCAN.search(self._data, self._at)
            if match is None:
                self._at = max(self._at, len(self._data) - 1)
                return False
            self._at, self._in_scan = match.start(), False
        return self._marker(found)

    def _marker(self, found: list[bytes]) -> bool:
        data, at = self._data, self._at
        while data[at + 1 : at + 2] == b"\xff":  # fill bytes
            at += 1
        self._at = at
        if len(data) < at + 2:
            return False
        marker = data[at + 1]
        if data[at] != 0xFF:  # damaged
            self._begin_at(2)
        elif marker == _END:
            found.append(bytes(data[: at + 2]))
            self._begin_at(at + 2)
        elif marker == _BEGIN:
            if self._has_scan:
                found.append(bytes(data[:at]) + _EOI)
            self._begin_at(at)
        elif marker in _WITHOUT_LENGTH:
            self._at = at + 2
        elif len(data) < at + 4:
            return False
        else:
            end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
            if end > len(data):
                return False
            self._at, self._in_scan = end, marker == _SCAN
            self._has_scan |= self._in_scan
        return True

    def _begin_at(self, position: int) -> None:
        """Look for the next picture from a position on."""
        del self._data[:position]
        self._in_picture = self._in_scan = self._has_scan = False
        self._at = 0
