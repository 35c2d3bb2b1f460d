"""Parameter sets of H.264 and H.265: what tells one coded format from the next in the same stream."""

from __future__ import annotations

from typing import Any

SCANNED_BYTES = 4096  # parameter sets stand at the beginning of a keyframe


def parameter_sets(packet: Any, codec: str) -> frozenset[bytes]:
    """The sequence parameter sets a packet announces: new extradata, or those in its Annex B bytes; empty when none."""
    if packet.has_sidedata("new_extradata"):
        return frozenset([bytes(packet.get_sidedata("new_extradata"))])
    if codec not in ("h264", "hevc"):
        return frozenset()
    data = bytes(memoryview(packet)[:SCANNED_BYTES])
    if not data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return frozenset()  # length-prefixed: the sets come as side data
    # A set: encoders repeat them, some in every other keyframe twice.
    return frozenset(_sets(data, codec))


def known_at_opening(extradata: bytes | None) -> frozenset[bytes]:
    """What side data is later compared with: the extradata of a length-prefixed stream.

    Not that of an Annex B stream: what a session description announces is often not what the camera then sends.
    """
    if not extradata or extradata.startswith((b"\0\0\1", b"\0\0\0\1")):
        return frozenset()
    return frozenset([extradata])


def _sets(data: bytes, codec: str) -> list[bytes]:
    """Units of type 7 (H.264 table 7-1) or 33 (H.265 table 7-1), each ending where the next start code begins."""
    found: list[bytes] = []
    for unit in data.split(b"\0\0\1")[1:]:
        if not unit:
            continue
        kind = unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63
        if kind == (7 if codec == "h264" else 33):
            found.append(unit.rstrip(b"\0"))
    return found
