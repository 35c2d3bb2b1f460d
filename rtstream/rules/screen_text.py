"""Compares the readings of a screen at two looks, in spite of misread letters and running clocks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest

from rapidfuzz import fuzz

from rtstream.rules.fuzzy_text import find, fold
from rtstream.rules.screen_clock import CLOCK, ScreenClock, clocks_in

MAX_LINES = 200
"""Lines compared per screen."""
MAX_UNMATCHED = 40
"""Lines compared letter by letter. A screen with more lines without an equal is another one anyway."""
CHANGED_SHARE = 0.1
"""Share of the letters up to which new lines are a change on the same screen, if they are not its first line."""
MISSED_SHARE = 0.25
"""Share of the letters up to which missing lines may have been overlooked by the reader."""
LEAST_ALIKE = 0.7
"""Likeness (0 to 1) below which two lines are not compared letter by letter, because that is slow."""
PROSE_ALIKE = 80.0
"""Likeness in percent of two descriptions of the same scene by a model."""

_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w])")
_SHARE = re.compile(r"0[.,]\d+|1[.,]0+")
_WORDS = re.compile(r"\w+")
_COUNTED = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORDS = {word: str(number) for number, word in enumerate(_COUNTED, 2)} | dict.fromkeys(
    ("no", "none", "nobody", "zero"), "0"
)
"""A description that says "one" differs from one that says "a" in words only."""


@dataclass(frozen=True)
class ScreenLine:
    """One line, without misreadable differences.

    Attributes:
        text: The line, verbatim. Untrusted.
        key: The line folded, with a mark in place of each clock.
        clocks: The clocks in it.
        size: Number of letters and digits, without those of clocks.
    """

    text: str
    key: str
    clocks: tuple[ScreenClock, ...] = ()
    size: int = 0


@dataclass(frozen=True)
class ScreenComparison:
    """The result of comparing a screen with an earlier look.

    Attributes:
        same: It is the same screen.
        added: The lines that are new on it.
    """

    same: bool
    added: list[ScreenLine] = field(default_factory=list)


def screen_lines(lines: Sequence[str]) -> list[ScreenLine]:
    """Prepare the lines of a screen for ``compare``. Lines without a letter or digit are left out."""
    return [line for line in map(_line, lines[:MAX_LINES]) if line.key]


@lru_cache(maxsize=4096)
def _line(text: str) -> ScreenLine:
    clocks = clocks_in(text)
    masked = CLOCK.sub(" ", text) if clocks else text
    key = fold(masked).same.strip()
    size = len(key.replace(" ", ""))
    return ScreenLine(text, f"{key}|{len(clocks)}" if clocks else key, clocks, size)


def compare(old: Sequence[ScreenLine], new: Sequence[ScreenLine], elapsed_s: float) -> ScreenComparison:
    """Compare two readings of a screen.

    A few new lines are a change on the same screen. A few missing lines may have been overlooked by the reader.

    Args:
        old: The lines of the earlier look.
        new: The lines of the later look.
        elapsed_s: Seconds between the looks, by which running clocks differ.
    """
    gone, added = _unmatched(old, new, elapsed_s)
    if gone and added and max(len(gone), len(added)) <= MAX_UNMATCHED:
        gone, added = _without_misreads(gone, added, elapsed_s)
    if not old or not new:
        return ScreenComparison(not old and not new)
    if not gone and not added:
        return ScreenComparison(True)
    before, after = _size(old), _size(new)
    same = _size(added) <= CHANGED_SHARE * after and _size(gone) <= MISSED_SHARE * before
    same = same and not any(line is new[0] for line in added)
    return ScreenComparison(same, added if same else [])


def difference(old: Sequence[str], new: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the lines that appeared and those that disappeared between two readings of a screen.

    A line that was merely read slightly differently did neither. All clocks count.
    """
    before = Counter(fold(line).same for line in old)
    after = Counter(fold(line).same for line in new)
    gone, added = _surplus(old, before - after), _surplus(new, after - before)
    if gone and added and max(len(gone), len(added)) <= MAX_UNMATCHED:
        for line in list(added):
            twin = next((one for one in gone if _read_differently(one, line)), None)
            if twin is not None:
                gone.remove(twin)
                added.remove(line)
    return added, gone


def _surplus(lines: Sequence[str], surplus: Counter[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        key = fold(line).same
        if surplus[key] > 0:
            surplus[key] -= 1
            found.append(line)
    return found


def _read_differently(one: str, other: str) -> bool:
    first, second = _line(one), _line(other)
    return (
        first.clocks == second.clocks
        and abs(first.size - second.size) <= 2
        and fuzz.ratio(first.key, second.key) >= 100 * LEAST_ALIKE
        and _may_be(one, other)
    )


def kept_share(first: Sequence[ScreenLine], now: Sequence[ScreenLine], elapsed_s: float) -> float:
    """Return the share (0 to 1) of the letters of a screen that it had at an earlier look already."""
    _, added = _unmatched(first, now, elapsed_s)
    return 1.0 - _size(added) / max(1, _size(now))


def _size(lines: Sequence[ScreenLine]) -> int:
    return sum(max(1, line.size) for line in lines)


def _unmatched(
    old: Sequence[ScreenLine], new: Sequence[ScreenLine], elapsed_s: float
) -> tuple[list[ScreenLine], list[ScreenLine]]:
    """Return the lines of each look without an equal in the other, where running clocks count as equal."""
    # Most lines are equal and in their place. They are the same objects, because ``_line`` remembers them.
    left: dict[str, list[ScreenLine]] = {}
    rest: list[ScreenLine] = []
    for before, after in zip_longest(old, new):
        if before is after:
            continue
        if before is not None:
            left.setdefault(before.key, []).append(before)
        if after is not None:
            rest.append(after)
    added: list[ScreenLine] = []
    for line in rest:
        alike = left.get(line.key, [])
        for place, one in enumerate(alike):
            if _run_on(one.clocks, line.clocks, elapsed_s):
                del alike[place]
                break
        else:
            added.append(line)
    return [line for lines in left.values() for line in lines], added


def _run_on(before: Sequence[ScreenClock], after: Sequence[ScreenClock], elapsed_s: float) -> bool:
    """Return whether clocks differ by no more than the time between the looks."""
    if not before and not after:
        return True
    return len(before) == len(after) and all(
        abs(two.seconds - one.seconds) <= elapsed_s + one.tick + 1 or _of_minutes(one, two, elapsed_s)
        for one, two in zip(before, after, strict=True)
    )


def _of_minutes(one: ScreenClock, two: ScreenClock, elapsed_s: float) -> bool:
    """Return whether two states of a timer in minutes and seconds differ by no more than the time between the looks."""
    return one.tick == two.tick == 60 and abs(two.seconds - one.seconds) / 60 <= elapsed_s + 2 <= 60


def _without_misreads(
    gone: list[ScreenLine], added: list[ScreenLine], elapsed_s: float
) -> tuple[list[ScreenLine], list[ScreenLine]]:
    """Leave out the pairs of lines that differ only in what a text reader may misread."""
    rest, unpaired = list(gone), []
    for line in added:
        partner = next((one for one in rest if _misread(one, line, elapsed_s)), None)
        if partner is None:
            unpaired.append(line)
        else:
            rest.remove(partner)
    return rest, unpaired


def _misread(one: ScreenLine, other: ScreenLine, elapsed_s: float) -> bool:
    return (
        abs(one.size - other.size) <= 2
        and _run_on(one.clocks, other.clocks, elapsed_s)
        and fuzz.ratio(one.key, other.key) >= 100 * LEAST_ALIKE
        and _may_be(one.text, other.text)
    )


@lru_cache(maxsize=4096)
def _may_be(one: str, other: str) -> bool:
    """Return whether a text reader may have read one of two lines for the other."""
    first, second = CLOCK.sub(" ", one), CLOCK.sub(" ", other)
    return find(first, fold(second)) is not None or find(second, fold(first)) is not None


def same_description(old: str, new: str) -> bool:
    """Return whether two texts of a model describe the same, which have the same numbers and almost the same words."""
    if old == new:
        return True
    if _numbers(old) != _numbers(new):
        return False
    first, second = (" ".join(_WORDS.findall(CLOCK.sub(" ", text).casefold())) for text in (old, new))
    return fuzz.token_sort_ratio(first, second) >= PROSE_ALIKE


def _numbers(text: str) -> list[str]:
    """Return the numbers in a text, in digits and in words, without clocks and confidences."""
    plain = CLOCK.sub(" ", text)
    found = [number for number in _NUMBER.findall(plain) if not _SHARE.fullmatch(number)]
    found += [_NUMBER_WORDS[word] for word in _WORDS.findall(plain.casefold()) if word in _NUMBER_WORDS]
    return sorted(found)
