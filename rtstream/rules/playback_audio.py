"""Decides which recorded audio has to be converted for playback, because browsers do not play it in MP4."""

from __future__ import annotations

import re

AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
"""Sample rates of AAC in Hz, in the order of their index (ISO/IEC 14496-3, 1.6.3.4)."""
FRAME = 1024
"""Samples per channel of an AAC frame."""

_AUDIO = re.compile(r"mp4a\.|ac-[34]|ec-3|alac|opus|flac|dts|samr|sawb", re.IGNORECASE)
# AAC LC, HE-AAC, HE-AACv2 and MPEG-2 AAC LC. MP3 is played by the page, but not by players of playlists.
_PLAYED = re.compile(r"mp4a\.40\.0?(2|5|29)$|mp4a\.67$|opus$|flac$", re.IGNORECASE)


def unplayable_audio(codecs: str) -> str | None:
    """Return the audio codec of a codecs parameter (RFC 6381) if browsers do not play it, else None."""
    names = [name.strip() for name in codecs.split(",")]
    audio = next((name for name in names if _AUDIO.match(name)), None)
    return None if audio is None or _PLAYED.match(audio) else audio


def frames_of(start: float, end: float, rate: int) -> tuple[int, int]:
    """Return the numbers of the first AAC frame, and of the one after the last, that begin in [start, end).

    Frames are numbered from time 0, so that the ranges of consecutive segments meet, and each segment can be encoded
    on its own.

    Args:
        start: Start on the time line of the recording, in seconds.
        end: End on the time line of the recording, in seconds.
        rate: Samples per second.
    """
    return -(-round(start * rate) // FRAME), -(-round(end * rate) // FRAME)
