"""Cuts a stored segment to the fragments that a window needs, so that a link opens no more than that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HALF_TICK_S = 0.0005
"""Times come from stored floats."""


@dataclass(frozen=True)
class SegmentFragment:
    """A fragment of a stored segment, with the audio that ends the segment.

    Attributes:
        start: Unix seconds at which its first picture in decoding order is shown.
        earliest: Unix seconds at which the first of its pictures is shown; earlier than ``start`` in an open GOP.
        offset: First byte in the file.
        length: Bytes.
        keyframe: Whether it can be decoded without an earlier fragment.
    """

    start: float
    earliest: float
    offset: int
    length: int
    keyframe: bool


@dataclass(frozen=True)
class SegmentPart:
    """Consecutive fragments of a segment: Unix seconds, seconds, and bytes in the file."""

    start: float
    duration: float
    offset: int
    length: int


def cut(fragments: Sequence[SegmentFragment], segment_end: float, start: float, end: float) -> SegmentPart | None:
    """Return the part of a segment that is needed to show the window [start, end].

    It begins with the last keyframe that is shown by ``start``, and ends with the fragment that is shown at ``end``.

    Args:
        fragments: All fragments of the segment, in order.
        segment_end: Unix seconds at which the segment ends.
        start: Start of the window in Unix seconds.
        end: End of the window in Unix seconds.

    Returns:
        The part, or None when no fragment is needed.
    """
    begun = [n for n, one in enumerate(fragments) if one.keyframe and one.start <= start + HALF_TICK_S]
    first = begun[-1] if begun else 0
    needed = [n for n, one in enumerate(fragments) if n >= first and one.earliest < end - HALF_TICK_S]
    if not needed:
        return None
    last = needed[-1]
    until = fragments[last + 1].start if last + 1 < len(fragments) else segment_end
    if until <= start:
        return None
    begin = fragments[first]
    length = fragments[last].offset + fragments[last].length - begin.offset
    return SegmentPart(begin.start, until - begin.start, begin.offset, length)
