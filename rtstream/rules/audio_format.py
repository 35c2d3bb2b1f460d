"""Reads the sample rate and the channels from the headers that frames of compressed audio begin with.

ADTS (ISO/IEC 13818-7, 6.2), MPEG audio (ISO/IEC 11172-3, 2.4.2.3), AC-3 and E-AC-3 (ETSI TS 102 366, 4.4 and E.1.3).
"""

from __future__ import annotations

from typing import NamedTuple

HEADER_BYTES = 8
"""Bytes of a frame from which its format can be read."""

_ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_MPEG_RATES = (44100, 48000, 32000)
_AC3_RATES = (48000, 44100, 32000)
_AC3_CHANNELS = (2, 1, 2, 3, 3, 4, 4, 5)
MASKS = {
    "aac": 0xFFF6_3DC0_0000_0000,  # sync word, layer, sample rate, channels
    "mp2": 0xFFFE_0CC0_0000_0000,
    "mp3": 0xFFFE_0CC0_0000_0000,
    "ac3": 0xFFFF_0000_C0F8_FF00,
    "eac3": 0xFFFF_C000_FFF8_0000,
}
"""The bits of the header, as a big-endian number, that are equal in all frames of a format. By codec."""


class AudioFormat(NamedTuple):
    """The format of an audio track."""

    rate: int  # Hz
    channels: int


def audio_format(codec: str, head: bytes) -> AudioFormat | None:
    """Return the format in the header of a frame.

    Args:
        codec: Name of the codec.
        head: At least the first ``HEADER_BYTES`` of the frame.

    Returns:
        None if this is not a header, or if the codec has none. The rate of AAC is that of its core, which SBR doubles.
    """
    if len(head) < HEADER_BYTES:
        return None
    try:
        if codec == "aac":
            return _adts(head)
        if codec in ("mp2", "mp3"):
            return _mpeg(head)
        if codec == "ac3":
            return _ac3(head)
        if codec == "eac3":
            return _eac3(head)
    except IndexError:  # a reserved rate
        pass
    return None


def _adts(head: bytes) -> AudioFormat | None:
    channels = (head[2] & 1) << 2 | head[3] >> 6
    if head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or not channels:  # 0: in the stream itself
        return None
    return AudioFormat(_ADTS_RATES[head[2] >> 2 & 15], 8 if channels == 7 else channels)


def _mpeg(head: bytes) -> AudioFormat | None:
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if head[0] != 0xFF or head[1] < 0xE0 or version == 1 or not layer:
        return None
    rate = _MPEG_RATES[head[2] >> 2 & 3] >> {3: 0, 2: 1, 0: 2}[version]
    return AudioFormat(rate, 1 if head[3] >> 6 == 3 else 2)


def _ac3(head: bytes) -> AudioFormat | None:
    if head[:2] != b"\x0b\x77" or head[5] >> 3 > 10:
        return None
    mode = head[6] >> 5
    skipped = 2 * bool(mode & 1 and mode != 1) + 2 * bool(mode & 4) + 2 * (mode == 2)  # bits before that of the LFE
    lfe = (head[6] << 8 | head[7]) >> (12 - skipped) & 1
    return AudioFormat(_AC3_RATES[head[4] >> 6], _AC3_CHANNELS[mode] + lfe)


def _eac3(head: bytes) -> AudioFormat | None:
    if head[:2] != b"\x0b\x77" or head[5] >> 3 <= 10:
        return None
    code = head[4] >> 6
    rate = _AC3_RATES[head[4] >> 4 & 3] // 2 if code == 3 else _AC3_RATES[code]
    return AudioFormat(rate, _AC3_CHANNELS[head[4] >> 1 & 7] + (head[4] & 1))
