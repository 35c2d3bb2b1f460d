"""Shortens a timeline: speech joins the screens during which it was said, and neighbours that say least are folded."""

from __future__ import annotations

import heapq
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rtstream.models import TimelineChannel
from rtstream.rules.timeline import TimedText, TimelineItem

_LINE_END = re.compile(r"\n| / ")
MAX_ITEMS = 40
"""Items of a timeline, unless there are more sources than that."""
MAX_SAID = 500
"""Characters of speech that a screen carries. Speech beyond has items of its own."""
MAX_TITLES = 12
MAX_TITLE = 80
SAMPLE = 300
"""Characters of speech that folded screens carry."""
MOMENT_S = 0.5
"""Seconds before a screen at which speech may begin and still belong to it."""
WEIGHTS: dict[TimelineChannel, float] = {"alerts": 4.0, "scenes": 3.0, "health": 2.0, "transcript": 2.0, "audio": 2.0}
"""Share of the items that a source gets when there are too many, relative to others."""


def nested(screens: Sequence[TimelineItem], turns: Sequence[TimelineItem]) -> list[TimelineItem]:
    """Move speech into the screens during which it began, up to ``MAX_SAID`` characters each.

    Args:
        screens: The screens of one index, oldest first.
        turns: The turns of one transcript of the same stream, oldest first.

    Returns:
        The other turns.
    """
    starts = [screen.start for screen in screens]
    rest: list[TimelineItem] = []
    full: set[int] = set()
    for turn in turns:
        place = bisect_right(starts, turn.start + MOMENT_S) - 1
        screen = screens[place] if place >= 0 else None
        if screen is None or turn.start >= screen.end + MOMENT_S or place in full or turn.items > 1:
            rest.append(turn)
        elif sum(len(said.text) for said in screen.said) + len(turn.text) > MAX_SAID:
            full.add(place)  # the following turns would otherwise come before this one
            rest.append(turn)
        else:
            screen.said.append(TimedText(turn.start, turn.end, turn.text))
    return rest


def folded(lanes: Iterable[Sequence[TimelineItem]], most: int = MAX_ITEMS) -> list[TimelineItem]:
    """Return the items of all lanes in their order, of which at most ``most`` are left, or one per lane.

    Args:
        lanes: The items of each source, oldest first.
        most: Number of items.
    """
    filled = sorted((list(lane) for lane in lanes if lane), key=_identity)
    counts = _shares([(len(lane), WEIGHTS[lane[0].channel]) for lane in filled], most)
    items = [item for lane, count in zip(filled, counts, strict=True) for item in fold_lane(lane, count)]
    return sorted(items, key=lambda item: item.position)


def _identity(lane: Sequence[TimelineItem]) -> tuple[str, str, str]:
    return lane[0].channel, lane[0].stream_id, lane[0].source


def _shares(wanted: Sequence[tuple[int, float]], most: int) -> list[int]:
    """Share ``most`` among sources that want some number each and have a weight. Each gets at least one."""
    given = [0] * len(wanted)
    left, open_ = most, set(range(len(wanted)))
    while open_:
        total = sum(wanted[place][1] for place in open_)
        unit = left / total
        satisfied = {place for place in open_ if wanted[place][0] <= unit * wanted[place][1]}
        if not satisfied:
            for place in open_:
                given[place] = max(1, int(unit * wanted[place][1]))
            break
        for place in satisfied:
            given[place] = wanted[place][0]
            left -= wanted[place][0]
        open_ -= satisfied
    return given


def fold_lane(items: Sequence[TimelineItem], most: int) -> list[TimelineItem]:
    """Fold neighbours until at most ``most`` items are left, those first that say least."""
    if len(items) <= most:
        return list(items)
    alive: list[TimelineItem | None] = list(items)
    following = list(range(1, len(items) + 1))
    before = list(range(-1, len(items) - 1))
    changed = [0] * len(items)
    heap: list[tuple[float, int, int, int, int]] = []

    def offer(first: int) -> None:
        second = following[first]
        one, two = alive[first], alive[second] if second < len(alive) else None
        if one is not None and two is not None:
            heapq.heappush(heap, (_weight(one) + _weight(two), first, second, changed[first], changed[second]))

    for place in range(len(items) - 1):
        offer(place)
    left = len(items)
    while left > max(1, most) and heap:
        _, first, second, *versions = heapq.heappop(heap)
        one, two = alive[first], alive[second]
        if one is None or two is None or versions != [changed[first], changed[second]]:
            continue
        alive[first], alive[second] = joined(one, two), None
        changed[first] += 1
        following[first] = following[second]
        if following[first] < len(before):
            before[following[first]] = first
        left -= 1
        offer(first)
        if before[first] >= 0:
            offer(before[first])
    return [item for item in alive if item is not None]


def _weight(item: TimelineItem) -> float:
    """Return how much an item says: the letters in it, and that something changed at all."""
    said = sum(len(one.text) for one in item.said)
    return sum(min(len(title), MAX_TITLE) for title in item.titles) * item.items + len(item.text) + said + 40


def joined(one: TimelineItem, two: TimelineItem) -> TimelineItem:
    """Fold two neighbours of a lane into one item."""
    titles = _thinned([*(one.titles or [_title(one)]), *(two.titles or [_title(two)])])
    said: list[TimedText] = []
    spoken = [*one.said, *two.said]
    for turn in spoken:
        if sum(len(each.text) for each in said) + len(turn.text) > SAMPLE:
            break
        said.append(turn)
    confidences = [each.confidence for each in (one, two) if each.confidence is not None]
    return replace(
        one,
        end=max(one.end, two.end),
        text="; ".join(f"“{title}”" for title in titles),
        titles=titles,
        results=one.results + two.results,
        items=one.items + two.items,
        label=one.label if one.label == two.label else "",
        confidence=max(confidences, default=None),
        said=said,
        said_more=one.said_more + two.said_more + len(spoken) - len(said),
        later=[],
        later_more=one.later_more + two.later_more + len(one.later) + len(two.later),
        already_there=one.already_there,
        still_there=two.still_there,
        gone=two.gone,
        end_within_s=two.end_within_s,
    )


def _title(item: TimelineItem) -> str:
    """Return the first line of a screen, or the first words of another text."""
    first = _LINE_END.split(item.text, maxsplit=1)[0] if item.channel == "scenes" else item.text
    return first if len(first) <= MAX_TITLE else first[: MAX_TITLE - 1].rstrip() + "…"


def _thinned(titles: list[str]) -> list[str]:
    """Return the titles, each once in a row, and every second one if there are too many."""
    found = [title for place, title in enumerate(titles) if place == 0 or title != titles[place - 1]]
    while len(found) > MAX_TITLES:
        found = [*found[:-1:2], found[-1]]
    return found


def shorten(items: list[TimelineItem]) -> list[TimelineItem]:
    """Halve a long list of items of a lane, which bounds the memory of a timeline."""
    return fold_lane(items, len(items) // 2)


def counts(items: Iterable[TimelineItem]) -> dict[str, int]:
    """Return the number of screens, turns, summaries, alerts and states in some items, by channel."""
    found: defaultdict[str, int] = defaultdict(int)
    for item in items:
        found[item.channel] += item.items
        if item.said or item.said_more:
            found["transcript"] += len(item.said) + item.said_more
    return dict(found)


def hidden(items: Iterable[TimelineItem]) -> dict[str, int]:
    """Return the number of screens, turns and so on that are folded into others, by channel."""
    found: defaultdict[str, int] = defaultdict(int)
    for item in items:
        found[item.channel] += item.items - 1
        found["transcript"] += item.said_more
    return {channel: count for channel, count in found.items() if count}
