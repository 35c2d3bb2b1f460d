"""Describes one window of a stream: changes since the previous window, text on screen, motion and colours.

This code runs in the child process, which holds the previous window of each session.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rtstream.perception.protocols import TextLine, VisionAnswer
from rtstream.perception.vision import features
from rtstream.perception.vision.features import Grey, Tiles
from rtstream.perception.vision.text_reader import Reader
from rtstream.rules.screen_changes import ScreenChanges
from rtstream.rules.screen_clock import (
    CLOCK,
    ClockPlace,
    RunningClocks,
    clock_words,
    running_clocks,
    with_edge_clocks,
    without_clocks,
)
from rtstream.rules.screen_layout import screen_rows
from rtstream.rules.screen_text import difference

MAX_SESSIONS = 256
MAX_PICTURES = 64
MAX_ROWS = 150
"""Rows of text in a description. Further rows are only counted."""
NOT_READ = "Text on screen was not read."


@dataclass
class _LookState:
    """The state of a session after its previous window.

    Attributes:
        picture: The last picture.
        read_from: For each tile, the pixels from which its text was last read. Slow fades accumulate against them until
            the tile is read again.
        lines: The lines on screen.
        time: Unix seconds of the last picture.
        changed_at: Unix seconds of the last picture that differed.
        described: The lines from which ``text`` was composed. It is kept while others are read from the same text.
        text: The description.
        clocks: The places of clocks that run.
    """

    picture: Grey
    read_from: Grey
    lines: list[TextLine] = field(default_factory=list)
    time: float = 0.0
    changed_at: float = 0.0
    described: list[TextLine] = field(default_factory=list)
    text: str = ""
    clocks: Sequence[ClockPlace] = ()


class SceneObserver:
    """Describes windows and holds the state of at most ``MAX_SESSIONS`` sessions.

    Without a ``reader``, no text is read.
    """

    def __init__(self, reader: Reader | None) -> None:
        self._reader = reader
        self._seen: OrderedDict[str, _LookState] = OrderedDict()

    def observe(self, session: str, pictures: Sequence[tuple[float, bytes]]) -> VisionAnswer:
        """Describe a window.

        Args:
            session: Id of the session.
            pictures: ``(Unix seconds, JPEG)`` pairs, oldest first, at least one.

        Raises:
            BadPicture: A picture could not be decoded.
        """
        pictures = pictures[-MAX_PICTURES:]
        greys = [features.thumbnail(jpeg) for _, jpeg in pictures]
        last = self._seen.pop(session, None)
        time, jpeg = pictures[-1]
        movement = features.motion(([last.picture] if last else []) + greys)
        seen = self._read(last, greys[-1], jpeg)
        share = float(features.changed_tiles(last.picture, greys[-1]).mean()) if last else 1.0
        frozen = len(greys) + bool(last) > 1 and movement.cuts == 0 and movement.share == 0
        seen.time, seen.changed_at = time, last.changed_at if last and frozen else time
        running = self._running(last, seen, pictures, greys)
        seen.clocks = running.places
        appeared, disappeared = _difference(last, seen.lines, running) if last else ([], [])
        changes = ScreenChanges(
            first=last is None,
            changed=last is None or not frozen,
            share=round(share, 3),
            cut=movement.cuts > 0,
            cuts=movement.cuts,
            motion=round(movement.share, 3),
            frozen=frozen,
            still_s=round(max(0.0, time - seen.changed_at), 3),
            black=features.is_black(greys[-1]),
            blank=features.is_blank(greys[-1]),
            colours=features.main_colours(jpeg),
            text_read=self._reader is not None,
            appeared=appeared,
            disappeared=disappeared,
        )
        _describe(last, seen, running, changes)
        repeated = last is not None and seen.text == last.text and (frozen or bool(seen.lines))
        self._seen[session] = seen
        while len(self._seen) > MAX_SESSIONS:
            self._seen.popitem(last=False)
        return VisionAnswer(seen.text, "local", seen.lines, replace(changes, repeated=repeated))

    def _read(self, last: _LookState | None, grey: Grey, jpeg: bytes) -> _LookState:
        if self._reader is None:
            return _LookState(grey, grey)
        if last is None or features.is_cut(last.read_from, grey):
            return _LookState(grey, grey, self._reader.read(features.decode(jpeg, "BGR")))
        tiles = features.changed_tiles(last.read_from, grey)
        if not tiles.any():
            return _LookState(grey, last.read_from, last.lines)
        lines = self._reader.read_again(features.decode(jpeg, "BGR"), last.lines, tiles)
        fresh = np.kron(tiles, np.ones((features.TILE, features.TILE), dtype=bool))[: grey.shape[0], : grey.shape[1]]
        return _LookState(grey, np.where(fresh, grey, last.read_from), lines)

    def _running(
        self, last: _LookState | None, seen: _LookState, pictures: Sequence[tuple[float, bytes]], greys: Sequence[Grey]
    ) -> RunningClocks:
        """Return the clocks that run, which differ from the last window or within this one."""
        old = last.lines if last else []
        found = running_clocks(old, seen.lines, seen.time - last.time if last else 0.0, last.clocks if last else ())
        known = {line.text for line in old}
        fresh = [
            line
            for number, line in enumerate(seen.lines)
            if number not in found.running and line.text not in known and CLOCK.search(line.text)
        ]
        if fresh and self._reader is not None:
            place = len(greys) - 1
            while place > 0 and not features.is_cut(greys[place - 1], greys[-1]):
                place -= 1
            tiles = features.changed_tiles(greys[place], greys[-1]) & _tiles_of(fresh, greys[-1])
            if tiles.any():
                time, jpeg = pictures[place]
                earlier = self._reader.read_again(features.decode(jpeg, "BGR"), seen.lines, tiles)
                found = running_clocks(earlier, seen.lines, seen.time - time, found.places)
        return with_edge_clocks(found, seen.lines, seen.time)


def _tiles_of(lines: Sequence[TextLine], grey: Grey) -> Tiles:
    """Return the tiles that lines touch."""
    height, width = grey.shape
    tiles = np.zeros((-(-height // features.TILE), -(-width // features.TILE)), dtype=bool)
    for line in lines:
        left, right = (int(line.box[side] * width) // features.TILE for side in (0, 2))
        top, bottom = (int(line.box[side] * height) // features.TILE for side in (1, 3))
        tiles[top : bottom + 1, left : right + 1] = True
    return tiles


def _difference(last: _LookState, lines: Sequence[TextLine], running: RunningClocks) -> tuple[list[str], list[str]]:
    """Return the texts of the lines that appeared and disappeared.

    A line that was merely read slightly differently, or whose clock runs, did neither.
    """
    places = [*last.clocks, *running.places]
    old = [_still(line, places) for line in last.described]
    new = [without_clocks(line.text, running.running.get(number, ())) for number, line in enumerate(lines)]
    added, gone = difference(old, new)
    return _verbatim(added, new, lines), _verbatim(gone, old, last.described)


def _still(line: TextLine, places: Sequence[ClockPlace]) -> str:
    """Return the text of a line without clocks that run."""
    if not places or not CLOCK.search(line.text):
        return line.text
    words = clock_words(line.text)
    place = next((one for one in places if one.holds(words, line.box)), None)
    return line.text if place is None else without_clocks(line.text, place.running)


def _verbatim(found: Sequence[str], texts: Sequence[str], lines: Sequence[TextLine]) -> list[str]:
    """Return the lines of some of the texts that were derived from them, in their order."""
    wanted = Counter(found)
    result: list[str] = []
    for text, line in zip(texts, lines, strict=True):
        if text and wanted[text] > 0:
            wanted[text] -= 1
            result.append(line.text)
    return result


def _describe(last: _LookState | None, seen: _LookState, running: RunningClocks, changes: ScreenChanges) -> None:
    """Set the description. The last one is kept while the text on screen is the same, however it was read."""
    same = last is not None and bool(seen.lines and last.lines) and not (changes.appeared or changes.disappeared)
    if same and last is not None and len(last.clocks) >= len(seen.clocks):
        seen.text, seen.described = last.text, last.described
    else:
        seen.text, seen.described = describe(seen.lines, changes, running), seen.lines


def describe(lines: Sequence[TextLine], changes: ScreenChanges, running: RunningClocks = RunningClocks()) -> str:  # noqa: B008 - frozen
    """Return the text on screen row by row, or a sentence or two about a picture without text.

    Running clocks, and a title that is repeated, are left out. Everything else that was measured is in ``changes``.
    """
    rows = screen_rows(lines, running.running)
    if rows:
        more = [f"… and {len(rows) - MAX_ROWS} more rows"] if len(rows) > MAX_ROWS else []
        return "\n".join([*rows[:MAX_ROWS], *more])
    sentences: list[str] = []
    plain = changes.black or changes.blank
    if changes.black:
        sentences.append("The picture is black.")
    elif changes.blank:
        sentences.append("The picture is one plain colour.")
    if not changes.text_read:
        sentences.append(NOT_READ)
    elif not plain:
        sentences.append("There is no text on screen.")
    if not plain:
        sentences.append(_movement(changes))
    if changes.colours and not changes.black:
        sentences.append(f"Main colours: {', '.join(changes.colours)}.")
    return " ".join(sentence for sentence in sentences if sentence)


def _movement(changes: ScreenChanges) -> str:
    """Return the motion in words. They are the same from window to window while the motion is."""
    motion = changes.motion or 0.0
    if changes.frozen:
        return "Nothing moves."
    if motion >= 0.3:
        return "Most of the picture moves." if motion >= 0.6 else "Much of the picture moves."
    return "A part of the picture moves." if motion >= 0.05 else ""
