"""Parameter sets of H.264 and H.265: what tells one coded format from the next in the same stream."""

from __future__ import annotations

from typing import Any

SCANNED_BYTES = 16_384  # parameter sets stand at the beginning of a keyframe, the first slice soon after


def parameter_sets(packet: Any, codec: str) -> frozenset[bytes]:
    """The sequence parameter sets a packet announces: new extradata, or those in its Annex B bytes; empty when none."""
    if packet.has_sidedata("new_extradata"):
        return frozenset([bytes(packet.get_sidedata("new_extradata"))])
    # A set: encoders repeat them, some in every other keyframe twice.
    return frozenset(
        unit.rstrip(b"\0") for kind, unit in _units(packet, codec) if kind == (7 if codec == "h264" else 33)
    )


def holds_picture(packet: Any, codec: str) -> bool:
    """Whether a keyframe contains a slice of this codec. It does not when the sender has changed to another codec.

    MPEG-TS goes on calling the stream what it was when it was opened. True for what cannot be looked into.
    """
    kinds = [kind for kind, _ in _units(packet, codec)]
    return not kinds or any(kind in (1, 5) if codec == "h264" else kind <= 21 for kind in kinds)


def known_at_opening(extradata: bytes | None) -> frozenset[bytes]:
    """What side data is later compared with: the extradata of a length-prefixed stream.

    Not that of an Annex B stream: what a session description announces is often not what the camera then sends.
    """
    if not extradata or extradata.startswith((b"\0\0\1", b"\0\0\0\1")):
        return frozenset()
    return frozenset([extradata])


def _units(packet: Any, codec: str) -> list[tuple[int, bytes]]:
    """Type (H.264 table 7-1, H.265 table 7-1) and bytes of the units at the beginning of an Annex B packet."""
    if codec not in ("h264", "hevc"):
        return []
    data = bytes(memoryview(packet)[:SCANNED_BYTES])
    if not data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return []  # length-prefixed: parameter sets come as side data
    units = [unit for unit in data.split(b"\0\0\1")[1:] if unit]
    return [(unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63, unit) for unit in units]
