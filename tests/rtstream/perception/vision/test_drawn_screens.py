"""Forty drawn screens, described by the built-in default: every fact once, no running clock, and much less text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from rtstream.perception.protocols import VisionAnswer
from rtstream.perception.vision.observer import SceneObserver
from rtstream.rules.fuzzy_text import find, fold
from rtstream.rules.screen_layout import CELL
from tests.rtstream.perception.vision.drawn_screens import SCREENS, DrawnScreen, Fact

WINDOW_S, WINDOWS = 5, 2


def windows(observer: SceneObserver, screen: DrawnScreen, begin: int) -> list[VisionAnswer]:
    """Two windows of two pictures of a screen on which clocks run."""
    found: list[VisionAnswer] = []
    for number in range(WINDOWS):
        at = begin + WINDOW_S * number
        found.append(observer.observe("s", [(1000.0 + at, screen.jpeg(at)), (1003.0 + at, screen.jpeg(at + 3))]))
    return found


def seconds(begin: int) -> list[int]:
    return [begin + WINDOW_S * number + offset for number in range(WINDOWS) for offset in (0, 3)]


def former(answer: VisionAnswer, last: Sequence[str]) -> str:
    """The description before: every line in quotation marks, and again as new and as gone, with what moves."""
    lines = [line.text for line in answer.lines]
    before, after = Counter(fold(one).same for one in last), Counter(fold(one).same for one in lines)
    parts = [f"Text on screen: {quoted(lines)}."]
    if appeared := surplus(lines, after - before):
        parts.append(f"New since the previous look: {quoted(appeared)}.")
    if gone := surplus(last, before - after):
        parts.append(f"Gone since the previous look: {quoted(gone)}.")
    share = round(100 * (answer.changes.share or 0))
    parts.append("There was a cut to another picture." if answer.changes.cuts else f"{share} % of the picture changed.")
    return " ".join([*parts, f"Main colours: {', '.join(answer.changes.colours or [])}."])


def quoted(texts: Sequence[str]) -> str:
    return "; ".join(f"“{text}”" for text in texts[:60])


def surplus(lines: Sequence[str], keys: Counter[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        if keys[fold(line).same] > 0:
            keys[fold(line).same] -= 1
            found.append(line)
    return found


def lacking(text: str, facts: Sequence[Fact]) -> list[Fact]:
    """The facts that are not in a description. The cells of a row are looked for in one row, in their order."""
    rows = text.split("\n")
    whole = fold(text)
    return [fact for fact in facts if not (_in_rows(fact, rows) if isinstance(fact, tuple) else find(fact, whole))]


def _in_rows(cells: tuple[str, ...], rows: Sequence[str]) -> bool:
    wanted = [fold(cell).same for cell in cells if cell]
    for row in rows:
        have = iter([fold(cell).same for cell in row.split(CELL)])
        if all(cell in have for cell in wanted):
            return True
    return False


def check(kind: str, screens: Sequence[DrawnScreen], reader: Any) -> None:
    """Compare the descriptions of screens that follow each other with their facts and with the former ones."""
    observer = SceneObserver(reader)
    other = SCREENS["players" if kind != "players" else "slides"][0]
    last = [line.text for line in observer.observe("s", [(1000.0, other.jpeg(0))]).lines]
    for number, screen in enumerate(screens):
        begin = 30 * (number + 1)
        first, second = windows(observer, screen, begin)
        before, last = len(former(first, last)), [line.text for line in second.lines]
        assert lacking(first.text, screen.facts) == [], screen.title
        assert not [one for one in screen.readings(seconds(begin)) if one in first.text], screen.title
        assert first.text.split("\n").count(screen.title) <= 1
        assert len(first.text) <= before / 3, screen.title
        # Only the clocks run on, which is nothing new.
        assert (second.text, second.changes.repeated) == (first.text, True), screen.title
        assert (second.changes.appeared, second.changes.disappeared) == ([], [])
        assert not first.changes.repeated
        assert first.changes.appeared
        assert first.changes.disappeared


@pytest.mark.parametrize("kind", SCREENS)
def test_a_screen_is_described_by_its_facts_in_a_third_of_the_former_text(kind: str, reader: Any) -> None:
    check(kind, SCREENS[kind][:1], reader)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", SCREENS)
def test_forty_screens_are_described_by_their_facts_in_a_third_of_the_former_text(kind: str, reader: Any) -> None:
    check(kind, SCREENS[kind], reader)
