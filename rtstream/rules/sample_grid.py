"""Which pictures a tap takes: an even grid aligned to Unix time."""

from __future__ import annotations

import math
from collections.abc import Iterable

# Frame times carry rounding of the source's tick (a millisecond in RTMP): a picture this close before a grid line
# belongs to the next cell.
SLACK_S = 0.002


def grid_cell(time: float, interval_s: float) -> int:
    """Number of the grid cell ``[k * interval_s, (k + 1) * interval_s)`` a picture of Unix time ``time`` falls in.

    A tap takes the first picture of each cell. An interval of 0 or less takes every picture (one cell a millisecond).
    """
    return math.floor((time + SLACK_S) / max(interval_s, 0.001))


def keyframes_suffice(intervals_s: Iterable[float], gop_s: float | None) -> bool:
    """Whether decoding keyframes alone serves every tap: no tap wants pictures more often than keyframes come.

    ``gop_s``: observed distance of keyframes in seconds, None while unknown (then no).
    """
    intervals = list(intervals_s)
    # A tenth of tolerance: a nominal 2 s GOP is often 2.002 s.
    return gop_s is not None and bool(intervals) and min(intervals) >= 0.9 * gop_s


def scaled_size(width: int, height: int, max_side: int, aspect: float = 1.0) -> tuple[int, int]:
    """Even width and height, never enlarged, whose longer side is at most ``max_side`` pixels.

    ``aspect``: shape of one source pixel, width by height (1.0 for square pixels); the result has square pixels.
    """
    shown_width = width * aspect if 0.1 < aspect < 10 else width
    scale = min(1.0, max_side / max(shown_width, height))
    return max(2, 2 * round(shown_width * scale / 2)), max(2, 2 * round(height * scale / 2))
