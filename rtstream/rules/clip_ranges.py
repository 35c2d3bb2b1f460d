"""Joins the ranges of several hits to those that one link plays."""

from __future__ import annotations

from collections.abc import Iterable

from rtstream.rules.link_targets import ClipRange


def joined(ranges: Iterable[ClipRange], longest_s: float) -> list[ClipRange]:
    """Return ranges in their order, of which those that overlap or meet are one, at the place of the first.

    The same moment is often found by several words, in its pictures and in its speech, and is then played once.

    Args:
        ranges: The ranges, the most important one first.
        longest_s: Total length in seconds. Ranges that would exceed it are left out.
    """
    found: list[ClipRange] = []
    for wanted in ranges:
        new = _with(found, wanted)
        if sum(end - start for _, start, end in new) <= longest_s:
            found = new
    return found


def _with(ranges: list[ClipRange], wanted: ClipRange) -> list[ClipRange]:
    """Return the ranges with another one, joined to those that it touches."""
    source, start, end = wanted
    touched = [one for one in ranges if one[0] == source and one[1] <= end and start <= one[2]]
    if not touched:
        return [*ranges, wanted]
    union = (source, min(start, *(one[1] for one in touched)), max(end, *(one[2] for one in touched)))
    return [union if one is touched[0] else one for one in ranges if one is touched[0] or one not in touched]
