"""Reads the tracks that the tables of an MPEG transport stream describe (ISO/IEC 13818-1, 2.4.4)."""

from __future__ import annotations

from collections.abc import Iterator

PACKET = 188
SYNC = b"\x47"
LEAST_BYTES = 8 * PACKET
"""Bytes of the beginning of a segment among which its tables are usually found."""
_PROGRAMS, _TRACKS = 0x00, 0x02
_CURRENT = 1  # the flag of a table that is valid already
_SYNC = SYNC[0]


def described_tracks(data: bytes) -> frozenset[tuple[int, int]]:
    """Return the PID and stream type of each track of all programs, by the newest tables.

    Args:
        data: A part of a transport stream. Bytes between its packets are skipped.

    Returns:
        Nothing if this is not a transport stream, or if its tables are not whole in these bytes.
    """
    programs: dict[int, set[int]] = {}  # PIDs of the tables of programs, by number of the section that lists them
    found: dict[int, frozenset[tuple[int, int]]] = {}
    pids: set[int] = set()
    for packet in _packets(data):
        pid = int.from_bytes(packet[1:3], "big") & 0x1FFF
        section = _section(packet) if pid == 0 or pid in pids else b""
        if not section or not section[5] & _CURRENT:
            continue
        if pid == 0 and section[0] == _PROGRAMS:
            entries = [section[start : start + 4] for start in range(8, len(section) - 7, 4)]
            listed = {int.from_bytes(entry[2:], "big") & 0x1FFF for entry in entries if entry[:2] != b"\0\0"}
            programs = {number: each for number, each in programs.items() if number <= section[7]}
            programs[section[6]] = listed
            pids = set().union(*programs.values())
        elif section[0] == _TRACKS:
            found[pid] = _tracks(section)
    return frozenset().union(*(found[pid] for pid in pids)) if pids and found.keys() >= pids else frozenset()


def _packets(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + PACKET <= len(data):
        if data[at] == _SYNC:
            yield data[at : at + PACKET]
            at += PACKET
            continue
        at = data.find(SYNC, at + 1)
        while at >= 0 and data[at + PACKET : at + PACKET + 1] not in (SYNC, b""):
            at = data.find(SYNC, at + 1)
        if at < 0:
            return


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
