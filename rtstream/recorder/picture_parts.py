"""A multipart message without faults, made of the JPEG pictures of a source whose own framing does not matter."""

from __future__ import annotations

from collections.abc import Callable

from rtstream.rules.jpeg_pictures import LARGEST_PICTURE, JpegPictures

READ_BYTES = 1 << 16


class PictureParts:
    """A file for the codec library, which is to read it as ``mpjpeg``."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        """Read from ``read``, which returns at most as many bytes as it is asked for, and none at the end."""
        self._read, self._pictures = read, JpegPictures()
        self._unknown = 0  # bytes since the last picture

    def read(self, _size: int) -> bytes:
        """Return one or more whole parts; none at the end, or if the source sends no pictures."""
        while data := self._read(READ_BYTES):
            self._unknown += len(data)
            found = self._pictures.feed(data)
            if found:
                self._unknown = 0
                return b"".join(map(_part, found))
            if self._unknown > 2 * LARGEST_PICTURE:
                break
        return b""


def _part(picture: bytes) -> bytes:
    return b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(picture), picture)
