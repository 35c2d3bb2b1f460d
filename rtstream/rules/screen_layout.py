"""Lays out the text on a screen for reading: row by row, without running clocks, and no title twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Protocol

from rtstream.rules.fuzzy_text import fold
from rtstream.rules.screen_clock import Box, without_clocks

CELL = " | "
"""Stands between the texts of a row."""
TITLE_WITHIN = 0.15
"""Share of the picture's height, from the top, within which the title of a window or a tab stands."""
HEADING_WITHIN = 0.5
"""The same for the heading that repeats it."""
NEAR_ROWS = 2
"""Rows below the title in which a heading need not be larger than other lines."""
LARGE = 1.25
"""Height of any other heading, relative to the usual line."""
LEAST_TITLE = 4
"""Letters and digits of a title. A shorter text may be a value."""
CUT_OFF = ("…", "...", "..")
"""Ends of a title that its tab is too narrow for."""


class ReadLine(Protocol):
    """A line that was read on screen, with a confidence (0 to 1) and its place. The text is untrusted."""

    @property
    def text(self) -> str: ...  # noqa: D102 - described above

    @property
    def confidence(self) -> float: ...  # noqa: D102 - described above

    @property
    def box(self) -> Box: ...  # noqa: D102 - described above


def screen_rows(lines: Sequence[ReadLine], running: Mapping[int, frozenset[int]]) -> list[str]:
    """Return the text of each row of a screen, from top to bottom.

    Args:
        lines: The lines in reading order.
        running: The numbers of the clocks to leave out, by the number of their line. Both are counted from 0.
    """
    texts = [without_clocks(line.text, running.get(number, ())) for number, line in enumerate(lines)]
    rows = _rows(lines)
    repeated = _repeated_titles(lines, texts, rows)
    found: list[str] = []
    for row in rows:
        cells = [texts[number] for number in row if number not in repeated and _size(texts[number])]
        if cells:
            found.append(CELL.join(cells))
    return found


def same_row(one: Box, other: Box) -> bool:
    """Return whether two boxes overlap by more than half of the lower one's height."""
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return shared > 0.5 * min(one[3] - one[1], other[3] - other[1])


def _rows(lines: Sequence[ReadLine]) -> list[list[int]]:
    rows: list[list[int]] = []
    for number, line in enumerate(lines):
        last = rows[-1] if rows else None
        if last is not None and same_row(lines[last[0]].box, line.box) and line.box[0] >= lines[last[-1]].box[0]:
            last.append(number)
        else:
            rows.append([number])
    return rows


def _repeated_titles(lines: Sequence[ReadLine], texts: Sequence[str], rows: Sequence[Sequence[int]]) -> set[int]:
    """Return the numbers of the lines that repeat the title of the window, or are repeated by its heading.

    Equal values of a table and names in a conversation are not titles.
    """
    keys = [fold(text).same for text in texts]
    row_of = {number: place for place, row in enumerate(rows) for number in row}
    usual = median(line.box[3] - line.box[1] for line in lines) if lines else 0.0
    repeated: set[int] = set()
    for title, line in enumerate(lines):
        if line.box[1] >= TITLE_WITHIN or _size(texts[title]) < LEAST_TITLE or title in repeated:
            continue
        for heading in range(title + 1, len(lines)):
            if heading in repeated or lines[heading].box[1] >= HEADING_WITHIN:
                continue
            near = row_of[heading] - row_of[title] <= NEAR_ROWS and len(rows[row_of[heading]]) == 1
            if not near and lines[heading].box[3] - lines[heading].box[1] < LARGE * usual:
                continue
            if keys[heading] == keys[title]:
                repeated.add(min((title, heading), key=lambda number: (lines[number].confidence, -number)))
            elif _is_part(texts[heading], texts[title]):
                repeated.add(heading)
            elif _is_cut_off(texts[title], keys[heading]):
                repeated.add(title)
    return repeated


def _size(text: str) -> int:
    return sum(char.isalnum() for char in text)


def _is_part(text: str, title: str) -> bool:
    """Return whether a heading is a part of a longer title, such as that of a browser's window."""
    words, own = [fold(word).same for word in title.split()], [fold(word).same for word in text.split()]
    if len(own) < 2 or _size(text) < 2 * LEAST_TITLE:
        return False
    return any(words[place : place + len(own)] == own for place in range(len(words) - len(own) + 1))


def _is_cut_off(title: str, heading: str) -> bool:
    """Return whether a title is the beginning of a heading, given as its folded letters."""
    end = next((mark for mark in CUT_OFF if title.endswith(mark)), None)
    if end is None:
        return False
    key = fold(title.removesuffix(end)).same
    return len(key) >= LEAST_TITLE and heading.startswith(key)
