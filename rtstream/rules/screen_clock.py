"""Clocks and timers on a screen: which of them run, and a line without them.

A clock that runs changes from one look to the next by the time between the looks, and stays in its place. Times that
are written on a page, in a table or in a log stand still or move with their line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

CLOCK = re.compile(r"(?<![\d:.])(\d{1,3}):(\d{2})(?::(\d{2}))?(?:[.,]\d{1,3})?(?![\d:])")
_TO_THE_SECOND = re.compile(r"\d{1,3}:\d{2}(?::\d{2}|(?::\d{2})?[.,]\d{1,3})")
_WITH_ZONE = r"\s*(?:[ap]\.?\s?m\b\.?|UTC|GMT|Uhr)?"
_LOOSE = " \t-–—|/·•,;@"
"""Separators that are removed from the ends of a line together with a clock."""
_PAIRS = re.compile(r"\(\s*\)|\[\s*\]")
_LETTERS = re.compile(r"[^\W\d_]+")
WHOLE = -1
"""Stands for the whole line in place of the number of a clock, where a running clock could not be read."""
_BLURRED = re.compile(r"[\dOoQDIlSBZ|:;.,'\s]+")
MAX_ALIKE = 3
"""Running clocks with the same words around them. More of them are the lines of a log or of a table."""
MAX_RUNNING = 8
"""Running clocks on a screen. More of them are a log that scrolls."""
EDGE = 0.09
"""Share of the picture's height, from the top and from the bottom, in which systems show the time of day."""
ZONE_S = 900
"""Time zones differ by multiples of this many seconds."""
LATE_S = 90.0
"""Seconds by which the time of day on a screen may differ from ours."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as fractions (0 to 1) of the picture."""


class PlacedLine(Protocol):
    """A line of text with its place on the screen. The text is untrusted."""

    @property
    def text(self) -> str: ...  # noqa: D102 - described above

    @property
    def box(self) -> Box: ...  # noqa: D102 - described above


@dataclass(frozen=True)
class ScreenClock:
    """A clock or timer on a screen. ``seconds`` is what it shows, ``tick`` the seconds between two of its states."""

    seconds: int
    tick: int


@dataclass(frozen=True)
class ClockPlace:
    """The place of a line with clocks that run.

    Attributes:
        words: The rest of the line.
        box: Its place.
        running: The numbers of its clocks that run, from 0.
    """

    words: str
    box: Box
    running: frozenset[int]

    def holds(self, words: str, box: Box) -> bool:
        """Return whether a line with these words besides its clocks is at this place."""
        return self.words == words and _same_place(self.box, box)


@dataclass(frozen=True)
class RunningClocks:
    """The clocks of a screen that run.

    Attributes:
        running: The numbers of the clocks that run, by the number of their line. Both are counted from 0.
        places: The places of these lines.
    """

    running: Mapping[int, frozenset[int]] = field(default_factory=dict[int, frozenset[int]])
    places: Sequence[ClockPlace] = ()


def clocks_in(text: str) -> tuple[ScreenClock, ...]:
    """Return the clocks in a line."""
    return tuple(_clock(match) for match in CLOCK.finditer(text))


def _clock(match: re.Match[str]) -> ScreenClock:
    first, second, third = match.groups()
    if third is None:  # 14:05 and a timer of 14 minutes look alike, so the coarser one counts
        return ScreenClock(3600 * int(first) + 60 * int(second), 60)
    return ScreenClock(3600 * int(first) + 60 * int(second) + int(third), 1)


def without_clocks(text: str, running: Collection[int]) -> str:
    """Return a line without some of its clocks, numbered from 0, and without the separators that they leave behind."""
    if not running:
        return text
    if WHOLE in running:
        return ""
    parts: list[str] = []
    reached = 0
    for number, match in enumerate(CLOCK.finditer(text)):
        if number in running:
            parts.append(text[reached : match.start()])
            zone = re.compile(_WITH_ZONE, re.IGNORECASE).match(text, match.end())
            reached = zone.end() if zone else match.end()
    parts.append(text[reached:])
    return " ".join(_PAIRS.sub(" ", " ".join(parts)).split()).strip(_LOOSE)


def running_clocks(
    old: Sequence[PlacedLine], new: Sequence[PlacedLine], elapsed_s: float, known: Sequence[ClockPlace] = ()
) -> RunningClocks:
    """Return the clocks of a screen that run.

    Args:
        old: The lines of an earlier look.
        new: The lines of this look.
        elapsed_s: Seconds between the looks.
        known: The places of clocks that were found to run before. They still do, even if they show the same.
    """
    running: dict[int, frozenset[int]] = {}
    timed = [(line, clock_words(line.text)) for line in old if CLOCK.search(line.text)]
    logs = {words for one, words in timed if _moved(one, new)}
    for number, line in enumerate(new):
        if not CLOCK.search(line.text):
            if _BLURRED.fullmatch(line.text) and any(one.holds("", line.box) for one in known):
                running[number] = frozenset({WHOLE})
            continue
        words = clock_words(line.text)
        if words in logs:
            continue
        place = next((one for one in known if one.holds(words, line.box)), None)
        found = set(place.running) if place is not None else set[int]()
        earlier = next((one for one, own in timed if own == words and _same_place(one.box, line.box)), None)
        if earlier is not None:
            found |= _ticking(clocks_in(earlier.text), clocks_in(line.text), elapsed_s)
        if found:
            running[number] = frozenset(found)
    alike = Counter(clock_words(new[number].text) for number in running)
    if len(running) > MAX_RUNNING:
        return RunningClocks()
    kept = {number: found for number, found in running.items() if alike[clock_words(new[number].text)] <= MAX_ALIKE}
    places = [_place(new[number], found) for number, found in kept.items()]
    return RunningClocks(kept, places)


def _moved(line: PlacedLine, new: Sequence[PlacedLine]) -> bool:
    """Return whether a line is in another place now, as in a log that scrolls."""
    alike = [one for one in new if one.text == line.text]
    return bool(alike) and not any(_same_place(one.box, line.box) for one in alike)


def with_edge_clocks(found: RunningClocks, lines: Sequence[PlacedLine], at: float) -> RunningClocks:
    """Add clocks that stand alone near the upper or lower edge and show seconds, or the time of the picture.

    A clock without seconds cannot be seen running from one look to the next, and no clock can from a single picture.

    Args:
        found: The clocks that were seen running.
        lines: The lines of this look.
        at: Unix time of the picture.
    """
    own = [number for number, line in enumerate(lines) if number not in found.running and _is_edge_clock(line, at)]
    if not own or len(own) > MAX_ALIKE:
        return found
    running = {**found.running, **{number: frozenset({0}) for number in own}}
    places = [_place(lines[number], frozenset({0})) for number in own]
    return RunningClocks(running, [*found.places, *places])


def _place(line: PlacedLine, running: frozenset[int]) -> ClockPlace:
    if WHOLE in running:
        return ClockPlace("", line.box, frozenset({0}))
    return ClockPlace(clock_words(line.text), line.box, running)


def _is_edge_clock(line: PlacedLine, at: float) -> bool:
    clocks = clocks_in(line.text)
    if len(clocks) != 1 or not (line.box[3] <= EDGE or line.box[1] >= 1 - EDGE):
        return False
    if _TO_THE_SECOND.fullmatch(line.text.strip()):
        return True
    if not _may_be_date(without_clocks(line.text, {0})):
        return False
    apart = (clocks[0].seconds - at) % ZONE_S
    return min(apart, ZONE_S - apart) <= LATE_S


def _may_be_date(text: str) -> bool:
    """Return whether a text may be a date or a weekday, such as ``Sat 28 Nov``, ``28.11.2026`` or ``Sat``."""
    words = _LETTERS.findall(text)
    dated = any(char.isdigit() for char in text)
    return not words or (dated and len(words) <= 2) or (len(words) == 1 and len(words[0]) <= 3)


def clock_words(text: str) -> str:
    """Return a line without all of its clocks, folded."""
    return " ".join(CLOCK.sub(" ", text).casefold().split())


def _same_place(one: Box, other: Box) -> bool:
    """Return whether two boxes overlap by more than half of the smaller one in both directions."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across > 0.5 * min(one[2] - one[0], other[2] - other[0]) and down > 0.5 * min(
        one[3] - one[1], other[3] - other[1]
    )


def _ticking(before: Sequence[ScreenClock], after: Sequence[ScreenClock], elapsed_s: float) -> set[int]:
    """Return the numbers of the clocks that differ by the time between the looks, forwards or backwards."""
    if len(before) != len(after):
        return set()
    return {number for number, pair in enumerate(zip(before, after, strict=True)) if _ticks(*pair, elapsed_s)}


def _ticks(one: ScreenClock, two: ScreenClock, elapsed_s: float) -> bool:
    apart = abs(two.seconds - one.seconds)
    if one.tick != two.tick or apart == 0:
        return False
    if abs(apart - elapsed_s) <= one.tick + 1:
        return True
    return one.tick == 60 and abs(apart / 60 - elapsed_s) <= 2  # minutes and seconds
