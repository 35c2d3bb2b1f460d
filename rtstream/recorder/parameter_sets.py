"""Reads the parameter sets of H.264 and H.265, which reveal a change of format within a stream."""

from __future__ import annotations

from typing import NamedTuple, cast

from av.codec.context import Flags
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

PARAMETER_SETS = {"h264": (7, 8), "hevc": (32, 33, 34)}
"""Types of the units that a decoder needs before the first picture (SPS and PPS; H.265 also VPS)."""
SCANNED_BYTES = 16_384  # parameter sets are at the beginning of a keyframe, soon followed by the first slice


class VideoFormat(NamedTuple):
    """The format of a video track, with the parameter sets that describe it (empty: not repeated)."""

    width: int  # pixels
    height: int
    configuration: bytes


def parameter_sets(packet: Packet, codec: str) -> frozenset[bytes]:
    """Return the sequence parameter sets that a packet announces, in new extradata or in its Annex B bytes."""
    if packet.has_sidedata("new_extradata"):
        return frozenset([bytes(packet.get_sidedata("new_extradata"))])
    # A set, because encoders repeat them, some even twice in every other keyframe.
    return frozenset(
        unit.rstrip(b"\0") for kind, unit in units_of(packet, codec) if kind == (7 if codec == "h264" else 33)
    )


def decoder_configuration(packet: Packet, codec: str) -> bytes:
    """Return all parameter sets at the beginning of an Annex B keyframe, as extradata. Empty if one kind is missing."""
    wanted = PARAMETER_SETS.get(codec, ())
    units = [(kind, unit) for kind, unit in units_of(packet, codec) if kind in wanted]
    if not units or {kind for kind, _ in units} != set(wanted):
        return b""
    return b"".join(b"\0\0\0\1" + unit.rstrip(b"\0") for _, unit in units)


def decodes(packet: Packet, codec: str, configuration: bytes) -> bool:
    """Return whether a keyframe can be decoded with these parameter sets instead of its own.

    The result is True for packets that cannot be examined.
    """
    units = units_of(packet, codec, None)
    if not units:
        return True
    own = PARAMETER_SETS[codec]
    picture = b"".join(b"\0\0\0\1" + unit for kind, unit in units if kind not in own)
    return _decoded_size(picture, codec, configuration) is not None


def video_format(packet: Packet, codec: str, configuration: bytes) -> VideoFormat | None:
    """Return the format of a keyframe by decoding it with ``configuration``; None if it cannot be decoded.

    ``configuration`` is empty if the keyframe needs no other parameter sets than its own.
    """
    size = _decoded_size(bytes(packet), codec, configuration)
    return None if size is None else VideoFormat(*size, configuration)


def _decoded_size(picture: bytes, codec: str, configuration: bytes) -> tuple[int, int] | None:
    context = cast(VideoCodecContext, VideoCodecContext.create(codec, "r"))
    context.thread_type, context.thread_count = "NONE", 1
    context.flags |= Flags.output_corrupt  # pictures of a gradual refresh are whole only later
    try:
        if configuration:
            context.extradata = configuration
        for frame in [*context.decode(Packet(picture)), *context.decode(None)]:
            return frame.width, frame.height
    except (FFmpegError, ValueError, MemoryError):
        pass
    return None


def usable_configuration(packet: Packet, codec: str, own: bytes) -> bytes | None:
    """Return the parameter sets with which the keyframe ``packet`` can be decoded.

    Args:
        packet: The keyframe.
        codec: Name of the codec.
        own: Parameter sets that the source had when it was opened.

    Returns:
        Empty for ``own`` or if there are none, else those in the packet; None if it cannot be decoded with either.
    """
    repeated = decoder_configuration(packet, codec)
    if decodes(packet, codec, own or repeated):
        return b""
    return repeated if own and repeated and decodes(packet, codec, repeated) else None


def holds_picture(packet: Packet, codec: str) -> bool:
    """Return whether a keyframe contains a slice of this codec. It does not if the sender has changed the codec.

    MPEG-TS keeps the name under which the stream was opened. The result is True for packets that cannot be examined.
    """
    kinds = [kind for kind, _ in units_of(packet, codec)]
    return not kinds or any(kind in (1, 5) if codec == "h264" else 16 <= kind <= 21 for kind in kinds)


def is_vp9_keyframe(beginning: bytes) -> bool:
    """Return whether a frame of VP9 with this first byte is a keyframe (VP9 bitstream specification, 6.2)."""
    first = beginning[0] if beginning else 0
    if first >> 6 != 2:
        return False
    has_reserved_bit = first >> 4 & 3 == 3  # of profile 3
    shows_another, is_inter = (first >> 2 & 1, first >> 1 & 1) if has_reserved_bit else (first >> 3 & 1, first >> 2 & 1)
    return not shows_another and not is_inter


def known_at_opening(extradata: bytes | None) -> frozenset[bytes]:
    """Return the extradata of a length-prefixed stream, with which later side data is compared.

    The extradata of an Annex B stream is ignored, because a session description often announces something else than
    what the camera then sends.
    """
    if not extradata or extradata.startswith((b"\0\0\1", b"\0\0\0\1")):
        return frozenset()
    return frozenset([extradata])


def units_of(packet: Packet, codec: str, limit: int | None = SCANNED_BYTES) -> list[tuple[int, bytes]]:
    """Return the units at the beginning of an Annex B packet.

    Each has a type (H.264 table 7-1, H.265 table 7-1) and its bytes.
    """
    if codec not in ("h264", "hevc"):
        return []
    data = bytes(memoryview(packet)[:limit])
    if not data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return []  # length-prefixed, so parameter sets arrive as side data
    units = [unit for unit in data.split(b"\0\0\1")[1:] if unit]
    return [(unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63, unit) for unit in units]
