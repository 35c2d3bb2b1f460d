"""Selects the frames that a tap receives, on an even grid aligned to Unix time."""

from __future__ import annotations

import math
from collections.abc import Iterable

# Frame times are rounded to the source's tick (a millisecond in RTMP). A frame this close before a grid line belongs
# to the next cell.
SLACK_S = 0.002


def grid_cell(time: float, interval_s: float) -> int:
    """Return the number of the grid cell that contains the Unix time ``time``.

    Cell ``k`` is ``[k * interval_s, (k + 1) * interval_s)``.
    A tap takes the first frame of each cell. An interval of 0 or less takes every frame (one cell per millisecond).
    """
    return math.floor((time + SLACK_S) / max(interval_s, 0.001))


def keyframes_suffice(intervals_s: Iterable[float], gop_s: float | None) -> bool:
    """Return whether decoding keyframes alone is enough for every tap.

    This is the case if no tap wants frames more often than keyframes occur.

    Args:
        intervals_s: Interval of each tap in seconds.
        gop_s: Observed distance between keyframes in seconds. While it is None (unknown), the result is False.
    """
    intervals = list(intervals_s)
    # A tenth of tolerance, because a nominal 2 s GOP is often 2.002 s.
    return gop_s is not None and bool(intervals) and min(intervals) >= 0.9 * gop_s


def scaled_size(width: int, height: int, max_side: int, aspect: float = 1.0) -> tuple[int, int]:
    """Return an even width and height whose longer side is at most ``max_side`` pixels. Frames are never enlarged.

    Args:
        width: Source width in pixels.
        height: Source height in pixels.
        max_side: Longest allowed side in pixels.
        aspect: Width of a source pixel divided by its height (1.0 for square pixels). The result has square pixels.
    """
    shown_width = width * aspect if 0.1 < aspect < 10 else width
    scale = min(1.0, max_side / max(shown_width, height))
    return max(2, 2 * round(shown_width * scale / 2)), max(2, 2 * round(height * scale / 2))
