"""Reads the tracks that the tables of an MPEG transport stream describe (ISO/IEC 13818-1, 2.4.4)."""

from __future__ import annotations

PACKET = 188
SYNC = b"\x47"
LEAST_BYTES = 8 * PACKET
"""Bytes of the beginning of a segment among which its tables are usually found."""
_PROGRAMS, _TRACKS = 0x00, 0x02


def described_tracks(data: bytes) -> frozenset[tuple[int, int]]:
    """Return the PID and stream type of each track of all programs.

    Args:
        data: The beginning of a transport stream, from a packet on.

    Returns:
        Nothing if this is not a transport stream, or if its tables are not whole in these bytes.
    """
    pids: set[int] = set()
    found: dict[int, frozenset[tuple[int, int]]] = {}
    for at in range(0, len(data) - PACKET + 1, PACKET):
        packet = data[at : at + PACKET]
        if not packet.startswith(SYNC):
            return frozenset()
        pid = int.from_bytes(packet[1:3], "big") & 0x1FFF
        section = _section(packet) if pid == 0 or pid in pids else b""
        if pid == 0 and section[:1] == bytes([_PROGRAMS]):
            entries = [section[start : start + 4] for start in range(8, len(section) - 7, 4)]
            pids |= {int.from_bytes(entry[2:], "big") & 0x1FFF for entry in entries if entry[:2] != b"\0\0"}
        elif section[:1] == bytes([_TRACKS]):
            found[pid] = _tracks(section)
    return frozenset().union(*found.values()) if pids and found.keys() == pids else frozenset()


def _section(packet: bytes) -> bytes:
    """Return the table that begins in a packet, with its checksum, or nothing if it is not whole."""
    if not packet[1] & 0x40 or not packet[3] & 0x10:
        return b""
    at = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    if at >= PACKET:
        return b""
    at += 1 + packet[at]
    head = packet[at : at + 3]
    length = 3 + (int.from_bytes(head[1:], "big") & 0x0FFF) if len(head) == 3 else 0
    return packet[at : at + length] if length >= 12 and at + length <= PACKET else b""


def _tracks(section: bytes) -> frozenset[tuple[int, int]]:
    at, end, found = 12 + (int.from_bytes(section[10:12], "big") & 0x0FFF), len(section) - 4, set[tuple[int, int]]()
    while at + 5 <= end:
        found.add((int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF, section[at]))
        at += 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0x0FFF)
    return frozenset(found)
