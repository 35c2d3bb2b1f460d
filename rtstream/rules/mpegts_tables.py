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
    return frozenset().union(*map(_tracks, _newest(data)[0]))


def newest_tables(data: bytes) -> tuple[bytes, int]:
    """Return the packets with the newest tables of all programs, and the position at which they became valid.

    A demuxer can begin there if it reads these packets first.

    Args:
        data: A part of a transport stream. Bytes between its packets are skipped.

    Returns:
        No bytes if this is not a transport stream, or if its tables are not whole in these bytes.
    """
    _, packets, at = _newest(data)
    return b"".join(packets), at


def _newest(data: bytes) -> tuple[list[bytes], list[bytes], int]:
    """Return the newest tables of tracks, and the packets of all newest tables; nothing if some are missing.

    Also returns the position of the last of these packets that differs from the one before it.
    """
    programs: dict[int, set[int]] = {}  # PIDs of the tables of programs, by number of the section that lists them
    found: dict[int, bytes] = {}  # tables of tracks, by PID
    packets: dict[tuple[int, int], bytes] = {}  # by PID and number of the section
    pids: set[int] = set()
    changed_at = 0
    for at, packet in _packets(data):
        pid = _pid(packet)
        section = _section(packet) if pid == 0 or pid in pids else b""
        if not section or not section[5] & _CURRENT:
            continue
        if pid == 0 and section[0] == _PROGRAMS:
            entries = [section[start : start + 4] for start in range(8, len(section) - 7, 4)]
            listed = {int.from_bytes(entry[2:], "big") & 0x1FFF for entry in entries if entry[:2] != b"\0\0"}
            programs = {number: each for number, each in programs.items() if number <= section[7]}
            if programs.get(section[6]) != listed:
                changed_at = at
            programs[section[6]] = listed
            packets[pid, section[6]] = packet
            pids = set().union(*programs.values())
        elif section[0] == _TRACKS:
            if found.get(pid) != section:
                changed_at = at
            found[pid] = section
            packets[pid, 0] = packet
    if not pids or not found.keys() >= pids:
        return [], [], 0
    valid = [packet for (pid, number), packet in packets.items() if pid in pids or (pid == 0 and number in programs)]
    return [found[pid] for pid in pids], sorted(valid, key=lambda packet: _pid(packet) > 0), changed_at


def _pid(packet: bytes) -> int:
    return int.from_bytes(packet[1:3], "big") & 0x1FFF


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + PACKET <= len(data):
        if data[at] == _SYNC:
            yield at, data[at : at + PACKET]
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
