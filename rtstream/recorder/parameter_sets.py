"""Reads the parameter sets of H.264 and H.265, which reveal a change of format within a stream."""

from __future__ import annotations

from av.packet import Packet

SCANNED_BYTES = 16_384  # parameter sets are at the beginning of a keyframe, soon followed by the first slice


def parameter_sets(packet: Packet, codec: str) -> frozenset[bytes]:
    """Return the sequence parameter sets that a packet announces, in new extradata or in its Annex B bytes."""
    if packet.has_sidedata("new_extradata"):
        return frozenset([bytes(packet.get_sidedata("new_extradata"))])
    # A set, because encoders repeat them, some even twice in every other keyframe.
    return frozenset(
        unit.rstrip(b"\0") for kind, unit in _units(packet, codec) if kind == (7 if codec == "h264" else 33)
    )


def holds_picture(packet: Packet, codec: str) -> bool:
    """Return whether a keyframe contains a slice of this codec. It does not if the sender has changed the codec.

    MPEG-TS keeps the name under which the stream was opened. The result is True for packets that cannot be examined.
    """
    kinds = [kind for kind, _ in _units(packet, codec)]
    return not kinds or any(kind in (1, 5) if codec == "h264" else kind <= 21 for kind in kinds)


def known_at_opening(extradata: bytes | None) -> frozenset[bytes]:
    """Return the extradata of a length-prefixed stream, with which later side data is compared.

    The extradata of an Annex B stream is ignored, because a session description often announces something else than
    what the camera then sends.
    """
    if not extradata or extradata.startswith((b"\0\0\1", b"\0\0\0\1")):
        return frozenset()
    return frozenset([extradata])


def _units(packet: Packet, codec: str) -> list[tuple[int, bytes]]:
    """Return the units at the beginning of an Annex B packet.

    Each has a type (H.264 table 7-1, H.265 table 7-1) and its bytes.
    """
    if codec not in ("h264", "hevc"):
        return []
    data = bytes(memoryview(packet)[:SCANNED_BYTES])
    if not data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return []  # length-prefixed, so parameter sets arrive as side data
    units = [unit for unit in data.split(b"\0\0\1")[1:] if unit]
    return [(unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63, unit) for unit in units]
