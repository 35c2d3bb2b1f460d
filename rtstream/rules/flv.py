"""The beginning of an FLV stream (Adobe FLV specification 10.1, annex E), for a demuxer that joins in the middle."""

from __future__ import annotations

FLV_HEADER = b"FLV\x01\x05" + (9).to_bytes(4, "big") + bytes(4)
"""Header of an FLV stream with video and audio."""
TAG_HEAD = 11
"""Bytes of the head of a tag."""
_VIDEO, _AUDIO = 9, 8
_FOURCC = {"hevc": b"hvc1", "av1": b"av01", "vp9": b"vp09"}


def flv_beginning(video_codec: str, video_configuration: bytes, audio_codec: str, audio_configuration: bytes) -> bytes:
    """Return the header of an FLV stream and the decoder configurations of its tracks.

    Args:
        video_codec: Name of the codec, empty if there is no video.
        video_configuration: Decoder configuration (avcC, hvcC, av1C or vpcC).
        audio_codec: Name of the codec, empty if there is no audio.
        audio_configuration: AudioSpecificConfig of AAC.
    """
    found = FLV_HEADER
    if video_configuration and video_codec == "h264":
        found += _tag(_VIDEO, b"\x17\0\0\0\0" + video_configuration)
    elif video_configuration and video_codec in _FOURCC:
        found += _tag(_VIDEO, b"\x90" + _FOURCC[video_codec] + video_configuration)
    if audio_configuration and audio_codec == "aac":
        found += _tag(_AUDIO, b"\xaf\0" + audio_configuration)
    return found


def tag_end(position: int, head: bytes) -> int | None:
    """Return the position behind a tag.

    Args:
        position: Position of the tag.
        head: Its first ``TAG_HEAD`` bytes.

    Returns:
        The position of the next tag, or None if this is not a tag of audio or video.
    """
    if len(head) < TAG_HEAD or head[0] & 0x1F not in (_AUDIO, _VIDEO):
        return None
    return position + TAG_HEAD + int.from_bytes(head[1:4], "big") + 4


def flv_tag(kind: int, timestamp: int, body: bytes) -> bytes:
    """Return a tag of audio (8) or video (9) with the size that follows it; ``timestamp`` in ms has 32 bits."""
    time = (timestamp & 0xFFFFFF).to_bytes(3, "big") + bytes([timestamp >> 24 & 0xFF])
    head = bytes([kind]) + len(body).to_bytes(3, "big") + time + bytes(3)
    return head + body + (len(head) + len(body)).to_bytes(4, "big")


def _tag(kind: int, body: bytes) -> bytes:
    return flv_tag(kind, 0, body)
