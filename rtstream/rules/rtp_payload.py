"""Takes MPEG-TS out of RTP packets (RFC 2250, section 2; RFC 3550, section 5.1), as many encoders send it over UDP."""

from __future__ import annotations

PACKET = 188
HEADER = 12
LEAST_BYTES = HEADER + 1
_SYNC = 0x47
_EXTENSION = 0x10


def is_rtp(data: bytes) -> bool:
    """Return whether bytes begin with an RTP packet of MPEG-TS."""
    length = _header(data, 0)
    return length is not None and data[length : length + 1] == bytes([_SYNC])


class RtpPayload:
    """Removes the RTP headers from packets that follow each other, without knowing where one ends.

    A transport stream consists of packets of 188 bytes that begin with another byte than an RTP header.
    """

    def __init__(self) -> None:
        self._rest = b""

    def strip(self, data: bytes) -> bytes:
        """Return the whole packets of the transport stream in the bytes that were added so far."""
        data = self._rest + data
        at, found = 0, bytearray()
        while at < len(data):
            if data[at] == _SYNC:
                if at + PACKET > len(data):
                    break
                found += data[at : at + PACKET]
                at += PACKET
            elif (length := _header(data, at)) is None:
                if len(data) - at < HEADER and data[at] & 0xC0 == 0x80:
                    break
                at += 1  # lost, or padding
            elif at + length > len(data):
                break
            else:
                at += length
        self._rest = data[at:]
        return bytes(found)


def _header(data: bytes, at: int) -> int | None:
    """Return the length of the RTP header at a position, or None if there is none."""
    if len(data) < at + HEADER or data[at] & 0xC0 != 0x80:
        return None
    length = HEADER + 4 * (data[at] & 0x0F)
    if data[at] & _EXTENSION:
        words = data[at + length + 2 : at + length + 4]
        length += 4 + 4 * int.from_bytes(words, "big")
    return length
